//! docs/METHOD.md on the page: how copycost measures, and why. An installed program has no repository beside it.
//!
//! The part of Markdown that the document uses is understood: headings, paragraphs, lists, tables, code, strong and emphasised
//! text.

use super::markup::Markup;
use super::table;

/// The document; a link, so that the crate is whole when it is packaged.
const METHOD: &str = include_str!("METHOD.md");
/// The anchor of the section.
pub(super) const ANCHOR: &str = "how";

/// The document, folded.
pub(super) fn how(html: &mut Markup) {
    let mut blocks = METHOD.split("\n\n").map(str::trim).filter(|block| !block.is_empty());
    let title = blocks.next().and_then(|block| block.strip_prefix("# ")).unwrap_or_default();
    html.element("details", &[("class", "bulk")], |html| {
        html.leaf("summary", &[], title);
        // Within, so that a browser that is sent here opens it.
        html.element("div", &[("id", ANCHOR)], |html| {
            blocks.for_each(|text| block(html, text));
        });
    });
}

fn block(html: &mut Markup, text: &str) {
    if let Some(heading) = text.strip_prefix("## ") {
        html.leaf("h3", &[], heading);
    } else if let Some(items) = text.strip_prefix("- ") {
        html.element("ul", &[], |html| {
            items.split("\n- ").for_each(|item| html.element("li", &[], |html| inline(html, item)));
        });
    } else if text.starts_with('|') {
        let mut rows = text.lines().map(cells);
        let columns = rows.next().unwrap_or_default();
        table(html, "What was measured", "plain", &columns, |html| {
            // The line below the columns rules them off.
            for row in rows.skip(1) {
                html.element("tr", &[], |html| {
                    row.iter().for_each(|cell| html.element("td", &[], |html| inline(html, cell)));
                });
            }
        });
    } else {
        html.element("p", &[], |html| inline(html, text));
    }
}

fn cells(line: &str) -> Vec<String> {
    line.trim().trim_matches('|').split('|').map(|cell| cell.trim().to_owned()).collect()
}

/// Text with code, strong and emphasised parts.
fn inline(html: &mut Markup, text: &str) {
    const MARKS: [(&str, &str); 3] = [("`", "code"), ("**", "strong"), ("*", "em")];
    let mut rest = text;
    loop {
        let marked = |(mark, element): &(&str, &'static str)| {
            let (before, opened) = rest.split_once(mark)?;
            let (inside, after) = opened.split_once(mark)?;
            let is_mark = !inside.is_empty() && !inside.starts_with(' ');
            is_mark.then_some((before, *element, inside, after))
        };
        // Of two that begin at the same place the longer mark comes first.
        let first = MARKS.iter().filter_map(marked).min_by_key(|(before, ..)| before.len());
        let Some((before, element, inside, after)) = first else { break };
        html.text(before);
        html.leaf(element, &[], inside);
        rest = after;
    }
    html.text(rest);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str) -> String {
        let mut html = Markup::new();
        block(&mut html, text);
        html.finish()
    }

    #[test]
    fn what_the_document_uses_becomes_markup_and_nothing_else_does() {
        assert_eq!(
            shown("a *b* `c*d*` **e** <f>\ng"),
            "<p>a <em>b</em> <code>c*d*</code> <strong>e</strong> &lt;f&gt;\ng</p>\n"
        );
        assert_eq!(
            shown("- a\n  b\n- `c`"),
            "<ul><li>a\n  b</li>\n<li><code>c</code></li>\n</ul>\n"
        );
        let table = shown("| | a |\n|---|---|\n| b | 2 |");
        assert!(
            table.contains("<th scope=\"col\">a</th>") && table.contains("<td>2</td>"),
            "{table}"
        );
        assert_eq!(table.matches("<tr>").count(), 2, "{table}");
    }

    #[test]
    fn no_mark_of_the_document_is_left_over() {
        let mut html = Markup::new();
        how(&mut html);
        let page = html.finish();
        for mark in ["`", "**", "](", "#", "|", "\n1. ", "\n> "] {
            let is_there = page.replace("&#39;", "").contains(mark);
            assert!(!is_there, "{mark} of docs/METHOD.md is not understood here");
        }
        assert!(page.contains("<h3>") && page.contains("<table") && page.contains("<em>"));
    }
}
