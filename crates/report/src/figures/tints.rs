//! One colour, pattern and letter a category of CPU time. Pattern and letter alone tell them apart in grey.

use analysis::categories::Category;
use figure_png::{Weight, width};

use super::markup::N;
use super::sheet::Breadth;

/// How a category looks; none for what the table has no category for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Tint(Option<Category>);

/// What is written on tints, on light pages and dark ones: tints are always light.
pub(crate) const INK: &str = "#1b1f24";

impl Tint {
    pub(crate) const UNMAPPED: Self = Self(None);

    pub(crate) const fn of(category: Category) -> Self {
        Self(Some(category))
    }

    /// Every tint, in the order of keys and segments.
    pub(super) fn all() -> impl Iterator<Item = Self> {
        Category::ALL
            .into_iter()
            .filter(|category| *category != Category::Idle)
            .map(Self::of)
            .chain([Self::UNMAPPED])
    }

    /// Its letter in keys and segments.
    pub(super) const fn letter(self) -> &'static str {
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

    fn pattern_id(self, breadth: Breadth) -> String {
        let category = self.0.map_or("unmapped", Category::name);
        // Both drawings stand in one page, and a pattern of one that is not displayed is not painted in the other.
        let breadth = match breadth {
            Breadth::Wide => "wide",
            Breadth::Narrow => "narrow",
        };
        format!("tint-{category}-{breadth}")
    }

    /// The patterns that tinted rectangles refer to.
    pub(super) fn definitions(breadth: Breadth) -> String {
        let pattern = |tint: Self| {
            let (id, colour, lines) = (tint.pattern_id(breadth), tint.colour(), tint.lines());
            format!(
                r#"<pattern id="{id}" width="8" height="8" patternUnits="userSpaceOnUse"><rect width="8" height="8" fill="{colour}"/><path d="{lines}" stroke="{INK}" stroke-width="1" stroke-opacity=".38" fill="none"/></pattern>"#
            )
        };
        let patterns: String =
            Self::all().filter(|tint| !tint.lines().is_empty()).map(pattern).collect();
        format!("<defs>{patterns}</defs>\n")
    }

    /// A rectangle of it.
    pub(super) fn rect(
        self,
        breadth: Breadth,
        (x, y): (f64, f64),
        (across, down): (f64, f64),
    ) -> String {
        let fill = if self.lines().is_empty() {
            self.colour().to_owned()
        } else {
            format!("url(#{})", self.pattern_id(breadth))
        };
        format!(
            r##"<rect x="{}" y="{}" width="{}" height="{}" fill="{fill}" stroke="#57606a" stroke-width=".6"/>"##,
            N(x),
            N(y),
            N(across),
            N(down)
        )
    }

    /// A text on it, in the middle of `x`, its pattern left out behind.
    pub(super) fn text(self, (x, y): (f64, f64), text: &str, size: f64) -> String {
        let room = width(text, size, Weight::Regular) + 3.0;
        format!(
            r#"<rect x="{}" y="{}" width="{}" height="{}" rx="2" fill="{}"/><text x="{}" y="{}" font-size="{}" text-anchor="middle" fill="{INK}">{}</text>"#,
            N(x - room / 2.0),
            N(y - size * 0.9),
            N(room),
            N(size * 1.15),
            self.colour(),
            N(x),
            N(y),
            N(size),
            super::markup::escaped(text)
        )
    }
}
