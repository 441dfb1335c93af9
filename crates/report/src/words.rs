//! Findings in sentences: the last step, made in one place, so that screen, page and Markdown say the same.

mod recommendation;

use analysis::summary::Warning;

pub(crate) use recommendation::{recommendations, says_copied};

/// A warning with what a reader may want to know beside it.
pub(crate) fn with_detail(warning: &Warning) -> String {
    if warning.detail.is_empty() {
        warning.text.clone()
    } else {
        format!("{} ({})", warning.text, warning.detail)
    }
}
