//! The order of a round: blocks at random, and cells at random within each block.
//!
//! Random order keeps drift of the machine (heat, other load) from falling on one path alone; blocks keep
//! the cells that will be compared next to each other (randomised complete block design: R. A. Fisher, The
//! Design of Experiments, 1935).

use model::{Block, Cell, Plan};
use rand::Rng;
use rand_pcg::Pcg64;

/// The blocks of a round (from 1) and the cells of each, in the order in which they are measured.
///
/// It depends on nothing but the plan and the round, so that a resumed run goes on in the same order. The
/// generator (PCG XSL RR 128/64, M. E. O'Neill 2014) and the shuffle are pinned by a test: a new version of
/// copycost orders as the old one did.
pub fn round_order(plan: &Plan, round: u32) -> Vec<(Block, Vec<Cell>)> {
    let mut random = generator(plan.measure.seed, u64::from(round));
    let mut blocks = plan.blocks();
    shuffle(&mut blocks, &mut random);
    for (_, cells) in &mut blocks {
        shuffle(cells, &mut random);
    }
    blocks
}

/// The first seed from the plan's own on with which the first round begins with the blocks that have such a cell, so that a run which
/// its limit cuts has these. All else stays as random as it was: the order of these blocks, of the others, and of later rounds.
pub fn seed_beginning_with(plan: &Plan, is_first: impl Fn(&Cell) -> bool) -> u64 {
    // Of a plan of so many blocks that chance has not put some of them first by then, the order is left alone.
    const MOST: u64 = 1 << 17;
    let blocks = plan.blocks();
    let is_wanted: Vec<bool> =
        blocks.iter().map(|(_, cells)| cells.iter().any(&is_first)).collect();
    let wanted = is_wanted.iter().filter(|is_wanted| **is_wanted).count();
    let own = plan.measure.seed;
    let mut seeds = (0..MOST).map(|more| own.wrapping_add(more));
    let begins = |seed: &u64| {
        let mut order = is_wanted.clone();
        shuffle(&mut order, &mut generator(*seed, 1));
        order.iter().take(wanted).all(|is_wanted| *is_wanted)
    };
    seeds.find(begins).unwrap_or(own)
}

/// So many turns of a series of `cells` cells, each turn with all of them in random order. They depend on the seed, the round
/// and the block's place in it alone.
pub fn turn_orders(
    plan: &Plan,
    round: u32,
    block: u32,
    turns: u32,
    cells: usize,
) -> Vec<Vec<usize>> {
    let stream = mix(u64::from(round) << 32 | u64::from(block));
    let mut random = generator(plan.measure.seed, stream);
    let turn = |_| {
        let mut turn: Vec<usize> = (0..cells).collect();
        shuffle(&mut turn, &mut random);
        turn
    };
    (0..turns).map(turn).collect()
}

/// A generator for a pair of numbers; neighbouring pairs give unrelated sequences.
pub fn generator(seed: u64, stream: u64) -> Pcg64 {
    // Increment 1 is one of PCG's valid streams; the state alone tells the sequences apart.
    let low = mix(seed ^ mix(stream));
    Pcg64::new(u128::from(mix(seed)) << 64 | u128::from(low), 0)
}

