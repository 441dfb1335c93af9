//! Sections of `report.md`, cut to a length that a pull request takes.

/// A heading, rows below it, and what closes them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Section {
    /// Heading and, above a table's rows, its columns; never cut.
    pub(super) head: String,
    /// List items or rows of a table, each with its line's end; cut from the last one on.
    pub(super) rows: Vec<String>,
    /// What stands below the rows; never cut.
    pub(super) foot: String,
}

impl Section {
    /// Text that is never cut.
    pub(super) fn whole(text: impl Into<String>) -> Self {
        Self { head: text.into(), ..Self::default() }
    }

    fn rows_length(&self) -> usize {
        self.rows.iter().map(|row| row.chars().count()).sum()
    }

    fn text(&self, cut: usize) -> String {
        let more =
            if cut == 0 { String::new() } else { format!("\n… {cut} more in report.html\n") };
        format!("{}{}{more}{}", self.head, self.rows.concat(), self.foot)
    }
}

/// All sections as one text of at most `most` characters, as far as that can be had by cutting rows: those of the longest
/// section first.
pub(super) fn within(most: usize, mut sections: Vec<Section>) -> String {
    sections.retain(|section| *section != Section::default());
    let mut cut = vec![0; sections.len()];
    let mut lengths: Vec<usize> = sections.iter().map(Section::rows_length).collect();
    loop {
        let texts: Vec<String> =
            sections.iter().zip(&cut).map(|(section, cut)| section.text(*cut)).collect();
        let text = texts.join("\n");
        let over = text.chars().count().saturating_sub(most);
        // So much must go at least: what says how much was cut only adds to it. Writing all of it anew for each row would
        // take as long as the square of its length.
        let (mut gone, mut is_cut) = (0, false);
        while gone < over {
            let longest = sections
                .iter_mut()
                .zip(&mut cut)
                .zip(&mut lengths)
                .filter(|((section, _), _)| !section.rows.is_empty())
                .max_by_key(|(_, length)| **length);
            let Some(((section, cut), length)) = longest else { break };
            let row = section.rows.pop().map_or(0, |row| row.chars().count());
            gone += row;
            *length -= row;
            *cut += 1;
            is_cut = true;
        }
        if !is_cut {
            return text;
        }
    }
}

/// The first `most` characters of a text, cut between words; what was cut is an ellipsis.
pub(super) fn shortened(text: &str, most: usize) -> String {
    let Some((end, _)) = text.char_indices().nth(most) else { return text.to_owned() };
    let start = text.get(..end).unwrap_or(text);
    let words = start.rfind(' ').and_then(|space| start.get(..space)).unwrap_or(start);
    format!("{} …", words.trim_end_matches([' ', ',', ';', ':', '.']))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn section(head: &str, rows: usize) -> Section {
        let rows = (1..=rows).map(|n| format!("- {n}\n")).collect();
        Section { head: format!("## {head}\n\n"), rows, foot: String::new() }
    }

    #[test]
    fn what_fits_is_not_cut() {
        let text = within(100, vec![section("a", 2), Section::default(), Section::whole("end\n")]);
        assert_eq!(text, "## a\n\n- 1\n- 2\n\nend\n");
    }

    #[test]
    fn the_longest_section_is_cut_first_and_says_by_how_much() {
        let text = within(80, vec![section("a", 2), section("b", 40), Section::whole("end\n")]);
        assert!(text.chars().count() <= 80, "{text}");
        assert!(text.starts_with("## a\n\n- 1\n- 2\n\n## b\n\n- 1\n"), "{text}");
        assert!(text.ends_with("\n… 33 more in report.html\n\nend\n"), "{text}");
    }

    #[test]
    fn no_more_is_cut_than_must_be() {
        let sections = || vec![section("a", 30), section("b", 40), Section::whole("end\n")];
        let whole = within(usize::MAX, sections());
        for most in 40..whole.chars().count() {
            let text = within(most, sections());
            let cut: Vec<usize> = text
                .lines()
                .filter_map(|line| line.strip_prefix("… ")?.split(' ').next()?.parse().ok())
                .collect();
            let kept = text.lines().filter(|line| line.starts_with("- ")).count();
            assert_eq!(kept + cut.iter().sum::<usize>(), 70, "{text}");
            // With one row more, of at least four characters, it would be too long.
            let length = text.chars().count();
            assert!(kept == 0 || (length <= most && length + 5 > most), "{most}: {length}");
        }
    }

    #[test]
    fn a_text_is_cut_between_words() {
        assert_eq!(shortened("one two three", 13), "one two three");
        assert_eq!(shortened("one two three", 12), "one two …");
        assert_eq!(shortened("one, two", 6), "one …");
        assert_eq!(shortened("äöüäöü", 3), "äöü …");
    }
}
