//! What a run shows while it measures: on a terminal a table that fills and a line with what is in hand, redrawn between
//! slices and trials; elsewhere one plain line a round.

use std::time::{Duration, Instant};

use analysis::Metric;
use analysis::marks::{is_void, judge};
use analysis::stopping::Widest;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use model::record::{FinishReason, Record, Trial};
use model::{Cell, Factor, Nanos, Plan, Share};
use report::numbers::{counted, duration, half_width, percent};
use study::{Event, FirstRound, OutOfTime};

use crate::live_table::{LiveTable, clipped};
use crate::terminal::{Reader, tell, tell_exactly};
use crate::time_limit::about;

/// The table is not drawn again sooner.
const SELDOM: Duration = Duration::from_millis(100);

/// Draws a second, more often than trials begin.
const OFTEN: u8 = 200;

/// A line on the terminal that is drawn when its message is set and at no other time.
pub(crate) fn drawn_line() -> ProgressBar {
    drawn("{wide_msg}")
}

fn drawn(template: &str) -> ProgressBar {
    let line = ProgressBar::no_length();
    // At the usual rate a line may be held back, and would then show the wrong cell for a whole trial.
    line.set_draw_target(ProgressDrawTarget::stderr_with_hz(OFTEN));
    // A template of one key that every version knows cannot be wrong.
    if let Ok(style) = ProgressStyle::with_template(template) {
        line.set_style(style);
    }
    line
}

/// Follows a study's events.
pub(crate) struct Progress {
    /// Absent where nobody watches. It has no ticking thread: drawing during a trial would be measured with it.
    lines: Option<ProgressBar>,
    table: LiveTable,
    /// When the lines were last drawn, and what was said of what is in hand.
    drawn: Option<Instant>,
    said: String,
    quiet: bool,
    round: u32,
    /// What the plan asks of ratios.
    precision: Option<Share>,
    widest: Option<Widest>,
    /// The last estimate of the time left, and when it was made.
    left: Option<(Nanos, Instant)>,
    retried: u32,
    /// The run's first round, where it was slower than foreseen.
    slow: Option<FirstRound>,
    out_of_time: Option<OutOfTime>,
}

impl Progress {
    /// On a terminal a table is drawn; `quiet` leaves only the warnings. `earlier` is what a resumed run's journal holds.
    pub(crate) fn new(terminal: bool, quiet: bool, plan: &Plan, earlier: &[Record]) -> Self {
        let lines = (terminal && !quiet).then(|| drawn("{msg}"));
        let mut table = LiveTable::new(plan);
        for record in earlier {
            if let Record::Trial(trial) = record
                && let Some(goodput_gbps) = valid_goodput(trial, plan)
            {
                table.push(&trial.cell, trial.round, goodput_gbps);
            }
        }
        Self {
            lines,
            table,
            drawn: None,
            said: String::new(),
            quiet,
            round: 0,
            precision: plan.measure.precision,
            widest: None,
            left: None,
            retried: 0,
            slow: None,
            out_of_time: None,
        }
    }

    /// Where it ended, if that was for want of time.
    pub(crate) const fn out_of_time(&self) -> Option<OutOfTime> {
        self.out_of_time
    }

