//! Aligned tables: a column of row names, then columns of figures in groups under common headings.

use crate::styled_text::{Line, Style};

/// Columns under one heading.
pub(crate) struct Group {
    pub(crate) heading: String,
    pub(crate) columns: Vec<String>,
}

/// A row of the table.
pub(crate) enum TableRow {
    /// A heading of the rows below it.
    Section(String),
    /// A name, and a figure for each column.
    Figures(String, Vec<String>),
}

/// A table whose figures are set flush left under their column's name.
pub(crate) struct Table {
    /// The heading of the row names: above the groups' headings, and above the columns' names.
    pub(crate) corner: [String; 2],
    pub(crate) groups: Vec<Group>,
    pub(crate) rows: Vec<TableRow>,
}

/// Between two columns.
pub(crate) const GAP: usize = 2;
/// Between two groups of columns, beside the gap.
const GROUP_GAP: usize = 2;

fn width(text: &str) -> usize {
    text.chars().count()
}

fn pad(text: &str, to: usize) -> String {
    format!("{text}{}", " ".repeat(to.saturating_sub(width(text))))
}

/// A run of columns of one group that stand in one part of the table.
struct Part {
    group: usize,
    /// Indices among all columns of the table.
    columns: std::ops::Range<usize>,
    /// Width with its columns' gaps, as wide as its heading at least.
    width: usize,
}

impl Table {
    /// Lines no wider than `limit` where that is possible: groups that do not fit beside each other stand one
    /// below the other, and a group that does not fit is cut between columns.
    pub(crate) fn lines(&self, limit: usize) -> Vec<Line> {
        let names = self.name_width();
        let widths = self.column_widths();
        let mut lines = Vec::new();
        for (index, parts) in
            self.parts(limit.saturating_sub(names + GAP), &widths).iter().enumerate()
        {
            if index > 0 {
                lines.push(Line::fixed());
            }
            self.part_lines(&mut lines, names, &widths, parts);
        }
        lines
    }

    /// Whether the columns of a group do not all stand beside each other.
    pub(crate) fn is_cut(&self, limit: usize) -> bool {
        let limit = limit.saturating_sub(self.name_width() + GAP);
        let widths = self.column_widths();
        let mut first = 0;
        self.groups.iter().any(|Group { columns, .. }| {
            let all = first..first + columns.len();
            first = all.end;
            // Headings of columns that fit may still hang over.
            cut(0, "", all, limit, &widths).len() > 1
        })
    }

    fn name_width(&self) -> usize {
        let rows = self.rows.iter().map(|row| match row {
            // A section's name may run into the columns, which are empty there; but not the first heading.
            TableRow::Section(_) => 0,
            TableRow::Figures(name, _) => width(name),
        });
        let corner = self.corner.iter().map(|text| width(text));
        rows.chain(corner).max().unwrap_or(0)
    }

    fn column_widths(&self) -> Vec<usize> {
        let mut widths: Vec<usize> =
            self.groups.iter().flat_map(|group| &group.columns).map(|name| width(name)).collect();
        for row in &self.rows {
            if let TableRow::Figures(_, figures) = row {
                for (widest, figure) in widths.iter_mut().zip(figures) {
                    *widest = (*widest).max(width(figure));
                }
            }
        }
        widths
    }

    /// Which columns stand beside each other.
    fn parts(&self, limit: usize, widths: &[usize]) -> Vec<Vec<Part>> {
        let mut tables: Vec<Vec<Part>> = vec![Vec::new()];
        let mut used = 0;
        let mut first = 0;
        for (group, Group { heading, columns }) in self.groups.iter().enumerate() {
            let all = first..first + columns.len();
            first = all.end;
            for part in cut(group, heading, all, limit, widths) {
                let gap = if used == 0 { 0 } else { GROUP_GAP };
                if used > 0 && used + gap + part.width > limit {
                    tables.push(Vec::new());
                    used = 0;
                } else {
                    used += gap;
                }
                used += part.width;
                if let Some(table) = tables.last_mut() {
                    table.push(part);
                }
            }
        }
        tables
    }

