//! The figures so far as a table: one line a block with the goodput of each of its cells and the ratio of each contrast.
//!
//! It is a view of the trials as they end, and before a cell has one of its slices, for whoever watches; what is concluded comes from the journal alone.

use std::collections::HashMap;

use analysis::estimate::{Moments, Sample, half_width};
use analysis::pairs;
use model::{Bytes, Cell, Factor, Nanos, Plan};
use report::spelling::{figure_and_percent, message, short};

/// The columns of a figure that is not unusually long: `0.126 ±12%`.
const FIGURE_WIDTH: usize = 10;
/// As many rows are worth a caption that is cut.
const FEWEST_ROWS: usize = 4;
const CAPTION: &str = "goodput in Gbit/s and its ratios, ± half of the 95 % interval";
/// What is said of figures that no trial stands behind yet.
const ROUGHLY: &str = "; ~ roughly, of its first slices";

/// What was measured so far.
#[derive(Debug)]
pub(crate) struct LiveTable {
    columns: Vec<Column>,
    rows: Vec<Row>,
    /// The row of each cell and its place among the row's levels.
    places: HashMap<Cell, (usize, usize)>,
    /// How often a cell was taken in hand.
    turn: u64,
    in_hand: Option<usize>,
}

#[derive(Debug, PartialEq, Eq)]
struct Column {
    /// Lines.
    head: Vec<String>,
    of: Of,
}

/// What a column shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Of {
    /// The goodput of the cells at a place.
    Level(usize),
    /// The ratio of the goodput at one place to that at another.
    Ratio(usize, usize),
}

/// A block.
#[derive(Debug)]
struct Row {
    label: String,
    levels: Vec<Level>,
    /// Log-ratios of the rounds that have both, by their places.
    ratios: HashMap<(usize, usize), Moments>,
    /// The turn in which one of its cells was last taken in hand.
    last: u64,
}

#[derive(Clone, Debug, Default)]
struct Level {
    sample: Sample,
    /// The round of the last figure, and the figure.
    last: Option<(u32, f64)>,
    /// Bits and nanoseconds of the slices of a series that is not over.
    slices: (f64, f64),
}

impl Level {
    /// Roughly what the slices moved, in Gbit/s.
    fn so_far(&self) -> Option<f64> {
        let (bits, ns) = self.slices;
        (bits > 0.0 && ns > 0.0).then(|| bits / ns)
    }
}

impl LiveTable {
    /// Nothing measured yet of a plan's cells; controls are no part of it.
    pub(crate) fn new(plan: &Plan) -> Self {
        let cells = plan.cells();
        let within = plan.within_block();
        let varies = |factor: &Factor| {
            let mut values = cells.iter().map(|cell| cell.get(*factor));
            let first = values.next();
            values.any(|value| Some(value) != first)
        };
        let varying: Vec<Factor> = Factor::ALL.iter().copied().filter(varies).collect();
        let (mut inner, mut outer): (Vec<Factor>, Vec<Factor>) =
            varying.into_iter().partition(|factor| within.contains(factor));
        if inner.is_empty() {
            inner.push(Factor::Send);
        }
        if outer.is_empty() {
            outer.extend([Factor::Message, Factor::Threads]);
        }

        let mut heads: Vec<Vec<String>> = Vec::new();
        let mut rows: Vec<Row> = Vec::new();
        let mut places = HashMap::new();
        for (_, block) in plan.blocks() {
            let measured: Vec<Cell> =
                block.into_iter().filter(|cell| cells.contains(cell)).collect();
            let Some(first) = measured.first() else { continue };
            let label = words(first, &outer).join(" ");
            for cell in measured {
                let head = words(&cell, &inner);
                let place = heads.iter().position(|known| *known == head).unwrap_or_else(|| {
                    heads.push(head);
                    heads.len() - 1
                });
                places.insert(cell, (rows.len(), place));
            }
            rows.push(Row { label, levels: Vec::new(), ratios: HashMap::new(), last: 0 });
        }
        for row in &mut rows {
            row.levels.resize(heads.len(), Level::default());
        }

        let levels = heads.into_iter().enumerate();
        let mut columns: Vec<Column> =
            levels.map(|(place, head)| Column { head, of: Of::Level(place) }).collect();
        for contrast in plan.contrasts() {
            let others: Vec<Factor> =
                inner.iter().copied().filter(|factor| *factor != contrast.factor).collect();
            for cell in &cells {
                let twin = contrast.twin(cell).and_then(|twin| places.get(&twin));
                let (Some((row, place)), Some((twin_row, twin))) = (places.get(cell), twin) else {
                    continue;
                };
                let value = words(cell, &[contrast.factor]).concat();
                let mut head = vec![value, format!("/{}", contrast.against)];
                head.extend(words(cell, &others));
                let column = Column { head, of: Of::Ratio(*place, *twin) };
                if row == twin_row && !columns.contains(&column) {
                    columns.push(column);
                }
            }
        }
        Self { columns, rows, places, turn: 0, in_hand: None }
    }

