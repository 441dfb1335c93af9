//! The study over a scripted bench and a clock that only the bench moves.

#[cfg(test)]
mod auditing;
#[cfg(test)]
mod failing;
#[cfg(test)]
mod resuming;
#[cfg(test)]
mod retrying;
#[cfg(test)]
mod script;
#[cfg(test)]
mod stopping;
mod turns;