    /// Shows what happened.
    pub(crate) fn show(&mut self, event: &Event) {
        match event {
            Event::RoundStarted { round, .. } => {
                self.round = *round;
                self.retried = 0;
            }
            Event::TrialStarted { cell, number, of, attempt } => {
                self.table.begin(cell);
                self.said = self.in_hand(cell, *number, *of, *attempt);
                self.draw();
            }
            Event::SliceEnded { cell, bytes, took } => {
                self.table.slice(cell, *bytes, *took);
                self.draw();
            }
            Event::CeilingStarted => self.say("measuring the copying ceiling"),
            Event::AuditStarted { cell, audit, number, of } => {
                self.say(&format!("{audit} · audit trial {number}/{of} · {}", brief(cell)));
            }
            Event::TrialEnded { cell, marks, goodput_gbps } => {
                if let Some(goodput_gbps) = goodput_gbps.value().filter(|_| !is_void(marks)) {
                    self.table.push(cell, self.round, *goodput_gbps);
                }
            }
            Event::Retried { .. } => self.retried += 1,
            Event::RoundEnded { round, widest, ratios, precise, cells, elapsed, first, left } => {
                self.widest.clone_from(widest);
                let slow = first.filter(is_slow);
                self.slow = slow.or(self.slow);
                self.left = left.map(|left| (left, Instant::now()));
                if self.lines.is_none() && !self.quiet {
                    let line = round_line(
                        *round,
                        self.retried,
                        widest.as_ref(),
                        &self.precise(*ratios, (*precise, *cells)),
                        *elapsed,
                        *left,
                    );
                    tell(&match slow {
                        Some(slow) if about(slow.took) == about(*elapsed) => {
                            format!("{line} (about {} was foreseen)", about(slow.foreseen))
                        }
                        Some(slow) => format!("{line} ({})", slower(&slow)),
                        None => line,
                    });
                }
            }
            Event::CellRefused { cell, why } => self.warn(&format!("not measured: {cell}: {why}")),
            Event::Warning(text) => self.warn(text),
            Event::OutOfTime(out) => self.out_of_time = Some(*out),
            Event::Finished(reason) => self.finish(*reason),
        }
    }

    /// Shows the table and what is in hand, but not too often.
    fn draw(&mut self) {
        if self.drawn.is_none_or(|drawn| drawn.elapsed() >= SELDOM) {
            self.say(&self.said);
            self.drawn = Some(Instant::now());
        }
    }

    /// Shows the table and what goes on where there is a terminal to show it on.
    fn say(&self, text: &str) {
        let Some(drawn) = &self.lines else { return };
        let reader = Reader::of_error();
        let text = report::folded(&report::visible(text), 2, reader.width);
        // Most of a low terminal is the table's.
        let text: Vec<&str> = text.lines().take((reader.height / 4).max(1)).collect();
        // One line is left for the cursor.
        let room = reader.height.saturating_sub(1 + text.len());
        let mut lines = self.table.lines(reader.width, room);
        lines.extend(text.into_iter().map(|line| clipped(line, reader.width)));
        drawn.set_message(lines.join("\n"));
    }

    /// Tells a warning without tearing what is drawn.
    fn warn(&self, text: &str) {
        let text = format!("! {text}");
        match &self.lines {
            Some(lines) => lines.suspend(|| tell(&text)),
            None => tell(&text),
        }
    }

    fn finish(&mut self, reason: FinishReason) {
        let was_drawn = self.lines.is_some();
        self.clear();
        let text = match reason {
            FinishReason::Precise => "all is as precise as asked",
            FinishReason::Rounds => "all rounds are measured",
            // The command tells that nothing was measured.
            FinishReason::Time if self.out_of_time.is_some_and(|out| out.blocks == 0) => return,
            FinishReason::Time => &self.spent(was_drawn),
            // The exit tells more of these.
            FinishReason::Interrupted | FinishReason::Failed => {
                if was_drawn && !self.table.is_empty() {
                    self.table
                        .lines(Reader::of_error().width, usize::MAX)
                        .iter()
                        .for_each(|line| tell_exactly(line));
                }
                return;
            }
        };
        if !self.quiet {
            tell(&format!("done: {text}"));
        }
    }

    /// That the time is spent, and where that was foreseen otherwise. Elsewhere than on a terminal the round's line told it.
    fn spent(&self, was_drawn: bool) -> String {
        let spent = "the time is spent";
        match (self.out_of_time.and_then(|out| out.foreseen), &self.slow) {
            (Some(foreseen), _) => format!(
                "{spent} before the first round is whole, of which about {} was foreseen",
                about(foreseen)
            ),
            (None, Some(slow)) if was_drawn => {
                format!("{spent}; the first round: {}", slower(slow))
            }
            (None, _) => spent.to_owned(),
        }
    }