    /// A cell is measured now; a control's row is none.
    pub(crate) fn begin(&mut self, cell: &Cell) {
        self.in_hand = self.places.get(cell).map(|(row, _)| *row);
        self.turn += 1;
        if let Some(row) = self.in_hand.and_then(|row| self.rows.get_mut(row)) {
            row.last = self.turn;
        }
    }

    /// A valid trial of a cell ended. A round's first one counts: a block that is measured again tells the same twice.
    pub(crate) fn push(&mut self, cell: &Cell, round: u32, goodput_gbps: f64) {
        self.begin(cell);
        let Some((row, place)) = self.places.get(cell) else { return };
        let Some(row) = self.rows.get_mut(*row) else { return };
        let Some(level) = row.levels.get_mut(*place) else { return };
        level.slices = (0.0, 0.0);
        if level.last.is_some_and(|(last, _)| last == round) {
            return;
        }
        level.sample.push(goodput_gbps);
        level.last = Some((round, goodput_gbps));
        for column in &self.columns {
            if let Of::Ratio(above, below) = column.of
                && [above, below].contains(place)
                && let (Some(above_is), Some(below_is)) =
                    (row.at(above, round), row.at(below, round))
                && above_is > 0.0
                && below_is > 0.0
            {
                row.ratios.entry((above, below)).or_default().push((above_is / below_is).ln());
            }
        }
    }

    /// A slice of a cell is over: what it moved is shown until a trial of the cell has ended.
    pub(crate) fn slice(&mut self, cell: &Cell, bytes: Bytes, took: Nanos) {
        self.begin(cell);
        let Some((row, place)) = self.places.get(cell) else { return };
        let row = self.rows.get_mut(*row);
        if let Some(level) = row.and_then(|row| row.levels.get_mut(*place)) {
            level.slices.0 += bytes.0 as f64 * 8.0;
            level.slices.1 += took.0 as f64;
        }
    }

    /// Whether there is nothing to show yet.
    pub(crate) fn is_empty(&self) -> bool {
        let has_none = |level: &Level| level.sample.is_empty() && level.so_far().is_none();
        self.rows.iter().all(|row| row.levels.iter().all(has_none))
    }

