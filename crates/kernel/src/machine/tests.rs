use super::tree::plant;
use super::*;

fn laptop() -> tempfile::TempDir {
    let fixture = tempfile::tempdir().unwrap();
    let root = fixture.path();
    plant(root, "/proc/cpuinfo", "processor\t: 0\nmodel name\t: Some  CPU\nflags\t\t: fpu sse2");
    plant(root, "/proc/sys/kernel/osrelease", "6.8.0-49-generic");
    plant(root, "/proc/meminfo", "MemTotal:       24684084 kB\nMemFree: 1 kB");
    plant(root, "/etc/os-release", "ID=debian\nPRETTY_NAME=\"Debian GNU/Linux 12 (bookworm)\"");
    plant(root, "/sys/kernel/mm/transparent_hugepage/enabled", "always [madvise] never");
    plant(root, "/sys/devices/system/cpu/vulnerabilities/mds", "Not affected");
    for (policy, governor) in [(0, "powersave"), (1, "performance"), (2, "powersave")] {
        let file = format!("/sys/devices/system/cpu/cpufreq/policy{policy}/scaling_governor");
        plant(root, &file, governor);
    }
    plant(root, "/sys/devices/system/cpu/intel_pstate/no_turbo", "1");
    plant(root, "/sys/class/power_supply/BAT0/type", "Battery");
    plant(root, "/sys/class/power_supply/BAT0/status", "Discharging");
    plant(root, "/sys/class/net/lo/mtu", "65536");
    plant(root, "/sys/class/net/lo/operstate", "unknown");
    plant(root, "/proc/sys/net/ipv4/tcp_rmem", "4096\t131072\t6291456");
    fixture
}

#[test]
fn a_laptops_facts_are_read() {
    let fixture = laptop();
    let machine = Machine::read_below(fixture.path());
    assert_eq!(machine.cpu_model.as_deref(), Ok("Some CPU"));
    assert_eq!(machine.memory_bytes, Ok(24_684_084 * 1024));
    assert_eq!(machine.os.as_deref(), Ok("Debian GNU/Linux 12 (bookworm)"));
    assert_eq!(machine.huge_pages.as_deref(), Ok("madvise"));
    assert_eq!(machine.frequency.governors.unwrap(), ["performance", "powersave"]);
    assert_eq!(machine.frequency.turbo, Ok(false));
    assert_eq!(machine.on_battery, Ok(true));
    assert_eq!(machine.virtualization.is_virtual(), Ok(false));
    assert_eq!(machine.interfaces.unwrap()[0].mtu_bytes, Ok(65536));
    let rmem = machine.sysctls.iter().find(|(name, _)| name == "net.ipv4.tcp_rmem").unwrap();
    assert_eq!(rmem.1.as_deref(), Ok("4096 131072 6291456"));
}

#[test]
fn what_cannot_be_read_carries_its_reason() {
    let empty = tempfile::tempdir().unwrap();
    let machine = Machine::read_below(empty.path());
    for fact in [&machine.cpu_model, &machine.os, &machine.clocksource] {
        assert_eq!(fact.as_ref().unwrap_err().because, "this kernel or machine has no such file");
    }
    assert!(machine.memory_bytes.is_err() && machine.mitigations.is_err());
    assert!(machine.on_battery.is_err() && machine.interfaces.is_err());
    assert!(machine.frequency.turbo.is_err() && machine.virtualization.is_virtual().is_err());
    assert!(machine.sysctls.iter().all(|(_, setting)| setting.is_err()));
}

#[test]
fn a_machine_on_mains_is_not_on_battery() {
    let fixture = laptop();
    plant(fixture.path(), "/sys/class/power_supply/BAT0/status", "Charging");
    plant(fixture.path(), "/sys/class/power_supply/AC/type", "Mains");
    plant(fixture.path(), "/sys/class/power_supply/AC/online", "1");
    assert_eq!(on_battery(fixture.path()), Ok(false));
    plant(fixture.path(), "/sys/class/power_supply/AC/online", "0");
    assert_eq!(on_battery(fixture.path()), Ok(true));
}

#[test]
fn a_mouses_battery_does_not_feed_the_machine() {
    let fixture = tempfile::tempdir().unwrap();
    plant(fixture.path(), "/sys/class/power_supply/mouse/type", "Battery");
    plant(fixture.path(), "/sys/class/power_supply/mouse/scope", "Device");
    plant(fixture.path(), "/sys/class/power_supply/mouse/status", "Discharging");
    assert_eq!(on_battery(fixture.path()), Ok(false));
}

#[test]
fn a_cpu_without_flags_leaves_it_to_the_firmware() {
    let fixture = tempfile::tempdir().unwrap();
    plant(fixture.path(), "/proc/cpuinfo", "CPU implementer\t: 0x41\nCPU part\t: 0xd0c");
    let arm = virtualization(fixture.path());
    assert!(arm.is_virtual().is_err());
    plant(fixture.path(), "/sys/class/dmi/id/sys_vendor", "QEMU");
    assert_eq!(virtualization(fixture.path()).is_virtual(), Ok(true));
    plant(fixture.path(), "/sys/class/dmi/id/sys_vendor", "Lenovo");
    assert_eq!(virtualization(fixture.path()).is_virtual(), Ok(false));
    assert_eq!(cpu_model(fixture.path()).as_deref(), Ok("implementer 0x41 part 0xd0c"));
}

#[test]
fn a_guests_flag_is_seen() {
    assert_eq!(has_hypervisor_flag("flags : fpu hypervisor sse2\n"), Some(true));
    assert_eq!(has_hypervisor_flag("flags : fpu hypervisors\n"), Some(false));
    assert_eq!(has_hypervisor_flag("Features : fp asimd\n"), None);
}
