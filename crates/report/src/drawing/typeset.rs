//! Lines of text that fit.

/// Words that stay on the line of the number before them.
const UNITS: [&str; 9] = ["B", "KiB", "MiB", "%", "×", "Gbit/s", "ns", "thread", "threads"];

/// A text's words; a number and its unit are one, and so is what a no-break space joins.
fn words(text: &str) -> Vec<String> {
    let mut words: Vec<String> = Vec::new();
    for word in text.split([' ', '\t', '\n']).filter(|word| !word.is_empty()) {
        let unit = word.trim_end_matches([',', ';', '.', ':', ')', ']']);
        match words.last_mut() {
            Some(before)
                if UNITS.contains(&unit) && before.ends_with(|c: char| c.is_ascii_digit()) =>
            {
                before.push(' ');
                before.push_str(word);
            }
            Some(_) | None => words.push(word.to_owned()),
        }
    }
    words
}

/// Breaks a text into lines no wider than `room`; a word that is wider than a line is cut.
pub(crate) fn wrapped(text: &str, room: f64, width: impl Fn(&str) -> f64) -> Vec<String> {
    let mut lines = Vec::new();
    let mut line = String::new();
    for word in &words(text) {
        let candidate = if line.is_empty() { word.clone() } else { format!("{line} {word}") };
        if width(&candidate) <= room {
            line = candidate;
            continue;
        }
        if !line.is_empty() {
            lines.push(std::mem::take(&mut line));
        }
        let mut letter = [0; 4];
        let mut taken = 0.0;
        for c in word.chars() {
            // A text is as wide as its letters together, but for the last digits of the sum.
            let wide = width(c.encode_utf8(&mut letter));
            if taken + wide > room * (1.0 - 1e-12) && !line.is_empty() {
                lines.push(std::mem::take(&mut line));
                taken = 0.0;
            }
            line.push(c);
            taken += wide;
        }
    }
    if !line.is_empty() {
        lines.push(line);
    }
    lines
}

/// Which of several labels stay so that none touches another: the first and the last, then the rounder ones.
///
/// Each is its middle, its width and how round it is; the answer has one entry a label.
pub(crate) fn kept(labels: &[(f64, f64, u32)], gap: f64) -> Vec<bool> {
    let mut order: Vec<usize> = (0..labels.len()).collect();
    let last = labels.len().saturating_sub(1);
    order.sort_by_key(|place| {
        let is_end = *place == 0 || *place == last;
        let roundness = labels.get(*place).map_or(0, |(_, _, roundness)| *roundness);
        (!is_end, std::cmp::Reverse(roundness), *place)
    });
    let mut kept = vec![false; labels.len()];
    let mut taken: Vec<(f64, f64)> = Vec::new();
    for place in order {
        let Some((middle, width, _)) = labels.get(place) else { continue };
        let (left, right) = (middle - width / 2.0 - gap, middle + width / 2.0 + gap);
        if taken.iter().all(|(l, r)| right <= *l || left >= *r) {
            taken.push((middle - width / 2.0, middle + width / 2.0));
            if let Some(kept) = kept.get_mut(place) {
                *kept = true;
            }
        }
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    fn width(text: &str) -> f64 {
        figure_png::width(text, 12.0, figure_png::Weight::Regular)
    }

    #[test]
    fn no_line_is_wider_than_its_room_and_no_word_is_lost() {
        let text =
            "every zero-copy completion was marked copied averyveryverylongwordthatfitsnowhere end";
        for room in [40.0, 90.0, 300.0] {
            let lines = wrapped(text, room, width);
            for line in &lines {
                assert!(width(line) <= room, "{line}");
            }
            let letters =
                |text: &str| text.chars().filter(|c| !c.is_whitespace()).collect::<String>();
            assert_eq!(letters(&lines.concat()), letters(text));
        }
        assert!(wrapped("", 40.0, width).is_empty());
    }

    #[test]
    fn a_number_stays_with_its_unit() {
        let room = width("until between 4");
        let lines = wrapped("until between 4 KiB and 64 KiB, 3 %.", room, width);
        assert_eq!(lines, ["until between", "4 KiB and", "64 KiB, 3 %."]);
    }

    #[test]
    fn labels_that_would_touch_give_way_to_the_ends_and_to_rounder_ones() {
        let labels =
            [(0.0, 20.0, 0), (15.0, 20.0, 9), (30.0, 20.0, 1), (45.0, 20.0, 5), (100.0, 20.0, 0)];
        assert_eq!(kept(&labels, 2.0), [true, false, false, true, true]);
        assert_eq!(kept(&[], 2.0), Vec::<bool>::new());
        assert_eq!(kept(&[(0.0, 20.0, 0)], 2.0), [true]);
    }
}