    /// The table in so many columns and lines: rows that do not fit are those that were measured longest ago, columns the
    /// last ones. None where not one row fits.
    pub(crate) fn lines(&self, width: usize, height: usize) -> Vec<String> {
        let label_width = self.rows.iter().map(|row| length(&row.label)).max().unwrap_or(0);
        let mut used = 2 + label_width;
        let fits = |column: &&Column| {
            used += 1 + column.width();
            used <= width
        };
        let columns: Vec<&Column> = self.columns.iter().take_while(fits).collect();
        let head_lines = columns.iter().map(|column| column.head.len()).max().unwrap_or(0);
        let is_rough = |level: &Level| level.sample.is_empty() && level.so_far().is_some();
        let is_rough = self.rows.iter().any(|row| row.levels.iter().any(is_rough));
        let caption = format!("{CAPTION}{}", if is_rough { ROUGHLY } else { "" });
        let caption = match self.columns.len() - columns.len() {
            0 => caption,
            more => format!("{more} more in a wider terminal; {caption}"),
        };
        let folded = report::folded(&caption, 2, width);
        // In a low terminal rows say more than all of the caption.
        let room = |caption: &str| height.saturating_sub(caption.lines().count() + head_lines);
        let caption =
            if room(&folded) >= self.rows.len().min(FEWEST_ROWS) { folded } else { caption };
        let room = room(&caption);
        let mut rows: Vec<(usize, &Row)> = self.rows.iter().enumerate().collect();
        rows.sort_by_key(|(_, row)| std::cmp::Reverse(row.last));
        rows.truncate(room);
        rows.sort_by_key(|(place, _)| *place);
        if rows.is_empty() {
            return Vec::new();
        }

        let line = |mark: &str, label: &str, figures: &mut dyn Iterator<Item = String>| {
            let mut text = format!("{mark} {label:label_width$}");
            for (column, figure) in columns.iter().zip(figures) {
                text.push_str(&format!(" {figure:>0$}", column.width()));
            }
            text
        };
        let mut lines: Vec<String> = caption.lines().map(str::to_owned).collect();
        for number in 0..head_lines {
            // All heads end in the same line.
            let word = |column: &&Column| {
                let place = (number + column.head.len()).checked_sub(head_lines);
                place.and_then(|place| column.head.get(place)).cloned().unwrap_or_default()
            };
            lines.push(line(" ", "", &mut columns.iter().map(word)));
        }
        for (place, row) in rows {
            let mark = if self.in_hand == Some(place) { ">" } else { " " };
            lines.push(line(
                mark,
                &row.label,
                &mut columns.iter().map(|column| row.figure(column.of)),
            ));
        }
        for line in &mut lines {
            *line = clipped(line.trim_end(), width);
        }
        lines
    }
}

impl Column {
    fn width(&self) -> usize {
        self.head.iter().map(|word| length(word)).max().unwrap_or(0).max(FIGURE_WIDTH)
    }
}

impl Row {
    /// The figure at a place, where it is of this round.
    fn at(&self, place: usize, round: u32) -> Option<f64> {
        let (last, figure) = self.levels.get(place)?.last?;
        (last == round).then_some(figure)
    }

    fn figure(&self, of: Of) -> String {
        let estimate = match of {
            Of::Level(place) => self
                .levels
                .get(place)
                .and_then(|level| level.sample.estimate(analysis::Metric::GoodputGbps.scale())),
            Of::Ratio(above, below) => self
                .ratios
                .get(&(above, below))
                .and_then(|ratios| pairs::ratio(ratios).value().copied()),
        };
        let so_far = || {
            let level = |place: usize| self.levels.get(place)?.so_far();
            let figure = match of {
                Of::Level(place) => level(place)?,
                Of::Ratio(above, below) => level(above)? / level(below)?,
            };
            Some(format!("~{}", short(figure)))
        };
        match estimate {
            Some(estimate) => figure_and_percent(estimate.mean, half_width(&estimate)),
            None => so_far().unwrap_or_else(|| "-".to_owned()),
        }
    }
}

/// A cell's values of some factors: `64 KiB`, `×4`, `nodelay=on`.
fn words(cell: &Cell, factors: &[Factor]) -> Vec<String> {
    #[allow(clippy::wildcard_enum_match_arm, reason = "only these have words of their own")]
    let word = |factor: &Factor| match factor {
        Factor::Send => cell.send_path.to_string(),
        Factor::Message => message(cell),
        Factor::Threads => format!("×{}", cell.threads),
        other => format!("{}={}", other.id_key(), cell.get(*other)),
    };
    factors.iter().map(word).collect()
}

fn length(text: &str) -> usize {
    text.chars().count()
}

/// A line that ends where the terminal does.
pub(crate) fn clipped(line: &str, width: usize) -> String {
    line.chars().take(width).collect()
}

#[cfg(test)]
mod tests {
    use model::Preset;

    use super::*;

