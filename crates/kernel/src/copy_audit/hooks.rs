//! Loading the audit's programs and hooking them to their functions.

use std::any::Any;
use std::io::BufReader;

use aya::programs::perf_event::{
    BreakpointConfig, PerfEvent, PerfEventConfig, PerfEventScope, SamplePolicy,
};
use aya::programs::{FEntry, FExit, KProbe, Program, ProgramError, RawTracePoint};
use aya::{Btf, Ebpf};

use super::counted::{Counted, Hook};
use super::kallsyms::{self, Symbol};
use super::refusal::{self, Surroundings, chain, errno, no_map};
use crate::Unavailable;
use crate::machine::tree;

/// What keeps a program attached; dropping it detaches.
pub(super) type Attachment = Box<dyn Any>;

/// Loads and attaches the best program that this machine allows.
///
/// # Errors
/// What each way was refused for.
pub(super) fn attach_best(
    ebpf: &mut Ebpf,
    counted: Counted,
    btf: Option<&Btf>,
    surroundings: &Surroundings,
) -> Result<(Hook, Vec<Attachment>), Unavailable> {
    let function = counted.function();
    let mut tried = Vec::new();
    for (hook, program) in counted.programs() {
        let refused = match (surroundings.lacks(*hook, function), ebpf.program_mut(program)) {
            (Some(why), _) => why,
            (None, None) => no_map(),
            (None, Some(program)) => {
                match load(program, function, btf).and_then(|()| attach(program, counted)) {
                    Ok(attachments) => return Ok((*hook, attachments)),
                    Err(why) => why.explain(surroundings, *hook, function),
                }
            }
        };
        tried.push((*hook, refused));
    }
    Err(refusal::together(function, &tried))
}

/// Why a program could not be loaded or attached.
pub(super) enum Refused {
    Known(Unavailable),
    Loader(ProgramError),
}

impl Refused {
    /// The refusal in words.
    pub(super) fn explain(
        self,
        surroundings: &Surroundings,
        hook: Hook,
        function: &str,
    ) -> Unavailable {
        match self {
            Self::Known(why) => why,
            Self::Loader(error) => {
                // A function that the kernel's BTF does not know.
                let absent = matches!(&error, ProgramError::Btf(_)).then_some(libc::ENOENT);
                let errno = errno(&error).or(absent);
                surroundings.refused(hook, function, errno, &chain(&error))
            }
        }
    }
}

impl From<ProgramError> for Refused {
    fn from(error: ProgramError) -> Self {
        Self::Loader(error)
    }
}

fn load(program: &mut Program, function: &str, btf: Option<&Btf>) -> Result<(), Refused> {
    if let Ok(at) = <&mut PerfEvent>::try_from(&mut *program) {
        at.load()?;
    } else if let Ok(entry) = <&mut FEntry>::try_from(&mut *program) {
        entry.load(function, btf.ok_or_else(no_btf)?)?;
    } else if let Ok(exit) = <&mut FExit>::try_from(&mut *program) {
        exit.load(function, btf.ok_or_else(no_btf)?)?;
    } else if let Ok(probe) = <&mut KProbe>::try_from(&mut *program) {
        probe.load()?;
    } else {
        <&mut RawTracePoint>::try_from(program)?.load()?;
    }
    Ok(())
}

/// Attaches a loaded program.
pub(super) fn attach(program: &mut Program, counted: Counted) -> Result<Vec<Attachment>, Refused> {
    let function = counted.function();
    if let Ok(at) = <&mut PerfEvent>::try_from(&mut *program) {
        return attach_breakpoints(at, function);
    }
    let attachment: Attachment = if let Ok(entry) = <&mut FEntry>::try_from(&mut *program) {
        let id = entry.attach()?;
        Box::new(entry.take_link(id)?)
    } else if let Ok(exit) = <&mut FExit>::try_from(&mut *program) {
        let id = exit.attach()?;
        Box::new(exit.take_link(id)?)
    } else if let Ok(probe) = <&mut KProbe>::try_from(&mut *program) {
        let id = probe.attach(function, 0)?;
        Box::new(probe.take_link(id)?)
    } else {
        let tracepoint = <&mut RawTracePoint>::try_from(program)?;
        let id = tracepoint.attach(function.split_once(':').map_or(function, |(_, name)| name))?;
        Box::new(tracepoint.take_link(id)?)
    };
    Ok(vec![attachment])
}

fn no_btf() -> Refused {
    Refused::Known(Unavailable {
        what: "fentry".to_owned(),
        because: "this kernel's BTF (/sys/kernel/btf/vmlinux) cannot be read".to_owned(),
        remedy: "boot a kernel with CONFIG_DEBUG_INFO_BTF".into(),
    })
}

/// One event a CPU; those of the CPUs before one that refuses are closed again.
fn attach_breakpoints(program: &mut PerfEvent, function: &str) -> Result<Vec<Attachment>, Refused> {
    let unavailable = |because: &str, remedy: &str| {
        Refused::Known(Unavailable {
            what: format!("breakpoint on {function}"),
            because: because.to_owned(),
            remedy: remedy.into(),
        })
    };
    // Before Linux 6.6 an aarch64 kernel does not step over a breakpoint that has a BPF program, and stands still.
    if cfg!(target_arch = "aarch64") && !is_since(6, 6) {
        let because = "breakpoints with BPF programs hang aarch64 kernels before 6.6";
        return Err(unavailable(because, "boot Linux 6.6 or later"));
    }
    let symbol = std::fs::File::open("/proc/kallsyms")
        .and_then(|file| kallsyms::find(BufReader::new(file), function))
        .map_err(|error| Refused::Known(tree::unreadable("proc/kallsyms", &error)))?;
    let address = match symbol {
        Symbol::At(address) => address,
        Symbol::Missing => return Err(unavailable("this kernel has no such function", "")),
        Symbol::Hidden => {
            return Err(unavailable(
                "kernel addresses are hidden (kernel.kptr_restrict, CAP_SYSLOG)",
                "run as root, with sudo sysctl kernel.kptr_restrict=1",
            ));
        }
    };
    let cpus = aya::util::online_cpus()
        .map_err(|(path, error)| Refused::Known(tree::unreadable(path, &error)))?;
    let event = PerfEventConfig::Breakpoint(BreakpointConfig::Instruction { address });
    let mut attached: Vec<Attachment> = Vec::new();
    for cpu in cpus {
        let scope = PerfEventScope::AllProcessesOneCpu { cpu };
        let id = program.attach(event, scope, SamplePolicy::Period(1), false)?;
        attached.push(Box::new(program.take_link(id)?));
    }
    Ok(attached)
}

/// Whether the running kernel is this version or a later one.
fn is_since(major: u8, minor: u8) -> bool {
    aya::util::KernelVersion::current()
        .is_ok_and(|version| version >= aya::util::KernelVersion::new(major, minor, 0))
}
