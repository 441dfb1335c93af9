//! `plan.toml`: a plan as text. Every value is read by the same parser as its flag.

use std::collections::BTreeSet;
use std::fmt;
use std::fmt::Write as _;
use std::ops::Range;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::factor::Factor;
use crate::names::Audit;
use crate::nearest::unknown;
use crate::peer::{Peer, PeerParts};
use crate::plan::{MOST_CONTRASTS, Measure, Plan, check_label};
use crate::preset::Preset;
use crate::thresholds::Thresholds;

/// What is wrong with a plan file, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlanError {
    /// Line, from 1.
    pub line: usize,
    /// Column, from 1.
    pub column: usize,
    /// What is wrong, with the nearest right word where one is near.
    pub why: String,
}

impl fmt::Display for PlanError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}, column {}: {}", self.line, self.column, self.why)
    }
}

impl std::error::Error for PlanError {}

type Value<'a, 'i> = &'a Spanned<DeValue<'i>>;

/// Reads with the text at hand, so that errors can tell line and column.
struct Reader<'t> {
    text: &'t str,
}

impl Reader<'_> {
    fn error(&self, at: Range<usize>, why: impl Into<String>) -> PlanError {
        let before = self.text.get(..at.start).unwrap_or(self.text);
        let line = before.matches('\n').count() + 1;
        let column = before.rsplit('\n').next().unwrap_or("").chars().count() + 1;
        PlanError { line, column, why: why.into() }
    }

    /// A scalar as the text that its flag would take.
    fn scalar(&self, key: &str, value: Value) -> Result<String, PlanError> {
        match value.get_ref() {
            DeValue::String(text) => Ok(text.to_string()),
            DeValue::Integer(number) => Ok(number.to_string()),
            DeValue::Float(number) => Ok(number.to_string()),
            DeValue::Boolean(switch) => Ok(switch.to_string()),
            other @ (DeValue::Datetime(_) | DeValue::Array(_) | DeValue::Table(_)) => Err(self
                .error(
                    value.span(),
                    format!(
                        "{key} takes a text or a number, not a value of type {}",
                        other.type_str()
                    ),
                )),
        }
    }

    /// A list with commas: an array's items, or one scalar.
    fn list(&self, key: &str, value: Value) -> Result<String, PlanError> {
        match value.get_ref() {
            DeValue::Array(items) => {
                let texts: Result<Vec<_>, _> =
                    items.iter().map(|item| self.scalar(key, item)).collect();
                let texts = texts?;
                if texts.is_empty() {
                    return Err(self.error(value.span(), format!("{key} names no value")));
                }
                Ok(texts.join(","))
            }
            DeValue::String(_)
            | DeValue::Integer(_)
            | DeValue::Float(_)
            | DeValue::Boolean(_)
            | DeValue::Datetime(_)
            | DeValue::Table(_) => self.scalar(key, value),
        }
    }

    fn table<'a, 'i>(&self, key: &str, value: Value<'a, 'i>) -> Result<&'a DeTable<'i>, PlanError> {
        value.get_ref().as_table().ok_or_else(|| {
            self.error(
                value.span(),
                format!(
                    "{key} is a table, written [{key}]; this is a {}",
                    value.get_ref().type_str()
                ),
            )
        })
    }
}

const TOP: &[&str] = &[
    "preset",
    "label",
    "peer",
    "data-address",
    "peer-sends",
    "contrasts",
    "factors",
    "measure",
    "thresholds",
];

/// The tables of a plan and their keys.
fn tables() -> [(&'static str, Vec<&'static str>); 3] {
    [
        ("factors", Factor::ALL.iter().map(|factor| factor.key()).collect()),
        ("measure", Measure::KEYS.to_vec()),
        ("thresholds", Thresholds::KEYS.to_vec()),
    ]
}

/// Tells of a key that a place does not know: where it belongs, or which one was meant.
fn unknown_key(place: &str, key: &str, known: &[&str]) -> String {
    let spelling = current(key);
    match tables().iter().find(|(_, keys)| keys.contains(&spelling.as_str())) {
        Some((table, _)) => format!("{key} belongs under [{table}]"),
        None if TOP.contains(&key) => format!("{key} belongs at the top, before the first table"),
        None => unknown(&format!("key of {place}"), key, known),
    }
}