    /// The default plan after so many rounds, with what a machine could give: a cell's goodput times the noise of its round.
    fn measured(rounds: u32) -> LiveTable {
        let plan = Plan::preset(Preset::Default);
        let mut table = LiveTable::new(&plan);
        for round in 1..=rounds {
            for cell in plan.cells() {
                let noise = synthetic::noise(1, &cell, round, 0.05);
                table.begin(&cell);
                table.push(&cell, round, synthetic::likely(&cell).goodput_gbps * noise);
            }
        }
        table
    }

    fn text(table: &LiveTable, width: usize, height: usize) -> String {
        table.lines(width, height).join("\n")
    }

    #[test]
    fn the_default_plan_fits_a_small_terminal() {
        let mut table = measured(3);
        table.begin(&"send=zerocopy message_bytes=4096 threads=2".parse().unwrap());
        assert_eq!(
            text(&table, 80, 22),
            "\
goodput in Gbit/s and its ratios, ± half of the 95 % interval
                                                sendmsg   zerocopy   zerocopy
                  send    sendmsg   zerocopy      /send      /send   /sendmsg
  64 B ×1   0.153 ±17% 0.761 ±13% 0.231 ±24%  4.98 ±29%  1.51 ±43% 0.303 ±23%
  64 B ×2    0.303 ±8%   1.59 ±8%  0.452 ±9%  5.26 ±13%   1.49 ±5%  0.284 ±9%
  64 B ×4    0.597 ±7%  3.12 ±15%  0.869 ±8%  5.23 ±14%   1.46 ±9%  0.279 ±7%
  64 B ×8   0.590 ±13%  3.12 ±14%  0.880 ±8%  5.28 ±28%  1.49 ±21%  0.282 ±6%
  512 B ×1    1.18 ±2%  5.91 ±15%  1.70 ±19%  5.00 ±16%  1.44 ±18% 0.288 ±35%
  512 B ×2   2.33 ±22%   10.9 ±4%  3.49 ±24%  4.66 ±23%   1.50 ±5% 0.321 ±26%
  512 B ×4    4.62 ±7%   22.7 ±5%   7.25 ±8%   4.91 ±8%  1.57 ±15%  0.319 ±8%
  512 B ×8   4.60 ±17%  23.1 ±16%  7.07 ±18%   5.01 ±3%  1.54 ±24% 0.306 ±24%
  4 KiB ×1   8.75 ±11%  28.6 ±18%  11.0 ±20%  3.27 ±30%  1.26 ±20% 0.385 ±31%
> 4 KiB ×2   16.7 ±21%  59.9 ±17%  23.1 ±19%  3.59 ±36%   1.39 ±9% 0.386 ±28%
  4 KiB ×4   34.1 ±12%    117 ±3%   43.9 ±6%  3.43 ±12%  1.28 ±18%  0.374 ±9%
  4 KiB ×8   34.5 ±15%    115 ±9%   43.9 ±8%  3.35 ±21%  1.27 ±12%  0.381 ±8%
  64 KiB ×1  44.4 ±14%  66.9 ±19%   40.4 ±7%  1.51 ±16% 0.910 ±11% 0.603 ±12%
  64 KiB ×2   83.2 ±2%   128 ±31%   89.2 ±3%  1.54 ±29%   1.07 ±3% 0.698 ±31%
  64 KiB ×4   186 ±20%   260 ±10%    181 ±8%  1.40 ±15% 0.975 ±17% 0.697 ±14%
  64 KiB ×8   177 ±10%   263 ±22%   174 ±14%  1.48 ±12%  0.980 ±4%  0.661 ±9%"
        );
    }

    #[test]
    fn a_narrow_terminal_shows_fewer_columns_and_a_low_one_the_rows_measured_last() {
        let mut table = measured(1);
        table.begin(&"send=send message_bytes=64 threads=1".parse().unwrap());
        assert_eq!(
            text(&table, 40, 6),
            "\
4 more in a wider terminal; goodput in G
                  send    sendmsg
> 64 B ×1        0.143      0.775
  64 KiB ×2       84.0        140
  64 KiB ×4        180        264
  64 KiB ×8        177        267"
        );
        assert!(
            text(&table, 40, 12)
                .starts_with("4 more in a wider terminal; goodput in\n  Gbit/s and"),
            "{}",
            text(&table, 40, 12)
        );
        assert_eq!(text(&table, 80, 3), "");
        for (width, height) in (0..120).flat_map(|width| (0..30).map(move |height| (width, height)))
        {
            let lines = table.lines(width, height);
            assert!(lines.len() <= height, "{width} × {height}");
            assert!(lines.iter().all(|line| length(line) <= width), "{width} × {height}");
        }
    }

