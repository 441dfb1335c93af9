//! Figures and data paths with their readings.

use model::Factor;

use super::{Page, section};
use crate::data_path::Diagram;
use crate::figures::{Figure, cpu_time};
use crate::markup::Markup;

pub(super) fn figures(html: &mut Markup, page: &Page) {
    section(html, "figures", |html| match page.figures {
        [] => html.fixed("<p>No figure could be drawn.</p>\n"),
        [main, others @ ..] => {
            html.element("p", &[], |html| {
                html.leaf("a", &[("href", &anchor(main))], &main.title);
                html.text(" stands above. A band or bar is a 95 % interval.");
            });
            // Where the CPU time goes has a section of its own.
            for figure in others.iter().filter(|figure| figure.name != cpu_time::NAME) {
                self::figure(html, figure);
            }
        }
    });
}

fn anchor(figure: &Figure) -> String {
    format!("#figure-{}", figure.name)
}

/// A figure: the picture for wide and for narrow pages, which bears its title, then what it says, and its files.
pub(super) fn figure(html: &mut Markup, figure: &Figure) {
    let id = format!("figure-{}", figure.name);
    html.element("figure", &[("id", &id), ("class", "chart")], |html| {
        html.leaf("h3", &[("class", "unseen")], &figure.title);
        html.drawn(&figure.svg);
        html.drawn(&figure.narrow);
        html.element("figcaption", &[], |html| {
            html.paragraph(&figure.reading);
            files(html, figure.name);
        });
    });
}

fn files(html: &mut Markup, name: &str) {
    html.element("p", &[("class", "figure-files")], |html| {
        for (ending, kind) in [("svg", "SVG"), ("png", "PNG")] {
            html.leaf("a", &[("href", &format!("figures/{name}.{ending}"))], kind);
            html.text(" ");
        }
    });
}

pub(super) fn data_paths(html: &mut Markup, page: &Page) {
    section(html, "paths", |html| {
        if page.data_paths.is_empty() {
            html.paragraph(if page.summary.run.states(Factor::Link) {
                "No data path could be drawn: no path has a valid trial."
            } else {
                "No data path is drawn: the link is not in the table, and on it hangs where bytes go."
            });
            return;
        }
        html.fixed(concat!(
            "<p>From user memory to user memory, with the figures of one cell of each path. A thick arrow is a copy by the CPU; ",
            "a thin broken one hands bytes over by reference.</p>\n"
        ));
        html.element("div", &[("class", "data-paths")], |html| {
            for diagram in page.data_paths {
                self::diagram(html, diagram);
            }
        });
    });
}

fn diagram(html: &mut Markup, diagram: &Diagram) {
    html.element("figure", &[("id", diagram.name.as_str())], |html| {
        html.leaf("h3", &[("class", "unseen")], &diagram.title);
        html.drawn(&diagram.svg);
        html.element("figcaption", &[], |html| {
            html.paragraph(&diagram.reading);
            files(html, &diagram.name);
        });
    });
}
