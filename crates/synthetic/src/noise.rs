//! Scatter that is the same on every run: a fixed function of its arguments.

use analysis::order::{generator, mix};
use model::Cell;

use crate::to_f64;

/// A factor around 1 with log-normal spread `sigma`, fixed by its other arguments.
pub fn noise(seed: u64, cell: &Cell, round: u32, sigma: f64) -> f64 {
    let text = cell.id().bytes().fold(seed, |hash, byte| mix(hash ^ u64::from(byte)));
    (sigma * normal(&mut generator(text, u64::from(round)))).exp()
}

/// A standard normal figure (Box and Muller 1958).
pub fn normal(random: &mut impl rand::Rng) -> f64 {
    // 53 bits above 0, so that the logarithm is finite.
    let mut uniform = || (to_f64(random.next_u64() >> 11) + 0.5) / to_f64(1 << 53);
    (-2.0 * uniform().ln()).sqrt() * (std::f64::consts::TAU * uniform()).cos()
}