    #[test]
    fn a_ratio_needs_both_in_one_round_and_a_repeated_trial_counts_once() {
        let [send, sendmsg]: [Cell; 2] = ["send=send", "send=sendmsg"]
            .map(|path| format!("{path} message_bytes=64 threads=1").parse().unwrap());
        let mut table = LiveTable::new(&Plan::preset(Preset::Default));
        let row = |table: &LiveTable| {
            let lines = table.lines(80, 22);
            lines.iter().find(|line| line.contains("64 B ×1")).unwrap().clone()
        };
        assert!(table.is_empty());
        table.push(&send, 1, 2.0);
        table.push(&sendmsg, 2, 3.0);
        assert_eq!(
            row(&table),
            "> 64 B ×1         2.00       3.00          -          -          -          -"
        );
        table.push(&send, 2, 2.0);
        table.push(&send, 2, 200.0);
        assert_eq!(
            row(&table),
            "> 64 B ×1     2.00 ±1%       3.00          -       1.50          -          -"
        );
        assert!(!table.is_empty());
    }

    #[test]
    fn slices_fill_the_table_until_a_trial_has_ended() {
        let [send, sendmsg]: [Cell; 2] = ["send=send", "send=sendmsg"]
            .map(|path| format!("{path} message_bytes=64 threads=1").parse().unwrap());
        let mut table = LiveTable::new(&Plan::preset(Preset::Default));
        let line = |table: &LiveTable, with: &str| {
            table.lines(100, 22).into_iter().find(|line| line.contains(with)).unwrap()
        };
        assert!(!text(&table, 100, 22).contains('~'));
        assert!(table.is_empty());
        table.slice(&send, Bytes(500_000), Nanos::ms(2));
        assert!(!table.is_empty(), "what was on the screen is shown at an early end too");
        assert_eq!(
            line(&table, "64 B ×1"),
            "> 64 B ×1        ~2.00          -          -          -          -          -"
        );
        table.slice(&sendmsg, Bytes(500_000), Nanos::ms(1));
        table.slice(&send, Bytes(250_000), Nanos::ms(1));
        assert_eq!(
            line(&table, "64 B ×1"),
            "> 64 B ×1        ~2.00      ~4.00          -      ~2.00          -          -"
        );
        assert!(line(&table, "goodput").ends_with("; ~ roughly, of its first slices"));
        table.push(&send, 1, 2.5);
        table.push(&sendmsg, 1, 5.0);
        assert_eq!(
            line(&table, "64 B ×1"),
            "> 64 B ×1         2.50       5.00          -       2.00          -          -"
        );
        table.slice(&send, Bytes(500_000), Nanos::ms(2));
        assert!(!text(&table, 100, 22).contains('~'), "trials are shown where there are any");
    }

    #[test]
    fn other_factors_name_columns_where_they_are_compared_and_rows_where_they_are_not() {
        let mut plan = Plan::preset(Preset::Default);
        for (factor, values) in [
            (Factor::Send, "sendmsg"),
            (Factor::Message, "4KiB"),
            (Factor::Threads, "1"),
            (Factor::Nodelay, "off,on"),
            (Factor::Fields, "1,8"),
        ] {
            plan.factors.set(factor, values).unwrap();
        }
        assert_eq!(
            text(&LiveTable::new(&plan), 80, 22),
            "\
goodput in Gbit/s and its ratios, ± half of the 95 % interval
                                  nodelay=on
           nodelay=off nodelay=on       /off
  fields=1           -          -          -
  fields=8           -          -          -"
        );
    }
}
