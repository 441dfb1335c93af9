//! Findings in sentences: the last step, made in one place, so that screen, page and Markdown say the same.

mod recommendation;

pub(crate) use recommendation::recommendations;