    fn part_lines(&self, lines: &mut Vec<Line>, names: usize, widths: &[usize], parts: &[Part]) {
        let gap = " ".repeat(GAP);
        let group_gap = " ".repeat(GROUP_GAP);
        let [above, below] = &self.corner;
        let mut headings = pad(above, names) + &gap;
        let mut column_names = pad(below, names) + &gap;
        let all: Vec<&String> = self.groups.iter().flat_map(|group| &group.columns).collect();
        for (index, part) in parts.iter().enumerate() {
            if index > 0 {
                headings.push_str(&group_gap);
                column_names.push_str(&group_gap);
            }
            let heading = self.groups.get(part.group).map_or("", |group| group.heading.as_str());
            headings.push_str(&pad(heading, part.width));
            column_names.push_str(&pad(&joined(&all, widths, part), part.width));
        }
        if !headings.trim().is_empty() {
            lines.push(Line::fixed().and(Style::Strong, headings));
        }
        lines.push(Line::fixed().and(Style::Faint, column_names));
        for row in &self.rows {
            lines.push(match row {
                TableRow::Section(name) => Line::fixed().and(Style::Strong, name),
                TableRow::Figures(name, figures) => {
                    let figures: Vec<&String> = figures.iter().collect();
                    let mut text = pad(name, names) + &gap;
                    for (index, part) in parts.iter().enumerate() {
                        text.push_str(if index > 0 { &group_gap } else { "" });
                        text.push_str(&pad(&joined(&figures, widths, part), part.width));
                    }
                    Line::fixed().and(Style::Plain, text)
                }
            });
        }
    }
}

fn joined(texts: &[&String], widths: &[usize], part: &Part) -> String {
    let columns = part
        .columns
        .clone()
        .filter_map(|i| Some(pad(texts.get(i)?, *widths.get(i)?) + &" ".repeat(GAP)));
    columns.collect()
}

/// Cuts a group between columns where it is wider than the limit.
fn cut(
    group: usize,
    heading: &str,
    columns: std::ops::Range<usize>,
    limit: usize,
    widths: &[usize],
) -> Vec<Part> {
    let mut parts: Vec<Part> = Vec::new();
    for column in columns {
        let wide = widths.get(column).copied().unwrap_or(0) + GAP;
        match parts.last_mut() {
            // The gap behind the last column of a line may hang over.
            Some(part) if part.width + wide <= limit + GAP => {
                part.width += wide;
                part.columns.end = column + 1;
            }
            _ => parts.push(Part { group, columns: column..column + 1, width: wide }),
        }
    }
    for part in &mut parts {
        part.width = part.width.max(width(heading));
    }
    parts
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::styled_text::render;

    fn sample() -> Table {
        let figures = |texts: [&str; 4]| texts.map(str::to_owned).to_vec();
        Table {
            corner: ["1 thread".to_owned(), "size".to_owned()],
            groups: vec![
                Group {
                    heading: "Gbit/s".to_owned(),
                    columns: vec!["A1".to_owned(), "A2".to_owned()],
                },
                Group {
                    heading: "CPU".to_owned(),
                    columns: vec!["A1".to_owned(), "A2".to_owned()],
                },
            ],
            rows: vec![
                TableRow::Figures("64 B".to_owned(), figures(["0.126", "1.21", "101k", "11.5k"])),
                TableRow::Section("2 threads".to_owned()),
                TableRow::Figures("64 KiB".to_owned(), figures(["63.0", "75.6", "254", "-"])),
            ],
        }
    }

    #[test]
    fn figures_stand_under_their_columns() {
        let expected = "\
1 thread  Gbit/s         CPU
size      A1     A2      A1    A2
64 B      0.126  1.21    101k  11.5k
2 threads
64 KiB    63.0   75.6    254   -
";
        assert_eq!(render(&sample().lines(80), 80, false), expected);
    }

    #[test]
    fn groups_that_do_not_fit_stand_below_each_other() {
        let text = render(&sample().lines(24), 24, false);
        assert!(text.lines().all(|line| line.chars().count() <= 24), "{text}");
        assert_eq!(text.matches("64 KiB").count(), 2, "{text}");
    }

    #[test]
    fn a_group_that_does_not_fit_is_cut_between_columns() {
        let text = render(&sample().lines(16), 16, false);
        assert!(text.lines().all(|line| line.chars().count() <= 16), "{text}");
        assert_eq!(text.matches("Gbit/s").count(), 2, "{text}");
    }

    #[test]
    fn a_terminal_narrower_than_a_column_still_gets_every_figure() {
        let text = render(&sample().lines(1), 1, false);
        for figure in ["0.126", "1.21", "101k", "11.5k", "63.0", "75.6", "254"] {
            assert!(text.contains(figure), "{text}");
        }
    }
}
