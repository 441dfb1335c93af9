//! Findings in sentences: the last step, made in one place, so that screen, page and Markdown say the same.

pub(crate) mod advice;
pub(crate) mod answers;
pub(crate) mod changes;
pub(crate) mod claims;
mod copying;
pub(crate) mod experiments;
pub(crate) mod figures;
pub(crate) mod fixed_load;
pub(crate) mod laws;
pub(crate) mod line_rate;
mod links;
pub(crate) mod load;
pub(crate) mod marks;
pub(crate) mod nic;
pub(crate) mod own_table;
mod reasons;
mod recommendation;
mod references;
pub(crate) mod selftest;
mod warnings;

pub(crate) use links::link_verdict;
pub(crate) use recommendation::{receiving, recommendations, said_by_reference, says_copied};
pub(crate) use references::reference;
pub(crate) use warnings::{detail, warning, with_detail};