/// A key as it is spelled today: plans of earlier versions have underscores, and `window` for `time`.
fn current(key: &str) -> String {
    match key.replace('_', "-").as_str() {
        "window" => "time".to_owned(),
        key => key.to_owned(),
    }
}

/// The word for what a run decides by itself.
const AUTO: &str = "auto";

impl Measure {
    /// The keys in a plan file, which are the flags' names.
    pub const KEYS: &'static [&'static str] = &[
        "time",
        "steady",
        "slice",
        "settle",
        "turns",
        "warmup",
        "tail",
        "precision",
        "min-rounds",
        "rounds",
        "max-time",
        "margin",
        "seed",
        "controls",
        "steady-control",
        "audits",
    ];

    /// The words that a key's value may be; numbers are not among them.
    pub fn words(key: &str) -> Vec<&'static str> {
        match key {
            "precision" | "rounds" | "max-time" => vec!["none"],
            "controls" | "steady" | "steady-control" => vec!["on", "off"],
            "turns" => vec![AUTO],
            "audits" => {
                let audits = Audit::ALL.iter().map(|audit| audit.name());
                audits.chain(["all", "none"]).collect()
            }
            _ => Vec::new(),
        }
    }

    /// Sets a key from text; `none` takes away precision, rounds or max-time. The keys of earlier versions are read too
    /// (`window` for `time`, underscores for hyphens).
    ///
    /// # Errors
    /// An unknown key, with the nearest right one, or text that is no value of it.
    pub fn set(&mut self, key: &str, text: &str) -> Result<(), String> {
        self.read(key, text)?;
        self.check_value(&current(key))
    }

    fn read(&mut self, key: &str, text: &str) -> Result<(), String> {
        fn optional<T: std::str::FromStr>(text: &str) -> Result<Option<T>, T::Err> {
            if text.trim() == "none" { Ok(None) } else { text.parse().map(Some) }
        }
        let number = |_: std::num::ParseIntError| {
            let range = match current(key).as_str() {
                "seed" => format!("0 to {}", u64::MAX),
                _ => format!("1 to {}", u32::MAX),
            };
            format!("{} is no whole number from {range}", crate::quoted(text))
        };
        match current(key).as_str() {
            // A plan of an earlier version has this key alone, and was measured steadily.
            "time" => (self.window, self.steady) = (text.parse()?, true),
            "steady" => self.steady = text.parse::<crate::names::Switch>()?.is_on(),
            "slice" => self.slice = text.parse()?,
            "settle" => self.settle = text.parse()?,
            "turns" if text.trim() == AUTO => self.turns = None,
            "turns" => self.turns = Some(text.trim().parse().map_err(number)?),
            "warmup" => self.warmup = text.parse()?,
            "tail" => self.tail = text.parse()?,
            "precision" => self.precision = optional(text)?,
            "min-rounds" => self.min_rounds = text.trim().parse().map_err(number)?,
            "rounds" => self.rounds = optional(text.trim()).map_err(number)?,
            "max-time" => self.max_time = optional(text)?,
            "margin" => self.margin = text.parse()?,
            "seed" => self.seed = text.trim().parse().map_err(number)?,
            "controls" => self.controls = text.parse::<crate::names::Switch>()?.is_on(),
            "steady-control" => {
                self.steady_control = text.parse::<crate::names::Switch>()?.is_on();
            }
            "audits" => self.audits = audits(text)?,
            _ => return Err(unknown("key of [measure]", key, Self::KEYS)),
        }
        Ok(())
    }

    /// A key's value as text that [`Measure::set`] reads; none for an unknown key.
    pub fn get(&self, key: &str) -> Option<String> {
        fn or_none<T: fmt::Display>(value: Option<T>) -> String {
            value.map_or_else(|| "none".to_owned(), |value| value.to_string())
        }
        Some(match key {
            "time" => self.window.to_string(),
            "steady" => on_or_off(self.steady),
            "slice" => self.slice.to_string(),
            "settle" => self.settle.to_string(),
            "turns" => self.turns.map_or_else(|| AUTO.to_owned(), |turns| turns.to_string()),
            "warmup" => self.warmup.to_string(),
            "tail" => self.tail.to_string(),
            "precision" => or_none(self.precision),
            "min-rounds" => self.min_rounds.to_string(),
            "rounds" => or_none(self.rounds),
            "max-time" => or_none(self.max_time),
            "margin" => self.margin.to_string(),
            "seed" => self.seed.to_string(),
            "controls" => on_or_off(self.controls),
            "steady-control" => on_or_off(self.steady_control),
            "audits" if self.audits.is_empty() => "none".to_owned(),
            "audits" => {
                let names: Vec<_> = self.audits.iter().map(|audit| audit.name()).collect();
                names.join(",")
            }
            _ => return None,
        })
    }
}

