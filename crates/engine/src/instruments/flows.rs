//! `tcp-info`: what the kernel tells of each flow.

use kernel::socket::Socket;
use kernel::tcp_info::TcpInfo;
use model::record::TcpFacts;
use model::{Instrument as Name, Measured};

use super::instrument::{Edge, Instrument, Scope};

/// `TCP_INFO` of one worker's flows at both edges.
#[derive(Debug)]
pub(crate) struct Flows {
    start: Vec<TcpInfo>,
    end: Vec<TcpInfo>,
    refused: Option<String>,
}

impl Flows {
    /// Room for so many flows, so that marking allocates nothing.
    pub(crate) fn with_room(flows: usize) -> Self {
        Self { start: Vec::with_capacity(flows), end: Vec::with_capacity(flows), refused: None }
    }

    /// Marks one flow.
    pub(crate) fn mark_flow(&mut self, edge: Edge, socket: &Socket) {
        let into = match edge {
            Edge::Start => &mut self.start,
            Edge::End => &mut self.end,
        };
        match socket.tcp_info() {
            Ok(info) => into.push(info),
            Err(error) => self.refused = Some(error.to_string()),
        }
    }
}

impl Instrument for Flows {
    const NAME: Name = Name::TcpInfo;
    const SCOPE: Scope = Scope::Worker;
    type Target<'t> = &'t [&'t Socket];
    type Figures = Measured<Vec<(TcpInfo, TcpInfo)>>;

    fn attach(target: &[&Socket]) -> Self {
        Self::with_room(target.len())
    }

    fn mark(&mut self, edge: Edge, target: &[&Socket]) {
        for socket in target {
            self.mark_flow(edge, socket);
        }
    }

    fn figures(&self) -> Measured<Vec<(TcpInfo, TcpInfo)>> {
        if let Some(refused) = &self.refused {
            return Measured::absent(refused);
        }
        if self.start.len() != self.end.len() || self.start.is_empty() {
            return Measured::absent("a flow was not there at both edges of the window");
        }
        Measured::Value(self.start.iter().copied().zip(self.end.iter().copied()).collect())
    }
}

/// A side's figures from its flows at both edges. RTT, congestion window, segment size and retransmissions are as
/// old as TCP_INFO itself: a kernel that told them not would leave the whole absent.
pub(crate) fn sum(flows: &[(TcpInfo, TcpInfo)]) -> Measured<TcpFacts> {
    #[allow(clippy::cast_precision_loss, reason = "microseconds, packets and bytes of one flow")]
    fn mean(flows: &[(TcpInfo, TcpInfo)], field: impl Fn(&TcpInfo) -> Option<u32>) -> Option<f64> {
        let all: Option<Vec<f64>> =
            flows.iter().map(|(_, end)| field(end).map(f64::from)).collect();
        all.filter(|all| !all.is_empty()).map(|all| all.iter().sum::<f64>() / all.len() as f64)
    }
    fn gained<N: Into<u64>>(
        flows: &[(TcpInfo, TcpInfo)],
        field: impl Fn(&TcpInfo) -> Option<N>,
    ) -> Option<u64> {
        flows
            .iter()
            .map(|(start, end)| Some(field(end)?.into().saturating_sub(field(start)?.into())))
            .sum()
    }
    let (Some(rtt_us), Some(cwnd_packets), Some(mss_bytes), Some(retransmits)) = (
        mean(flows, |info| info.rtt_us),
        mean(flows, |info| info.snd_cwnd),
        mean(flows, |info| info.snd_mss),
        gained(flows, |info| info.total_retrans),
    ) else {
        return Measured::absent(
            "this kernel's TCP_INFO lacks RTT, window, segment size or retransmissions",
        );
    };
    Measured::Value(TcpFacts {
        rtt_us,
        cwnd_packets,
        mss_bytes,
        retransmits,
        data_segments_out: gained(flows, |info| info.data_segs_out),
        segments_in: gained(flows, |info| info.segs_in),
        sent_bytes: gained(flows, |info| info.bytes_sent),
        retransmitted_bytes: gained(flows, |info| info.bytes_retrans),
        busy_us: gained(flows, |info| info.busy_time_us),
        receiver_limited_us: gained(flows, |info| info.rwnd_limited_us),
        send_buffer_limited_us: gained(flows, |info| info.sndbuf_limited_us),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sides_figures_are_what_its_flows_gained() {
        let at = |sent, segments, rtt| TcpInfo {
            bytes_sent: Some(sent),
            data_segs_out: Some(segments),
            rtt_us: Some(rtt),
            snd_cwnd: Some(10),
            snd_mss: Some(1448),
            total_retrans: Some(2),
            ..TcpInfo::default()
        };
        let flows = [(at(100, 1, 9), at(300, 3, 10)), (at(0, 0, 9), at(50, 1, 30))];
        let Measured::Value(facts) = sum(&flows) else { panic!("all is there") };
        assert_eq!(facts.sent_bytes, Some(250));
        assert_eq!(facts.data_segments_out, Some(3));
        assert!((facts.rtt_us - 20.0).abs() < 1e-9);
        assert_eq!(facts.busy_us, None, "what an old kernel does not tell is not 0");
        let without = TcpInfo { rtt_us: None, ..at(300, 3, 10) };
        assert!(sum(&[(at(100, 1, 9), without)]).value().is_none(), "nor is a missing RTT");
    }
}
