//! What figures are called in sentences.

use analysis::metric::Metric;

/// A metric's name in a sentence.
#[allow(clippy::wildcard_enum_match_arm, reason = "the others bear the names of their columns")]
pub(crate) fn metric(metric: Metric) -> String {
    match metric {
        Metric::GoodputGbps => "goodput".to_owned(),
        Metric::EndsCpuNsPerKib => "CPU per KiB of both ends".to_owned(),
        Metric::SenderCpuNsPerKib => "the sender's CPU per KiB".to_owned(),
        Metric::ReceiverCpuNsPerKib => "the receiver's CPU per KiB".to_owned(),
        Metric::SenderSideCpuNsPerKib => "sender-side cost per KiB".to_owned(),
        Metric::SenderCyclesPerByte => "the sender's cycles per byte".to_owned(),
        Metric::SenderInstructionsPerByte => "the sender's instructions per byte".to_owned(),
        Metric::SenderLlcMissesPerKib => "the sender's last-level misses per KiB".to_owned(),
        Metric::SenderL1dMissesPerKib => "the sender's L1 data misses per KiB".to_owned(),
        Metric::SenderLlcLoadsPerKib => "the sender's last-level reads per KiB".to_owned(),
        Metric::SenderCacheMissesPerKib => "the sender's cache misses".to_owned(),
        Metric::ContextSwitchesPerS => "context switches per second".to_owned(),
        Metric::CopiedShare => "share of completions marked copied".to_owned(),
        other => other.name().replace('_', " "),
    }
}
