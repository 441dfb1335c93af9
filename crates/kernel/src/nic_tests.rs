//! Recorded texts of three machines, and the devices of this one.

use std::os::unix::fs::symlink;

use super::*;
use crate::machine::LIVE;
use crate::machine::tree::plant;
use crate::netlink::Netlink;

const VIRTIO: &str = "           CPU0       CPU1       \n 24:          1          0  IO-APIC   5-edge      ACPI:Ged\n 28:          0          0 PCI-MSIX-0000:00:01.0   0-edge      virtio0-config\n 37:          0          0 PCI-MSIX-0000:00:03.0   0-edge      virtio2-config\n 38:          0     117791 PCI-MSIX-0000:00:03.0   1-edge      virtio2-input.0\n 39:     113192          0 PCI-MSIX-0000:00:03.0   2-edge      virtio2-output.0\nNMI:          0          0   Non-maskable interrupts\n";
const MLX5: &str = "            CPU0       CPU1       CPU2       CPU3\n 122:         0          0          0          0  PCI-MSI 1572864-edge      mlx5_async0@pci:0000:03:00.0\n 123:      9001          0          0          0  PCI-MSI 1572865-edge      mlx5_comp0@pci:0000:03:00.0\n 124:         0          0      77001          0  PCI-MSI 1572866-edge      mlx5_comp1@pci:0000:03:00.0\n 130:         0          0          0         12  PCI-MSI 1574913-edge      mlx5_comp0@pci:0000:03:00.1\n";

fn root() -> tempfile::TempDir {
    tempfile::tempdir().unwrap()
}

/// A device on a bus, whose place in the tree of devices is told.
fn on_bus(root: &Path, device: &str, place: &str) {
    plant(root, &format!("/sys/devices/{place}/numa_node"), "1");
    plant(root, &format!("/sys/class/net/{device}/mtu"), "9000");
    symlink(
        tree::path(root, &format!("/sys/devices/{place}")),
        tree::path(root, &format!("/sys/class/net/{device}/device")),
    )
    .unwrap();
}

#[test]
fn a_card_with_queues_tells_speed_queues_interrupts_steering_and_node() {
    let root = root();
    let root = root.path();
    on_bus(root, "ens1f0", "pci0000:00/0000:00:01.0/0000:03:00.0");
    plant(root, "/sys/class/net/ens1f0/speed", "25000");
    plant(root, "/sys/class/net/ens1f0/threaded", "0");
    plant(root, "/sys/class/net/ens1f0/napi_defer_hard_irqs", "2");
    for queue in ["rx-0", "rx-1", "tx-0", "tx-1", "tx-2"] {
        plant(root, &format!("/sys/class/net/ens1f0/queues/{queue}/tx_timeout"), "0");
    }
    plant(root, "/sys/class/net/ens1f0/queues/rx-0/rps_cpus", "0");
    plant(root, "/sys/class/net/ens1f0/queues/rx-1/rps_cpus", "0");
    plant(root, "/sys/class/net/ens1f0/queues/tx-0/xps_cpus", "1,00000001");
    plant(root, "/sys/class/net/ens1f0/queues/tx-1/xps_cpus", "0,00000006");
    plant(root, "/proc/interrupts", MLX5);
    plant(root, "/proc/irq/122/effective_affinity_list", "3");
    plant(root, "/proc/irq/123/effective_affinity_list", "0");
    plant(root, "/proc/irq/124/smp_affinity_list", "2");
    plant(root, "/proc/irq/130/effective_affinity_list", "3");
    let card = Card::read(root, "ens1f0");
    let list = |cpus: &str| Ok(CpuSet::parse(cpus).unwrap());
    assert_eq!(
        card,
        Card {
            speed_mbps: Ok(25_000),
            receive_queues: Ok(2),
            transmit_queues: Ok(3),
            // Not the one that never came, nor that of the card's other port.
            interrupt_cpus: list("0,2"),
            receive_steering_cpus: list(""),
            transmit_steering_cpus: list("0-2,32"),
            numa_node: Ok(1),
            threaded: Ok(false),
            deferred_interrupts: Ok(2),
        }
    );
}