    /// Takes what is drawn away.
    pub(crate) fn clear(&mut self) {
        if let Some(lines) = self.lines.take() {
            lines.finish_and_clear();
        }
    }

    /// What is as precise as asked, by the words of the run's last lines: ratios where the plan compares, else cells.
    fn precise(&self, ratios: Option<(u32, u32)>, cells: (u32, u32)) -> String {
        match (ratios, self.precision) {
            (Some((narrow, of)), Some(precision)) => {
                format!(
                    "{narrow} of {} to ±{}",
                    counted(of, "ratio", "ratios"),
                    percent(precision.0)
                )
            }
            _ => format!("{} of {} cells as precise as asked", cells.0, cells.1),
        }
    }

    fn in_hand(&self, cell: &Cell, number: u32, of: u32, attempt: u32) -> String {
        let mut parts =
            vec![format!("round {}", self.round), format!("trial {number}/{of}"), brief(cell)];
        if attempt > 1 {
            parts.push(format!("attempt {attempt}"));
        }
        if let Some(widest) = &self.widest {
            parts.push(format!("widest: {}", half_width(widest.half_width)));
        }
        if let Some((left, estimated)) = &self.left {
            let since = u64::try_from(estimated.elapsed().as_nanos()).unwrap_or(u64::MAX);
            parts.push(format!("{} left", duration(Nanos(left.0.saturating_sub(since)))));
        }
        parts.join(" · ")
    }
}

/// Whether a reader would take what was foreseen for wrong.
fn is_slow(first: &FirstRound) -> bool {
    first.took.0 > first.foreseen.0.saturating_add(first.foreseen.0 / 4)
}

fn slower(first: &FirstRound) -> String {
    format!("it took {}, about {} was foreseen", about(first.took), about(first.foreseen))
}

fn round_line(
    round: u32,
    retried: u32,
    widest: Option<&Widest>,
    precise: &str,
    elapsed: Nanos,
    left: Option<Nanos>,
) -> String {
    let mut parts = vec![format!("round {round} done after {}", about(elapsed))];
    if let Some(widest) = widest {
        parts.push(format!("widest: {} ({})", half_width(widest.half_width), compared(widest)));
        parts.push(precise.to_owned());
    }
    if retried > 0 {
        parts.push(format!("{} made again", counted(retried, "attempt", "attempts")));
    }
    if let Some(left) = left.filter(|left| *left > Nanos::ms(500)) {
        parts.push(format!("about {} left", duration(left)));
    }
    parts.join(", ")
}

/// The goodput of a trial in Gbit/s; none of a void one.
fn valid_goodput(trial: &Trial, plan: &Plan) -> Option<f64> {
    let goodput = analysis::figures::value(Metric::GoodputGbps, trial, None);
    goodput.value().copied().filter(|_| !is_void(&judge(trial, &plan.thresholds)))
}

/// A cell in few words: `sendmsg 64 KiB ×4`, and what else is not as usual.
pub(crate) fn brief(cell: &Cell) -> String {
    format!("{} {}", cell.send_path, settings(cell))
}

/// The same with what it is compared with: `zerocopy / sendmsg 64 KiB ×4`.
fn compared(widest: &Widest) -> String {
    match &widest.contrast {
        None => brief(&widest.cell),
        Some(contrast) if contrast.factor == Factor::Send => {
            format!("{} {}", contrast.values(), settings(&widest.cell))
        }
        Some(contrast) => format!("{}, {contrast}", brief(&widest.cell)),
    }
}

