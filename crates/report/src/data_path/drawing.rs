//! Places as boxes, steps as arrows between them, from top to bottom.

use analysis::explained::DataPath;
use figure_png::{FAMILY, Weight};

use super::{Place, Step, notifications, origin, places, reading, title};
use crate::figures::wrapped;
use crate::html::markup::Markup;

pub(super) const WIDTH: f64 = 360.0;
pub(super) const MARGIN: f64 = 12.0;
/// Baseline to baseline.
const LINE: f64 = 17.0;
const TITLE_SIZE: f64 = 15.0;
const TEXT_SIZE: f64 = 13.0;
const FOOTER_SIZE: f64 = 10.0;
/// From the edge of a place to its text.
const INSET: f64 = 12.0;
/// From the edge to an arrow, and from the arrow to its text.
const ARROW: [f64; 2] = [24.0, 22.0];

const INK: &str = "#1b1f24";
const FAINT: &str = "#59636e";
const BOX: &str = "#eef2f6";
const EDGE: &str = "#8c959f";
const COPY: &str = "#b35900";
const REFERENCE: &str = "#0b6bcb";
/// How arrows are to be read.
const KEY: &str =
    "Thick arrow: the CPU copies. Broken arrow: handed over by reference, without a copy.";

/// How a text looks.
#[derive(Clone, Copy)]
enum Letters {
    Title,
    Strong,
    Note,
    Footer,
}

impl Letters {
    const fn size(self) -> f64 {
        match self {
            Self::Title => TITLE_SIZE,
            Self::Strong | Self::Note => TEXT_SIZE,
            Self::Footer => FOOTER_SIZE,
        }
    }

    const fn weight(self) -> Weight {
        match self {
            Self::Title | Self::Strong => Weight::Bold,
            Self::Note | Self::Footer => Weight::Regular,
        }
    }

    const fn line(self) -> f64 {
        match self {
            Self::Title => LINE + 2.0,
            Self::Strong | Self::Note => LINE,
            Self::Footer => LINE - 4.0,
        }
    }

    /// As many lines as a text needs in the room from `x` to the right margin.
    fn wrapped(self, words: &str, x: f64) -> Vec<String> {
        // Nothing touches the edge of a place.
        wrapped(words, WIDTH - MARGIN - INSET / 2.0 - x, self.size(), self.weight())
    }
}

/// A path as a picture, with the footer below it.
pub(super) fn draw(path: &DataPath, footer: &str) -> String {
    let (places, steps) = places(path);
    let mut body = Markup::new();
    let mut y = MARGIN;
    y = paragraph(&mut body, MARGIN, y, Letters::Title, &title(path));
    for line in origin(path) {
        y = paragraph(&mut body, MARGIN, y, Letters::Note, &line);
    }
    y += LINE * 0.6;
    for (index, place) in places.iter().enumerate() {
        y = draw_place(&mut body, place, y);
        if let Some(step) = steps.get(index) {
            y = draw_step(&mut body, step, y);
        }
    }
    let notes = notifications(path);
    if !notes.is_empty() {
        y += LINE * 0.5;
        rule(&mut body, y);
        y = paragraph(
            &mut body,
            MARGIN,
            y + 2.0,
            Letters::Strong,
            "Error queue, back to the sender",
        );
        for note in &notes {
            y = paragraph(&mut body, MARGIN, y, Letters::Note, note);
        }
    }
    y += LINE * 0.5;
    rule(&mut body, y);
    for line in [KEY.to_owned(), format!("Figures of the cell {}", path.cell), footer.to_owned()] {
        y = paragraph(&mut body, MARGIN, y + 2.0, Letters::Footer, &line);
    }
    let height = format!("{:.0}", y + MARGIN);
    let view = format!("0 0 {WIDTH} {height}");
    let label = format!("{}. {}", title(path), reading(path));
    let family = format!("'{FAMILY}', Verdana, sans-serif");
    let mut svg = Markup::new();
    svg.element(
        "svg",
        &[
            ("xmlns", "http://www.w3.org/2000/svg"),
            ("class", "data-path"),
            ("viewBox", &view),
            ("width", &WIDTH.to_string()),
            ("height", &height),
            ("role", "img"),
            ("aria-label", &label),
            ("font-family", &family),
            ("font-size", &TEXT_SIZE.to_string()),
        ],
        |svg| {
            let across = WIDTH.to_string();
            let size = [("width", across.as_str()), ("height", height.as_str())];
            svg.empty("rect", &[("class", "ground"), size[0], size[1], ("fill", "#ffffff")]);
            svg.drawn(&body.finish());
        },
    );
    svg.finish()
}

