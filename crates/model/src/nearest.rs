//! The nearest right word for a wrong one.

/// The candidate most like `wrong`, if one is near enough to have been meant.
///
/// Likeness is the Jaro–Winkler measure (Winkler 1990), which favours a common beginning.
pub fn nearest<'a>(wrong: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    candidates
        .into_iter()
        .map(|candidate| (strsim::jaro_winkler(&wrong.to_lowercase(), candidate), candidate))
        .filter(|(likeness, _)| *likeness >= 0.75)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, candidate)| candidate)
}

/// `unknown send path "sned"; did you mean "send"? one of: send, staged …`
pub fn unknown(what: &str, wrong: &str, candidates: &[&str]) -> String {
    let hint = match nearest(wrong, candidates.iter().copied()) {
        Some(near) => format!("did you mean \"{near}\"? "),
        None => String::new(),
    };
    format!("unknown {what} {}; {hint}one of: {}", crate::quoted(wrong), candidates.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_finds_the_word_that_was_meant() {
        assert_eq!(nearest("sendmgs", ["send", "sendmsg", "zerocopy"]), Some("sendmsg"));
        assert_eq!(nearest("zero-copy", ["send", "sendmsg", "zerocopy"]), Some("zerocopy"));
        assert_eq!(nearest("xyz", ["send", "sendmsg"]), None);
    }

    #[test]
    fn an_unknown_word_is_told_with_the_right_ones() {
        assert_eq!(
            unknown("link", "veth", &["loopback"]),
            "unknown link \"veth\"; one of: loopback"
        );
        assert_eq!(
            unknown("send path", "sned", &["send", "zerocopy"]),
            "unknown send path \"sned\"; did you mean \"send\"? one of: send, zerocopy"
        );
    }
}