/// The finaliser of SplitMix64 (Steele, Lea, Flood 2014): every bit of the input moves half of the output's.
pub const fn mix(n: u64) -> u64 {
    let n = n.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let n = (n ^ (n >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let n = (n ^ (n >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    n ^ (n >> 31)
}

/// Fisher and Yates' shuffle, written out so that no library's next version changes the order.
pub(crate) fn shuffle<T>(items: &mut [T], random: &mut Pcg64) {
    for last in (1..items.len()).rev() {
        items.swap(last, below(last + 1, random));
    }
}

/// A number from 0 to `limit` - 1. The high half of a 128-bit product; its bias is below `limit` / 2^64.
fn below(limit: usize, random: &mut Pcg64) -> usize {
    let product = u128::from(random.next_u64()) * limit as u128;
    usize::try_from(product >> 64).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use model::Preset;

    use super::*;

    #[test]
    fn the_order_of_a_round_never_changes_between_versions() {
        let mut plan = Plan::preset(Preset::Default);
        plan.measure.seed = 42;
        let order = round_order(&plan, 3);
        let blocks: Vec<_> = order.iter().take(4).map(|(block, _)| block.to_string()).collect();
        assert_eq!(
            blocks,
            [
                "message_bytes=65536 threads=8",
                "message_bytes=64 threads=8",
                "message_bytes=4096 threads=2",
                "message_bytes=512 threads=4",
            ]
        );
        let first: Vec<_> = order[0].1.iter().map(|cell| cell.send_path.name()).collect();
        assert_eq!(first, ["send", "sendmsg", "zerocopy"]);
    }

    #[test]
    fn every_round_holds_every_cell_once_in_an_order_of_its_own() {
        let plan = Plan::preset(Preset::Default);
        let whole: BTreeSet<Cell> =
            plan.blocks().into_iter().flat_map(|(_, cells)| cells).collect();
        let mut orders = BTreeSet::new();
        for round in 1..=20 {
            let order = round_order(&plan, round);
            let cells: Vec<Cell> = order.iter().flat_map(|(_, cells)| cells.clone()).collect();
            assert_eq!(cells.len(), whole.len());
            assert_eq!(cells.iter().cloned().collect::<BTreeSet<_>>(), whole);
            for (block, cells) in &order {
                assert!(cells.iter().all(|cell| cell.block(&plan.within_block()) == *block));
            }
            orders.insert(cells);
        }
        assert_eq!(orders.len(), 20);
    }

    #[test]
    fn another_seed_is_another_order_and_the_same_seed_the_same() {
        let plan = Plan::preset(Preset::Default);
        let mut other = plan.clone();
        other.measure.seed = 2;
        assert_ne!(round_order(&plan, 1), round_order(&other, 1));
        assert_eq!(round_order(&plan, 1), round_order(&plan, 1));
    }

    #[test]
    fn a_first_round_can_begin_with_chosen_blocks_and_is_as_random_as_before_otherwise() {
        let mut plan = Plan::preset(Preset::Default);
        let asked = plan.factors.message[2];
        let is_asked = |cell: &Cell| cell.message == asked;
        let heads = |plan: &Plan, round| -> Vec<bool> {
            let order = round_order(plan, round);
            order.iter().take(4).map(|(_, cells)| cells.iter().all(is_asked)).collect()
        };
        assert!(!heads(&plan, 1).iter().all(|is_asked| *is_asked), "its own order is another one");
        plan.measure.seed = seed_beginning_with(&plan, is_asked);
        assert_eq!(heads(&plan, 1), [true; 4]);
        assert!((2..10).any(|round| heads(&plan, round) != [true; 4]));
        // What begins so already stays, and so does what no seed begins with.
        assert_eq!(seed_beginning_with(&plan, is_asked), plan.measure.seed);
        assert_eq!(seed_beginning_with(&plan, |_| false), plan.measure.seed);
    }

    #[test]
    fn over_many_rounds_every_path_leads_its_block_equally_often() {
        let plan = Plan::preset(Preset::BreakEven);
        let mut leads = std::collections::BTreeMap::new();
        for round in 1..=200 {
            for (_, cells) in round_order(&plan, round) {
                if cells.len() == 3 {
                    *leads.entry(cells[0].send_path).or_insert(0) += 1;
                }
            }
        }
        // 200 rounds × 14 blocks without controls: 933 each, standard deviation 25.
        assert_eq!(leads.values().sum::<i32>(), 2800);
        assert!(leads.values().all(|n| (833..1033).contains(n)), "{leads:?}");
    }
}
