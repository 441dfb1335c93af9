//! One colour, pattern and letter a category of CPU time. Pattern and letter alone tell them apart in grey.

use analysis::categories::Category;

use super::breadth::Breadth;
use super::letters::{INK, Letters};
use crate::markup::Markup;

/// How a category looks; none for what the table has no category for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Tint(Option<Category>);

/// The edge of everything tinted.
pub(crate) const EDGE: &str = "#57606a";

impl Tint {
    pub(crate) const UNMAPPED: Self = Self(None);

    pub(crate) const fn for_category(category: Category) -> Self {
        Self(Some(category))
    }

    /// Every tint, in the order of keys and segments.
    pub(crate) fn all() -> impl Iterator<Item = Self> {
        Category::ALL
            .into_iter()
            .filter(|category| *category != Category::Idle)
            .map(Self::for_category)
            .chain([Self::UNMAPPED])
    }

    /// Its letter in keys and segments.
    pub(crate) const fn letter(self) -> &'static str {
        match self.0 {
            Some(Category::DataCopy) => "a",
            Some(Category::ZerocopyBookkeeping) => "b",
            Some(Category::TcpIp) => "c",
            Some(Category::DeviceAndSoftirq) => "d",
            Some(Category::PacketMemory) => "e",
            Some(Category::PageMemory) => "f",
            Some(Category::Locks) => "g",
            Some(Category::Scheduling) => "h",
            Some(Category::SystemCallEntry) => "i",
            Some(Category::Copycost) => "k",
            Some(Category::Idle) => "l",
            Some(Category::Other) => "m",
            None => "?",
        }
    }

    /// Its name.
    pub(crate) const fn title(self) -> &'static str {
        match self.0 {
            Some(category) => category.title(),
            None => "unmapped",
        }
    }

    /// Light enough for dark text: the palette of Okabe and Ito (2008), thinned.
    pub(crate) const fn colour(self) -> &'static str {
        match self.0 {
            Some(Category::DataCopy) => "#f3b562",
            Some(Category::ZerocopyBookkeeping) => "#8fdcc0",
            Some(Category::TcpIp) => "#a8d5f2",
            Some(Category::DeviceAndSoftirq) => "#7fb3dc",
            Some(Category::PacketMemory) => "#f6e98a",
            Some(Category::PageMemory) => "#d9cf7a",
            Some(Category::Locks) => "#eba7a0",
            Some(Category::Scheduling) => "#e3b8d6",
            Some(Category::SystemCallEntry) => "#c9b8ea",
            Some(Category::Copycost) => "#d5dbe1",
            Some(Category::Idle) => "#f4f6f8",
            Some(Category::Other) => "#bfc6cd",
            None => "#ffffff",
        }
    }

    /// The lines of its pattern in a square of 8, as the data of an SVG path; none where it is plain.
    const fn lines(self) -> &'static str {
        match self.0 {
            Some(Category::ZerocopyBookkeeping) => "M-2 2l4-4M0 8l8-8M6 10l4-4",
            Some(Category::TcpIp) => "M0 4h8",
            Some(Category::DeviceAndSoftirq) => "M4 0v8",
            Some(Category::PacketMemory) => "M-2 6l4 4M0 0l8 8M6-2l4 4",
            Some(Category::PageMemory) => "M0 0l8 8M0 8l8-8",
            Some(Category::Locks) => "M0 4h8M4 0v8",
            Some(Category::Scheduling) => "M2 2h1M6 6h1",
            Some(Category::SystemCallEntry) => "M0 2h4M4 6h4",
            Some(Category::Other) => "M2 0v4M6 4v4",
            None => "M2 2l2 2m0-2l-2 2",
            Some(Category::DataCopy | Category::Copycost | Category::Idle) => "",
        }
    }

    /// Both drawings stand in one page, and a pattern of one that is not displayed is not painted in the other.
    fn pattern_id(self, breadth: Breadth) -> String {
        format!("tint-{}-{}", self.0.map_or("unmapped", Category::name), breadth.name())
    }

    /// The patterns that tinted rectangles refer to.
    pub(crate) fn define(markup: &mut Markup, breadth: Breadth) {
        markup.tag("defs").around(|markup| {
            for tint in Self::all().filter(|tint| !tint.lines().is_empty()) {
                tint.define_pattern(markup, breadth);
            }
        });
    }

    fn define_pattern(self, markup: &mut Markup, breadth: Breadth) {
        let tag = markup.tag("pattern").with("id", self.pattern_id(breadth));
        let tag = tag.with("width", 8).with("height", 8).with("patternUnits", "userSpaceOnUse");
        tag.around(|markup| {
            let ground = markup.tag("rect").with("width", 8).with("height", 8);
            ground.with("fill", self.colour()).empty();
            let lines = markup.tag("path").with("d", self.lines()).with("stroke", INK);
            lines.with("stroke-opacity", 0.38).with("fill", "none").empty();
        });
    }

    /// A rectangle of it.
    pub(crate) fn fill(
        self,
        markup: &mut Markup,
        breadth: Breadth,
        corner: (f64, f64),
        size: (f64, f64),
    ) {
        let fill = if self.lines().is_empty() {
            self.colour().to_owned()
        } else {
            format!("url(#{})", self.pattern_id(breadth))
        };
        let tag = markup.tag("rect").spanning(corner, size).with("fill", fill);
        tag.with("stroke", EDGE).with("stroke-width", 0.6).empty();
    }

    /// A text on it, in the middle of `x`, its pattern left out behind. Tints are light on dark pages too.
    pub(crate) fn write(self, markup: &mut Markup, (x, y): (f64, f64), text: &str, size: f64) {
        let letters = Letters::plain(size).centred();
        let room = letters.width(text) + 3.0;
        let patch =
            markup.tag("rect").spanning((x - room / 2.0, y - size * 0.9), (room, size * 1.15));
        patch.with("rx", 2).with("fill", self.colour()).empty();
        markup.tag("g").with("fill", INK).around(|markup| letters.write(markup, (x, y), text));
    }
}
