//! Which CPUs come first because a network card is near them, in words.

use engine::NearDevice;
use model::{Placement, Plan};

/// What the first line of a run says of it, with what parts it from the forecast; nothing where no card decided anything.
pub(crate) fn words(plan: &Plan, devices: &[Option<NearDevice>; 2]) -> String {
    let follows = |cell: &model::Cell| {
        matches!(cell.placement, Placement::Split | Placement::Same | Placement::Spare)
            && cell.link.capabilities().has_peer_host
    };
    if !plan.cells().iter().any(follows) {
        return String::new();
    }
    let hosts = devices.iter().zip(["here", "at the peer"]);
    let said: Vec<String> = hosts
        .filter_map(|(device, place)| {
            let NearDevice { device, node, .. } = device.as_ref()?;
            Some(format!("of NUMA node {node}, where {device} is, {place}"))
        })
        .collect();
    if said.is_empty() { said.concat() } else { format!("; first CPUs {}", said.join(" and ")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_said_where_a_card_decided_something() {
        let near =
            |node, device: &str| Some(NearDevice { device: device.to_owned(), node, cores: 4 });
        let plan = of_link("split");
        let spare = of_link("spare");
        let both = [near(1, "eth1"), near(0, "enp65s0")];
        assert_eq!(
            words(&plan, &both),
            "; first CPUs of NUMA node 1, where eth1 is, here and of NUMA node 0, where enp65s0 is, at the peer"
        );
        assert_eq!(
            words(&plan, &[None, near(0, "eth0")]),
            "; first CPUs of NUMA node 0, where eth0 is, at the peer"
        );
        assert_eq!(words(&spare, &both), words(&plan, &both));
        assert_eq!(words(&plan, &[None, None]), "");
        // CPUs that are named, or none at all, follow no card.
        for placement in ["none", "0/1"] {
            assert_eq!(words(&of_link(placement), &both), "");
        }
    }

    fn of_link(placement: &str) -> Plan {
        let mut plan = Plan::preset(model::Preset::Quick);
        plan.factors.link = vec![model::Link::Ssh];
        plan.factors.placement = vec![placement.parse().unwrap()];
        plan
    }
}
