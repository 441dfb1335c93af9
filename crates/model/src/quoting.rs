//! Words of a reader within sentences, and within commands to be copied.

/// A word or text of a reader's within a sentence: in double quotes; one that has such itself, in others, so that its ends are
/// still seen.
pub fn quoted(text: &str) -> String {
    match (text.contains('"'), text.contains('\'')) {
        (false, _) => format!("\"{text}\""),
        (true, false) => format!("'{text}'"),
        (true, true) => format!("“{text}”"),
    }
}

/// A word of a command for a shell: within single quotes where it has more than plain characters (POSIX, Shell Command
/// Language, 2.2.2).
pub fn shell_word(word: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "/._-+:,@%=".contains(c);
    if !word.is_empty() && word.chars().all(is_plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', "'\\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ends_of_a_quoted_text_are_seen_whatever_is_in_it() {
        assert_eq!(quoted("a b"), "\"a b\"");
        assert_eq!(quoted("a's"), "\"a's\"");
        assert_eq!(quoted("a \"b\""), "'a \"b\"'");
        assert_eq!(quoted("a's \"b\""), "“a's \"b\"”");
    }

    #[test]
    fn a_shell_reads_the_word_that_was_meant() {
        for word in ["", "plain-1.csv", "COLUMN=NAME", "two words", "it's", "$HOME `x` \"y\"", "*"]
        {
            let output = std::process::Command::new("sh")
                .args(["-c", &format!("printf %s {}", shell_word(word))])
                .output()
                .unwrap();
            assert_eq!(String::from_utf8_lossy(&output.stdout), word);
        }
        assert_eq!(shell_word("COLUMN=NAME"), "COLUMN=NAME");
    }
}