fn on_or_off(switch: bool) -> String {
    (if switch { "on" } else { "off" }).to_owned()
}

/// A list with commas; `none` and `all` stand for what they say.
fn audits(text: &str) -> Result<Vec<Audit>, String> {
    match text.trim() {
        "none" => Ok(Vec::new()),
        "all" => Ok(Audit::ALL.to_vec()),
        list => {
            let mut audits = Vec::new();
            for name in list.split(',') {
                let audit: Audit = name.parse()?;
                if audits.contains(&audit) {
                    return Err(format!("{audit} stands twice in \"{list}\""));
                }
                audits.push(audit);
            }
            Ok(audits)
        }
    }
}

impl Plan {
    /// Reads a plan file; what it does not name keeps its preset's value.
    ///
    /// # Errors
    /// The first thing that is wrong, with line and column.
    pub fn from_toml(text: &str) -> Result<Self, PlanError> {
        let reader = Reader { text };
        let document = DeTable::parse(text).map_err(|error| {
            reader.error(error.span().unwrap_or(0..0), error.message().to_owned())
        })?;
        let document = document.get_ref();
        for key in document.keys() {
            if !TOP.contains(&key.get_ref().as_ref()) {
                let why = unknown_key("a plan", key.get_ref(), TOP);
                return Err(reader.error(key.span(), why));
            }
        }
        let preset = match document.get("preset") {
            None => Preset::Default,
            Some(value) => reader
                .scalar("preset", value)?
                .parse()
                .map_err(|why: String| reader.error(value.span(), why))?,
        };
        let mut plan = Self::preset(preset);
        let mut peer = PeerParts::default();
        if let Some(value) = document.get("label") {
            plan.label = reader.scalar("label", value)?;
            check_label(&plan.label).map_err(|why| reader.error(value.span(), why))?;
        }
        for key in Peer::KEYS {
            let Some(value) = document.get(*key) else { continue };
            // A part without a peer is told when all of the plan is known.
            peer.set(key, &reader.scalar(key, value)?)
                .map_err(|why| reader.error(value.span(), format!("{key}: {why}")))?;
        }
        plan.peer = peer.whole().map_err(|why| reader.error(0..0, why))?;
        if let Some(value) = document.get("contrasts") {
            let set = plan.set_contrasts(&reader.list("contrasts", value)?);
            set.map_err(|why| reader.error(value.span(), why))?;
        }
        for (table, keys) in tables() {
            let Some(value) = document.get(table) else { continue };
            let mut given = BTreeSet::new();
            // In the order of the keys, as a later one may overrule what an earlier one implies.
            let mut entries: Vec<_> = reader.table(table, value)?.iter().collect();
            entries.sort_by_key(|(key, _)| {
                let name = current(key.get_ref());
                keys.iter().position(|known| *known == name)
            });
            for (key, value) in entries {
                let name = current(key.get_ref());
                let wrong_key = |why| reader.error(key.span(), why);
                if !keys.contains(&name.as_str()) {
                    let place = format!("[{table}]");
                    return Err(wrong_key(unknown_key(&place, key.get_ref(), &keys)));
                }
                if !given.insert(name.clone()) {
                    return Err(wrong_key(format!("{name} stands twice, once by an older name")));
                }
                let text = reader.list(&name, value)?;
                let set = plan.set(table, &name, &text);
                set.map_err(|why| reader.error(value.span(), format!("{name}: {why}")))?;
            }
        }
        plan.check().map_err(|why| reader.error(0..0, why))?;
        Ok(plan)
    }

    /// Sets what is compared with what by a list with commas, such as `send: zerocopy / sendmsg`.
    ///
    /// # Errors
    /// What is no contrast.
    pub fn set_contrasts(&mut self, text: &str) -> Result<(), String> {
        if text.split(',').count() > MOST_CONTRASTS {
            return Err(format!("more than {MOST_CONTRASTS} contrasts; name fewer"));
        }
        self.contrasts = text.split(',').map(str::parse).collect::<Result<_, _>>()?;
        Ok(())
    }

