//! Series beside which other programs ran.

use model::record::{CpuBusy, CpuTicks, Load, Outcome, Trial};
use model::{Measured, Nanos};

use crate::{CPUS, to_f64, to_u64};

/// How long a made-up series lasts.
const SPAN: Nanos = Nanos::ms(600);
/// Share of the CPUs' time that copycost itself takes.
const OWN: f64 = 0.2;

/// Has a series' trial tell what took the usable CPUs' time: others and the hypervisor, as shares of it.
pub fn loaded(trial: &mut Trial, others: f64, stolen: f64) {
    let cpus: Vec<u32> = (0..CPUS).collect();
    let of_each = |share: f64| vec![to_u64(share * to_f64(SPAN.0)); cpus.len()];
    let own = OWN * to_f64(SPAN.0) * f64::from(CPUS);
    let load = Load {
        busy: Measured::Value(CpuBusy {
            source: "timer-list".to_owned(),
            error_ns: Nanos(20_000),
            span_ns: SPAN,
            cpus: cpus.clone(),
            busy_ns: of_each(OWN + others + stolen),
        }),
        ticks: Measured::Value(CpuTicks {
            tick_ns: Nanos::ms(10),
            span_ns: SPAN,
            softirq_ns: of_each(0.05),
            irq_ns: of_each(0.0),
            steal_ns: of_each(stolen),
            cpus,
        }),
        khz: Measured::absent("CPU frequency: not told"),
        own_cpu_ns: Measured::Value(Nanos(to_u64(own))),
        interrupts_apart: Measured::Value(false),
    };
    if let Outcome::Finished(finished) = &mut trial.outcome {
        finished.machine.load = Some(Box::new(load));
    }
}
