//! Which CPUs the workers of a cell run on.

use model::Placement;
use model::values::Threads;

/// The CPUs of a cell's workers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Seats {
    /// CPU of each sending worker; empty: not pinned.
    pub senders: Vec<u32>,
    /// CPU of each receiving worker; empty: not pinned.
    pub receivers: Vec<u32>,
}

/// One CPU of every core, then the second ones, and so on: SMT siblings are shared last.
fn spread(cores: &[Vec<u32>]) -> Vec<u32> {
    let most = cores.iter().map(Vec::len).max().unwrap_or(0);
    (0..most).flat_map(|n| cores.iter().filter_map(move |core| core.get(n).copied())).collect()
}

/// Seats the workers: worker i on its side's CPU i modulo their number.
///
/// `cores` are the usable logical CPUs by physical core, in order.
///
/// # Errors
/// A CPU that was named but may not be used.
pub fn seat(placement: &Placement, threads: Threads, cores: &[Vec<u32>]) -> Result<Seats, String> {
    let usable: Vec<u32> = spread(cores);
    let (senders, receivers) = match placement {
        Placement::None => return Ok(Seats::default()),
        Placement::Same => (usable.clone(), usable.clone()),
        Placement::Split if cores.len() >= 2 => {
            let (first, second) = cores.split_at(cores.len() / 2);
            (spread(first), spread(second))
        }
        // One core: its SMT siblings if it has two, else both sides on the one CPU there is.
        Placement::Split => match usable.as_slice() {
            [first, second, ..] => (vec![*first], vec![*second]),
            _ => (usable.clone(), usable.clone()),
        },
        Placement::Cpus { senders, receivers } => {
            if let Some(cpu) = senders.iter().chain(receivers).find(|cpu| !usable.contains(cpu)) {
                let mut sorted = usable.clone();
                sorted.sort_unstable();
                let list: Vec<_> = sorted.iter().map(ToString::to_string).collect();
                return Err(format!(
                    "placement {placement}: CPU {cpu} may not be used here; usable: {}",
                    list.join(", ")
                ));
            }
            (senders.clone(), receivers.clone())
        }
    };
    let worker = |cpus: &[u32]| {
        (0..threads.get() as usize).map(|i| cpus[i % cpus.len()]).collect::<Vec<_>>()
    };
    if senders.is_empty() || receivers.is_empty() {
        return Err("no CPU may be used".to_owned());
    }
    Ok(Seats { senders: worker(&senders), receivers: worker(&receivers) })
}

impl Seats {
    /// The CPU of the sink's helper: the first receiver's, or the last usable one where workers are not pinned.
    pub fn helper(&self, usable: &[u32]) -> u32 {
        self.receivers.first().or(usable.last()).copied().unwrap_or(0)
    }

    /// The CPUs in use, without repetition; all usable ones where workers are not pinned.
    pub fn in_use(&self, usable: &[u32]) -> Vec<u32> {
        let mut cpus: Vec<u32> = self.senders.iter().chain(&self.receivers).copied().collect();
        if cpus.is_empty() {
            cpus = usable.to_vec();
        }
        cpus.sort_unstable();
        cpus.dedup();
        cpus
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seats(placement: &str, threads: u32, cores: &[Vec<u32>]) -> Seats {
        seat(&placement.parse().unwrap(), Threads::new(threads).unwrap(), cores).unwrap()
    }

    #[test]
    fn split_gives_each_side_physical_cores_of_its_own() {
        let smt = [vec![0, 4], vec![1, 5], vec![2, 6], vec![3, 7]];
        let seated = seats("split", 4, &smt);
        assert_eq!(seated.senders, [0, 1, 4, 5]);
        assert_eq!(seated.receivers, [2, 3, 6, 7]);
        let two = seats("split", 3, &[vec![0], vec![1]]);
        assert_eq!((two.senders, two.receivers), (vec![0, 0, 0], vec![1, 1, 1]));
    }

    #[test]
    fn one_cpu_serves_both_sides() {
        let one = seats("split", 2, &[vec![3]]);
        assert_eq!((one.senders, one.receivers), (vec![3, 3], vec![3, 3]));
        let siblings = seats("split", 1, &[vec![0, 1]]);
        assert_eq!((siblings.senders, siblings.receivers), (vec![0], vec![1]));
    }

    #[test]
    fn a_cpu_that_may_not_be_used_is_named_with_those_that_may() {
        let error = seat(&"0/7".parse().unwrap(), Threads::ONE, &[vec![0], vec![1]]).unwrap_err();
        assert!(error.contains("CPU 7") && error.contains("0, 1"), "{error}");
    }

    #[test]
    fn the_sinks_helper_sits_where_the_first_receiver_would() {
        assert_eq!(seats("split", 4, &[vec![0], vec![1]]).helper(&[0, 1]), 1);
        assert_eq!(seats("none", 4, &[vec![0], vec![5]]).helper(&[0, 5]), 5);
    }

    #[test]
    fn unpinned_workers_use_all_usable_cpus() {
        assert_eq!(seats("none", 2, &[vec![0], vec![1]]).in_use(&[0, 1]), [0, 1]);
        assert_eq!(seats("same", 3, &[vec![0], vec![1]]).in_use(&[0, 1]), [0, 1]);
    }
}