    /// Sets keys of the peer; one that is set is measured with where the plan names no link of its own.
    ///
    /// # Errors
    /// The key, and what is wrong with its value; a part of a peer that nobody names.
    pub fn set_peer(&mut self, keys: &[(&'static str, String)]) -> Result<(), String> {
        let mut parts = PeerParts::of(self.peer.as_ref());
        for (key, text) in keys {
            parts.set(key, text).map_err(|why| format!("--{key}: {why}"))?;
        }
        self.peer = parts.whole()?;
        Ok(())
    }

    /// Sets a key of one of a plan's [`tables`].
    fn set(&mut self, table: &str, key: &str, text: &str) -> Result<(), String> {
        match table {
            "factors" => self.factors.set(Factor::of_key(key)?, text),
            "measure" => self.measure.set(key, text),
            _ => self.thresholds.set(key, text),
        }
    }

    /// The whole plan as a file, every default written out.
    pub fn to_toml(&self) -> String {
        let quoted = |text: &str| toml::Value::String(text.to_owned()).to_string();
        let mut text = String::new();
        let mut line = |key: &str, value: String| {
            // Writing to a String cannot fail.
            let _ = writeln!(text, "{key} = {value}");
        };
        line("preset", quoted(self.preset.name()));
        line("label", quoted(&self.label));
        if let Some(Peer { name, data_address, sends }) = &self.peer {
            line("peer", quoted(name.as_str()));
            let address = data_address.map_or_else(|| AUTO.to_owned(), |it| it.to_string());
            line("data-address", quoted(&address));
            line("peer-sends", quoted(&on_or_off(*sends)));
        }
        if !self.contrasts.is_empty() {
            let contrasts: Vec<String> =
                self.contrasts.iter().map(|contrast| quoted(&contrast.to_string())).collect();
            let _ = writeln!(text, "contrasts = [{}]", contrasts.join(", "));
        }
        text.push_str("\n[factors]\n");
        for factor in Factor::ALL {
            let values: Vec<_> =
                self.factors.get(*factor).iter().map(|value| quoted(value)).collect();
            let _ = writeln!(text, "{} = [{}]", factor.key(), values.join(", "));
        }
        text.push_str("\n[measure]\n");
        for key in Measure::KEYS {
            let _ =
                writeln!(text, "{key} = {}", quoted(&self.measure.get(key).unwrap_or_default()));
        }
        text.push_str("\n[thresholds]\n");
        for key in Thresholds::KEYS {
            let share = self.thresholds.get(key).unwrap_or_default();
            let _ = writeln!(text, "{key} = {}", quoted(&share.to_string()));
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn lists_that_no_plan_can_have_are_refused_by_their_length() {
        let numbers = |most: u32| (1..=most).map(|n| n.to_string()).collect::<Vec<_>>().join(",");
        let mut plan = Plan::preset(Preset::Default);
        assert_eq!(plan.factors.set(Factor::Replica, &numbers(10_000)), Ok(()));
        assert_eq!(
            plan.factors.set(Factor::Replica, &numbers(10_001)),
            Err("more than 10000 values; name fewer".to_owned())
        );
        let contrasts = |number: usize| vec!["send: zerocopy / sendmsg"; number].join(",");
        assert_eq!(plan.set_contrasts(&contrasts(1000)), Ok(()));
        assert_eq!(
            plan.set_contrasts(&contrasts(1001)),
            Err("more than 1000 contrasts; name fewer".to_owned())
        );
    }

    #[test]
    fn every_preset_reads_back_as_it_was_written() {
        for preset in Preset::ALL {
            let plan = Plan::preset(*preset);
            assert_eq!(Plan::from_toml(&plan.to_toml()), Ok(plan));
        }
    }

    #[test]
    fn a_plan_can_name_its_own_contrasts() {
        let text = "contrasts = [\"nodelay: on / off\"]\n[factors]\nsend = \"send,sendmsg\"\nnodelay = \"off,on\"\n";
        let plan = Plan::from_toml(text).unwrap();
        let contrasts: Vec<String> = plan.contrasts().iter().map(ToString::to_string).collect();
        assert_eq!(contrasts, ["nodelay: on / off"]);
        assert_eq!(Plan::from_toml(&plan.to_toml()), Ok(plan));
        let why = Plan::from_toml("contrasts = [\"send\"]\n").unwrap_err();
        assert!(why.to_string().contains("no contrast"), "{why}");
    }

    #[test]
    fn numbers_texts_and_lists_are_all_read() {
        let plan = Plan::from_toml(
            "label = \"a \\\"b\\\"\"\n[factors]\nsizes = [64, \"4KiB\"]\nthreads = 2\nsend = \"send,zerocopy\"\nnodelay = [true, false]\n[measure]\nprecision = 0.05\nmax-time = \"none\"\n",
        )
        .unwrap();
        assert_eq!(plan.cells().len(), 8);
        assert_eq!(plan.measure.precision, Some(crate::Share(0.05)));
        assert_eq!(plan.measure.max_time, None);
        assert_eq!(Plan::from_toml(&plan.to_toml()), Ok(plan));
    }

    #[test]
    fn keys_are_the_flags_names_and_those_of_earlier_versions_are_read_too() {
        let mut plan = Plan::preset(Preset::Default);
        (plan.measure.window, plan.measure.steady) = (crate::Nanos::ms(70), true);
        plan.measure.min_rounds = 12;
        plan.measure.max_time = None;
        plan.thresholds.window_void = crate::Share(0.5);
        let text = plan.to_toml();
        for line in ["time = \"70ms\"", "min-rounds = \"12\"", "max-time = \"none\""] {
            assert!(text.lines().any(|other| other == line), "{text}");
        }
        assert!(text.contains("window-void = \"50%\""), "{text}");
        let earlier = "[measure]\nwindow = \"70ms\"\nmin_rounds = \"12\"\nmax_time = \"none\"\n[thresholds]\nwindow_void = \"50%\"\n";
        assert_eq!(Plan::from_toml(earlier), Ok(plan));
        let in_turns = Plan::from_toml("[measure]\nsteady = \"off\"\ntime = \"70ms\"\n").unwrap();
        assert!(!in_turns.measure.steady, "what is said outright holds, wherever it stands");
        let twice = Plan::from_toml("[measure]\nwindow = \"1s\"\ntime = \"2s\"\n").unwrap_err();
        assert!(twice.why.contains("time stands twice"), "{twice}");
    }

    #[test]
    fn a_key_in_the_wrong_place_is_told_where_it_belongs() {
        let wrong = |text: &str| Plan::from_toml(text).unwrap_err().why;
        assert_eq!(wrong("sizes = [64]\n"), "sizes belongs under [factors]");
        assert_eq!(wrong("[factors]\nmax_time = \"1m\"\n"), "max_time belongs under [measure]");
        assert_eq!(
            wrong("[measure]\nlabel = \"x\"\n"),
            "label belongs at the top, before the first table"
        );
    }

    #[test]
    fn what_is_wrong_is_told_with_line_column_and_the_nearest_right_word() {
        let wrong = |text: &str| Plan::from_toml(text).unwrap_err();
        let error = wrong("[factors]\nsizs = [64]\n");
        assert_eq!((error.line, error.column), (2, 1));
        assert!(error.why.contains("did you mean \"sizes\""), "{error}");
        let error = wrong("[factors]\nsend = [\"sned\"]\n");
        assert_eq!(error.line, 2);
        assert!(error.why.contains("did you mean \"send\""), "{error}");
        let error = wrong("[measure]\nwindow = 250\n");
        assert!(error.why.contains("such as 250s, 250ms or 250m"), "{error}");
        assert_eq!(wrong("factors = 3\n").line, 1);
        assert!(!wrong("a = [\n\n").why.is_empty());
        assert!(wrong("[factors]\nthreads = []\n").why.contains("no value"));
        assert!(wrong("[factors]\nthreads = [1, 1]\n").why.contains("twice"));
        assert!(wrong("[factors]\nthreads = [{a=1}]\n").why.contains("type"));
        assert!(wrong("[thresholds]\nsteel = \"1%\"\n").why.contains("did you mean \"steal\""));
        assert!(wrong("[mesure]\n").why.contains("did you mean \"measure\""));
    }

    proptest! {
        #[test]
        fn no_text_makes_the_reader_panic(text in ".{0,80}") {
            let _ = Plan::from_toml(&text);
        }

        #[test]
        fn damage_anywhere_in_a_plan_never_panics(at in 0_usize..1200, with in any::<char>()) {
            let text = Plan::preset(Preset::Default).to_toml();
            let mut chars: Vec<char> = text.chars().collect();
            let place = at % chars.len();
            chars[place] = with;
            let _ = Plan::from_toml(&chars.into_iter().collect::<String>());
        }
    }
}