fn draw_place(svg: &mut Markup, place: &Place, top: f64) -> f64 {
    let x = MARGIN + INSET;
    let mut inside = Markup::new();
    let mut y = paragraph(&mut inside, x, top + 3.0, Letters::Strong, &place.name);
    for note in &place.notes {
        y = paragraph(&mut inside, x, y, Letters::Note, note);
    }
    let height = y + 8.0 - top;
    svg.empty(
        "rect",
        &[
            ("class", "place"),
            ("x", &MARGIN.to_string()),
            ("y", &format!("{top:.1}")),
            ("width", &(WIDTH - 2.0 * MARGIN).to_string()),
            ("height", &format!("{height:.1}")),
            ("rx", "6"),
            ("fill", BOX),
            ("stroke", EDGE),
        ],
    );
    svg.drawn(&inside.finish());
    top + height
}

/// A thick arrow is a copy; a thin broken one hands bytes over by reference.
fn draw_step(svg: &mut Markup, step: &Step, top: f64) -> f64 {
    let x = MARGIN + ARROW[0];
    let mut words = Markup::new();
    let mut y = paragraph(&mut words, x + ARROW[1], top + 4.0, Letters::Strong, &step.name);
    for note in &step.notes {
        y = paragraph(&mut words, x + ARROW[1], y, Letters::Note, note);
    }
    let height = y + 10.0 - top;
    let (class, colour, width, dashes) = if step.copies {
        ("copy", COPY, "6", "none")
    } else {
        ("reference", REFERENCE, "2", "5 4")
    };
    let head = if step.copies { 11.0 } else { 6.0 };
    let shaft = format!("M {x} {:.1} V {:.1}", top + 2.0, top + height - head - 2.0);
    svg.empty(
        "path",
        &[
            ("class", class),
            ("d", &shaft),
            ("stroke", colour),
            ("stroke-width", width),
            ("stroke-dasharray", dashes),
            ("fill", "none"),
        ],
    );
    let tip = top + height - 2.0;
    let point =
        format!("M {:.1} {:.1} H {:.1} L {x} {tip:.1} Z", x - head, tip - head * 1.3, x + head);
    let filled = if step.copies { "copy-head" } else { "reference-head" };
    svg.empty("path", &[("class", filled), ("d", &point), ("fill", colour)]);
    svg.drawn(&words.finish());
    top + height
}

/// Lines of text from `x` on, below `top`; gives where they end.
fn paragraph(svg: &mut Markup, x: f64, top: f64, letters: Letters, words: &str) -> f64 {
    let (class, colour, weight) = match letters {
        Letters::Title | Letters::Strong => ("strong", INK, "bold"),
        Letters::Note | Letters::Footer => ("faint", FAINT, "normal"),
    };
    let mut y = top;
    for line in letters.wrapped(words, x) {
        y += letters.line();
        svg.leaf(
            "text",
            &[
                ("class", class),
                ("x", &x.to_string()),
                ("y", &format!("{y:.1}")),
                ("fill", colour),
                ("font-size", &letters.size().to_string()),
                ("font-weight", weight),
            ],
            &line,
        );
    }
    y
}

fn rule(svg: &mut Markup, y: f64) {
    let d = format!("M {MARGIN} {y:.1} H {}", WIDTH - MARGIN);
    svg.empty("path", &[("class", "rule"), ("d", &d), ("stroke", EDGE), ("fill", "none")]);
}