#[test]
fn a_virtio_device_has_the_interrupts_and_node_of_the_pci_device_that_carries_it() {
    let root = root();
    let root = root.path();
    plant(root, "/sys/devices/pci0000:00/0000:00:03.0/numa_node", "-1");
    plant(root, "/sys/devices/pci0000:00/0000:00:03.0/virtio2/features", "0");
    plant(root, "/sys/class/net/eth0/speed", "-1");
    symlink(
        tree::path(root, "/sys/devices/pci0000:00/0000:00:03.0/virtio2"),
        tree::path(root, "/sys/class/net/eth0/device"),
    )
    .unwrap();
    plant(root, "/proc/interrupts", VIRTIO);
    plant(root, "/proc/irq/37/effective_affinity_list", "0");
    plant(root, "/proc/irq/38/effective_affinity_list", "1");
    plant(root, "/proc/irq/39/effective_affinity_list", "1");
    let card = Card::read(root, "eth0");
    assert_eq!(card.interrupt_cpus, Ok(CpuSet::parse("1").unwrap()));
    let told = |fact: Fact<u64>| fact.unwrap_err().to_string();
    assert!(told(card.speed_mbps).contains("its driver tells none"));
    assert!(told(card.numa_node).contains("the firmware tells none"));
    assert!(card.receive_queues.is_err());
}

#[test]
fn a_name_is_not_taken_for_a_longer_one_that_begins_so() {
    let names = |names: &[&str]| names.iter().map(ToString::to_string).collect::<Vec<_>>();
    let eth1 = names(&["eth1"]);
    for (action, is) in [
        ("PCI-MSI 524288-edge      eth1", true),
        ("PCI-MSI 524289-edge      eth1-TxRx-0", true),
        ("IO-APIC  10-fasteoi   uhci_hcd:usb3, eth1", true),
        ("PCI-MSI 524290-edge      eth10", false),
        ("PCI-MSI 524290-edge      eth10-TxRx-0", false),
        ("PCI-MSI 524290-edge      veth1", false),
    ] {
        assert_eq!(is_of(action, &eth1), is, "{action}");
    }
    let function = names(&["eth0", "0000:03:00.0"]);
    assert!(is_of("PCI-MSI 1-edge mlx5_comp0@pci:0000:03:00.0", &function));
    assert!(!is_of("PCI-MSI 1-edge mlx5_comp0@pci:0000:03:00.01", &function));
    assert!(!is_of("PCI-MSI 1-edge mlx5_comp0@pci:1000:03:00.0", &function));
}

#[test]
fn what_a_device_without_a_line_tells_is_no_speed_of_one() {
    let root = root();
    let root = root.path();
    for device in ["veth0", "bond0"] {
        plant(root, &format!("/sys/class/net/{device}/speed"), "10000");
    }
    plant(root, "/sys/class/net/bond0/lower_eth0", "");
    let speed = |device: &str| Card::read(root, device).speed_mbps;
    assert!(speed("veth0").unwrap_err().because.contains("made up"));
    assert_eq!(speed("bond0"), Ok(10_000));
}

#[test]
fn masks_are_read_word_by_word() {
    assert_eq!(parse_mask("0"), Some(vec![]));
    assert_eq!(parse_mask("ff"), Some((0..8).collect()));
    assert_eq!(parse_mask("3,00000000,80000001"), Some(vec![0, 31, 64, 65]));
    for wrong in ["", "g", "100000000", "1,", "+1", "1, 2"] {
        assert_eq!(parse_mask(wrong), None, "{wrong:?}");
    }
}

#[test]
fn loopback_here_has_queues_and_neither_interrupts_nor_a_node() {
    let lo = Netlink::here().unwrap().device("lo").unwrap();
    let card = Card::find(Path::new(LIVE), "lo", lo);
    assert_eq!((&card.receive_queues, &card.transmit_queues), (&Ok(1), &Ok(1)));
    assert!(card.interrupt_cpus.unwrap_err().because.contains("has none"));
    assert!(card.numa_node.unwrap_err().because.contains("no bus"));
    assert!(card.speed_mbps.is_err());
}

#[test]
fn a_device_of_another_namespace_is_not_taken_for_one_of_its_name() {
    let root = root();
    let root = root.path();
    plant(root, "/sys/class/net/eth0/ifindex", "2");
    plant(root, "/sys/class/net/eth0/address", "02:00:00:00:00:0a");
    plant(root, "/sys/class/net/eth0/speed", "1000");
    plant(root, "/sys/class/net/eth0/device/vendor", "0x8086");
    let device = Device { index: 2, mac: Some([2, 0, 0, 0, 0, 10]), mtu_bytes: 1500, is_up: true };
    let speed = |device| Card::find(root, "eth0", device).speed_mbps;
    assert_eq!(speed(device), Ok(1000));
    for other in
        [Device { index: 3, ..device }, Device { mac: Some([2, 0, 0, 0, 0, 11]), ..device }]
    {
        let why = speed(other).unwrap_err();
        assert!(why.because.contains("another network namespace"), "{why}");
    }
    assert!(Card::find(root, "eth1", device).receive_queues.is_err());
}