fn settings(cell: &Cell) -> String {
    let mut text = format!("{} ×{}", cell.message.bytes(), cell.threads);
    for factor in Factor::ALL {
        let is_named = matches!(factor, Factor::Send | Factor::Message | Factor::Threads);
        if !is_named && !cell.is_default(*factor) {
            text.push_str(&format!(" {}={}", factor.id_key(), cell.get(*factor)));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_round_is_one_plain_line() {
        let cell: Cell = "send=zerocopy message_bytes=65536 threads=4 nodelay=on".parse().unwrap();
        let mut widest = Widest { cell, contrast: None, half_width: 0.051 };
        widest.contrast = Some("send: zerocopy / sendmsg".parse().unwrap());
        let line = round_line(
            3,
            2,
            Some(&widest),
            "30 of 48 ratios to ±1.2 %",
            Nanos::s(75),
            Some(Nanos::s(192)),
        );
        assert_eq!(
            line,
            "round 3 done after 1m15s, widest: ±5.1 % (zerocopy / sendmsg 64 KiB ×4 nodelay=on), 30 of 48 ratios to ±1.2 %, 2 attempts made again, about 3m12s left"
        );
        widest.contrast = Some("nodelay: on / off".parse().unwrap());
        let line = round_line(2, 0, Some(&widest), "", Nanos::s(5), None);
        assert!(line.contains("(zerocopy 64 KiB ×4 nodelay=on, nodelay: on / off)"), "{line}");
        let widest = Widest { cell: Cell::default(), contrast: None, half_width: 254.97 };
        let line = round_line(2, 0, Some(&widest), "0 of 48 ratios to ±1.2 %", Nanos::s(5), None);
        assert_eq!(
            line,
            "round 2 done after 5 s, widest: no useful interval (send 4 KiB ×1), 0 of 48 ratios to ±1.2 %"
        );
        assert_eq!(round_line(1, 0, None, "", Nanos::s(5), None), "round 1 done after 5 s");
    }

    #[test]
    fn what_is_precise_is_counted_as_in_the_last_lines() {
        let mut plan = Plan::preset(model::Preset::Default);
        let told =
            |plan: &Plan, ratios| Progress::new(false, true, plan, &[]).precise(ratios, (3, 6));
        assert_eq!(told(&plan, Some((1, 4))), "1 of 4 ratios to ±1.2 %");
        assert_eq!(told(&plan, Some((0, 1))), "0 of 1 ratio to ±1.2 %");
        // Where nothing is compared its cells are what it aims at.
        assert_eq!(told(&plan, None), "3 of 6 cells as precise as asked");
        plan.measure.precision = None;
        assert!(!told(&plan, Some((1, 4))).contains("ratio"), "no precision is asked for");
    }

    #[test]
    fn what_took_longer_than_foreseen_is_told_with_what_was() {
        let mut progress = Progress::new(false, true, &Plan::preset(model::Preset::Default), &[]);
        let ended = |took| Event::RoundEnded {
            round: 1,
            widest: None,
            ratios: Some((0, 32)),
            precise: 0,
            cells: 48,
            elapsed: Nanos::s(40),
            first: Some(FirstRound { took, foreseen: Nanos::s(8) }),
            left: None,
        };
        progress.show(&ended(Nanos::s(9)));
        assert_eq!(progress.spent(true), "the time is spent");
        progress.show(&ended(Nanos::s(12)));
        let told = "the time is spent; the first round: it took 12 s, about 8 s was foreseen";
        assert_eq!(progress.spent(true), told);
        assert_eq!(progress.spent(false), "the time is spent", "the round's line told it");
        let (round, blocks, elapsed, left) = (1, 4, Nanos::s(9), Nanos::s(30));
        let foreseen = Some(Nanos::s(8));
        progress.show(&Event::OutOfTime(OutOfTime { round, blocks, elapsed, left, foreseen }));
        assert_eq!(
            progress.spent(false),
            "the time is spent before the first round is whole, of which about 8 s was foreseen"
        );
    }

    #[test]
    fn the_trial_in_hand_is_named_with_its_place() {
        let mut progress = Progress::new(false, false, &Plan::preset(model::Preset::Default), &[]);
        progress.show(&Event::RoundStarted { round: 2, blocks: 1, trials: 9, elapsed: Nanos(0) });
        let cell = Cell::default();
        assert_eq!(
            progress.in_hand(&cell, 4, 9, 2),
            "round 2 · trial 4/9 · send 4 KiB ×1 · attempt 2"
        );
    }
}
