//! The CSV files: that nothing is lost in them, and that absent stays absent.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may stop where its own helpers fail")]

mod common;

use std::collections::BTreeMap;

use analysis::marks;
use analysis::metric::Metric;
use common::csv_tables::{column, full, origin, ratios, read, results, trials};
use model::record::{Outcome, Record, Trial};
use model::{Cell, Factor, Mark, Plan, Preset};
use report::{ColumnSet, write_paper, write_ratios, write_results, write_trials};
use serde_json::Value;

/// Every number, text and switch in a value, by its path.
fn leaves(value: &Value, path: &str, found: &mut Vec<String>) {
    match value {
        Value::Object(keys) => {
            keys.iter().for_each(|(key, value)| leaves(value, &format!("{path}/{key}"), found))
        }
        Value::Array(items) => {
            items
                .iter()
                .enumerate()
                .for_each(|(i, value)| leaves(value, &format!("{path}/{i}"), found));
        }
        Value::Null => {}
        Value::Bool(_) | Value::Number(_) | Value::String(_) => found.push(path.to_owned()),
    }
}

fn changed(value: &Value) -> Value {
    match value {
        Value::Bool(switch) => Value::Bool(!switch),
        Value::Number(number) => match number.as_i64() {
            Some(n) => (n + 1).into(),
            None => (number.as_f64().unwrap() + 1.0).into(),
        },
        Value::String(text) => format!("{text}x").into(),
        Value::Null | Value::Array(_) | Value::Object(_) => panic!("no leaf"),
    }
}

#[test]
fn no_figure_of_a_record_is_lost() {
    let plan = Plan::preset(Preset::Default);
    let row = |trial: Trial| {
        let (header, mut rows) = trials(&plan, &[Record::Trial(Box::new(trial))]);
        // The metrics follow from the rest.
        let is_metric = |name: &str| Metric::ALL.iter().any(|metric| metric.name() == name);
        let fields = header.into_iter().zip(rows.pop().unwrap());
        fields.filter(|(name, _)| !is_metric(name)).collect::<BTreeMap<String, String>>()
    };
    let trial = serde_json::to_value(full()).unwrap();
    let before = row(full());
    let mut paths = Vec::new();
    leaves(&trial, "", &mut paths);
    assert!(paths.len() > 150, "{}", paths.len());
    for path in paths {
        if path == "/cell" {
            continue; // Its factors are columns; another test changes them.
        }
        let mut other = trial.clone();
        let leaf = other.pointer_mut(&path).unwrap();
        *leaf = changed(leaf);
        let other: Trial = serde_json::from_value(other).unwrap();
        assert_ne!(row(other), before, "{path} is in no column");
    }
}

#[test]
fn every_factor_is_a_column_under_its_own_name() {
    let plan = Plan::preset(Preset::Default);
    let cell: Cell = "send=zerocopy message_bytes=77 fields=3 layout=paged threads=4 flows=2 congestion=bbr nodelay=on sndbuf=65536 ring=9 family=ipv6 so_zerocopy=off placement=0-1/2-3 replica=2".parse().unwrap();
    let (header, rows) =
        trials(&plan, &[Record::Trial(Box::new(synthetic::trial(&cell, 1).build()))]);
    for factor in Factor::ALL {
        assert_eq!(rows[0][column(&header, factor.column())], cell.get(*factor));
    }
    assert_eq!(rows[0][column(&header, "congestion_effective")], "cubic");
}

#[test]
fn a_trial_row_carries_the_figures_and_marks_that_the_analysis_finds() {
    let plan = Plan::preset(Preset::Default);
    let records = synthetic::run(&plan, 1, |cell, round| {
        synthetic::trial(cell, round).marked(Mark::Steal).marked(Mark::Retransmits)
    });
    let (header, rows) = trials(&plan, &records);
    let mut idle = None;
    let mut marked = false;
    let mut rows = rows.iter();
    for record in &records {
        match record {
            Record::Round(round) => idle = Some(&round.idle),
            Record::Trial(trial) => {
                let row = rows.next().unwrap();
                for metric in Metric::ALL {
                    let text = &row[column(&header, metric.name())];
                    let value = analysis::figures::value(*metric, trial, idle);
                    assert_eq!(text.parse().ok(), value.value().copied(), "{}", metric.name());
                }
                let marks: Vec<String> =
                    marks::judge(trial, &plan.thresholds).iter().map(ToString::to_string).collect();
                assert_eq!(row[column(&header, "marks")], marks.join(" "));
                marked |= marks.len() > 1;
            }
            Record::Segment(_)
            | Record::Audit(_)
            | Record::AuditRefused(_)
            | Record::Ceiling(_)
            | Record::Finish(_)
            | Record::Imported(_) => {}
        }
    }
    assert_eq!(rows.next(), None);
    assert!(marked, "two marks in a field were never seen");
}

#[test]
fn what_was_not_measured_is_an_empty_field_and_what_was_none_is_0() {
    let plan = Plan::preset(Preset::Default);
    let trial = synthetic::trial(&Cell::default(), 1).build();
    let (header, rows) = trials(&plan, &[Record::Trial(Box::new(trial))]);
    let field = |name| rows[0][column(&header, name)].as_str();
    assert_eq!(field("sender_cycles"), "");
    assert_eq!(field("sender_cycles_per_byte"), "");
    assert_eq!(field("idle_busy_ns"), "");
    assert_eq!(field("sender_snmp_retransmits"), "0");
    assert_eq!(field("failure_why"), "");
}

#[test]
fn a_factor_that_no_column_of_an_imported_file_tells_is_an_empty_field() {
    let summary = common::summary(&Plan::preset(Preset::Default));
    let write = |origin: &report::Origin, set| {
        let mut bytes = Vec::new();
        write_results(&mut bytes, &summary, origin, set).unwrap();
        read(&bytes)
    };
    let known = origin("");
    let silent = known.clone().without(&[Factor::Link, Factor::Fields, Factor::Threads]);
    let columns = ["link", "fields", "threads", "layout"];
    let first = |of: &report::Origin| {
        let (header, rows) = write(of, ColumnSet::All);
        columns.map(|name| rows[0][column(&header, name)].clone())
    };
    assert!(first(&known).iter().all(|field| !field.is_empty()));
    let fields = first(&silent);
    assert_eq!(fields.each_ref().map(String::is_empty), [true, true, true, false], "{fields:?}");
    // What is not known does not vary.
    let (header, _) = write(&silent, ColumnSet::Compact);
    assert!(!header.iter().any(|name| name == "threads"), "{header:?}");
}

#[test]
fn the_sinks_interval_stands_beside_the_one_asked_for_and_is_empty_where_no_look_was_counted() {
    let plan = Plan::preset(Preset::Default);
    let cell: Cell = "link=sink".parse().unwrap();
    let counted = synthetic::trial(&cell, 1).build();
    let mut older = counted.clone();
    let Outcome::Finished(finished) = &mut older.outcome else { panic!("it failed") };
    let mut sink = finished.sink.value().unwrap().clone();
    (sink.window.looks, sink.total.looks) = (0, 0);
    finished.sink = model::Measured::Value(sink);
    let records = [counted, older].map(|trial| Record::Trial(Box::new(trial)));
    let (header, rows) = trials(&plan, &records);
    let fields = |row: usize| {
        ["ack_interval", "ack_interval_us", "sink_window_looks", "sink_total_looks"]
            .map(|name| rows[row][column(&header, name)].clone())
    };
    assert_eq!(fields(0), ["20us", "20", "12500", "25000"]);
    assert_eq!(fields(1), ["20us", "", "", ""]);
}

#[test]
fn a_failed_trial_is_a_row_with_its_reason_and_no_figure() {
    let plan = Plan::preset(Preset::Default);
    let why = "sendmsg, said \"no, never\":\nretry";
    let failed = synthetic::trial(&Cell::default(), 1).failed(common::FAILURES[2], why).build();
    let (header, rows) = trials(&plan, &[Record::Trial(Box::new(failed))]);
    let field = |name| rows[0][column(&header, name)].as_str();
    assert_eq!(
        (field("outcome"), field("failure"), field("failure_why")),
        ("failed", "unsupported", why)
    );
    assert_eq!(field("marks"), "call-failed");
    assert_eq!(field("goodput_gbps"), "");
    assert_eq!(field("sender_accepted_bytes"), "");
    assert_eq!(field("window_ns"), "250000000");
}

#[test]
fn a_rounds_idle_baseline_ends_with_its_segment() {
    let plan = Plan::preset(Preset::Default);
    let trial = || Record::Trial(Box::new(synthetic::trial(&Cell::default(), 1).build()));
    let records = [
        Record::Round(synthetic::round(1, 0)),
        trial(),
        Record::Segment(synthetic::segment(1)),
        trial(),
    ];
    let (header, rows) = trials(&plan, &records);
    let idle = column(&header, "idle_span_ns");
    assert_eq!((rows[0][idle].as_str(), rows[1][idle].as_str()), ("250000000", ""));
}

#[test]
fn results_has_one_row_a_cell_with_the_summarys_figures() {
    let plan = Plan::preset(Preset::Default);
    let mut summary = common::summary(&plan);
    summary.estimates[1].marks.extend([(Mark::Retransmits, 3), (Mark::Steal, 1)]);
    common::without_trial(&mut summary, 2, "it broke");
    let (header, rows) = results(&summary, ColumnSet::All);
    assert_eq!(rows.len(), 51);
    for (row, entry) in rows.iter().zip(&summary.estimates) {
        for factor in Factor::ALL {
            assert_eq!(row[column(&header, factor.column())], entry.cell.get(*factor));
        }
        assert_eq!(row[column(&header, "cell")], entry.cell.id());
        assert_eq!(row[column(&header, "run")], origin("").run);
        assert_eq!(row[column(&header, "control")], entry.control.to_string());
        assert_eq!(row[column(&header, "void_trials")], entry.void_trials.to_string());
        let precise = entry.precise.value().map_or_else(String::new, ToString::to_string);
        assert_eq!(row[column(&header, "precise")], precise);
        assert_eq!(row[column(&header, "trials")], entry.trials.to_string());
        for metric in Metric::ALL {
            let estimate = entry.metrics[metric].value();
            let field = |suffix: &str| {
                row[column(&header, &format!("{}{suffix}", metric.name()))].parse().ok()
            };
            assert_eq!(field(""), estimate.map(|e| e.mean), "{}", metric.name());
            assert_eq!(field("_low"), estimate.and_then(|e| e.low));
            assert_eq!(field("_high"), estimate.and_then(|e| e.high));
        }
    }
    let marks = column(&header, "marks");
    assert_eq!((rows[0][marks].as_str(), rows[1][marks].as_str()), ("", "retransmits=3 steal=1"));
    assert_eq!(rows[2][column(&header, "retransmits")], "");
    assert_eq!(rows[3][column(&header, "retransmits")], "0");
}

#[test]
fn ratios_have_one_row_a_ratio_with_the_summarys_figures() {
    let plan = synthetic::plan(&[(Factor::Message, "64,65536"), (Factor::Threads, "1")]);
    let mut summary = common::summary(&plan);
    common::without_trial(&mut summary, 2, "it broke");
    let (header, rows) = ratios(&summary, ColumnSet::All);
    assert_eq!(rows.len(), summary.ratios.len());
    for (row, ratio) in rows.iter().zip(&summary.ratios) {
        let field = |name: &str| row[column(&header, name)].as_str();
        let estimate = ratio.ratio.value();
        let number = |name: &str| field(name).parse::<f64>().ok();
        assert_eq!(field("cell"), ratio.cell.id());
        assert_eq!(field("against"), ratio.against.id());
        assert_eq!(field("metric"), ratio.metric.name());
        assert_eq!(number("ratio"), estimate.map(|e| e.mean));
        assert_eq!(number("low"), estimate.and_then(|e| e.low));
        assert_eq!(number("high"), estimate.and_then(|e| e.high));
        let trimmed = ratio.trimmed.value();
        assert_eq!(number("trimmed"), trimmed.map(|e| e.mean));
        assert_eq!(number("trimmed_low"), trimmed.and_then(|e| e.low));
        assert_eq!(number("trimmed_high"), trimmed.and_then(|e| e.high));
        assert_eq!(field("pairs").parse().ok(), estimate.map(|e| e.trials));
        assert_eq!(number("p_corrected"), ratio.p_holm.value().copied());
        let finding = serde_json::to_value(ratio.finding).unwrap();
        assert_eq!(field("finding"), finding.as_str().unwrap());
        assert_eq!(field("message_bytes"), ratio.cell.message.bytes().0.to_string());
        assert_eq!(field("ratio").is_empty(), !field("why_empty").is_empty());
    }
    assert_eq!(rows[0][column(&header, "contrast")], "send: sendmsg / send");
    let mut bytes = Vec::new();
    write_ratios(&mut bytes, &summary, &origin(""), ColumnSet::Compact).unwrap();
    insta::assert_snapshot!("ratios", String::from_utf8(bytes).unwrap());
}

#[test]
fn the_papers_table_has_its_header_and_no_control() {
    let plan = synthetic::plan(&[(Factor::Message, "64,65536"), (Factor::Threads, "1,8")]);
    let mut summary = common::summary(&plan);
    common::without_trial(&mut summary, 2, "it broke");
    let mut bytes = Vec::new();
    let note = write_paper(&mut bytes, &summary).unwrap();
    assert_eq!(note, None);
    insta::assert_snapshot!("paper", String::from_utf8(bytes).unwrap());
}

#[test]
fn what_the_papers_columns_cannot_tell_apart_is_said() {
    let plan = synthetic::plan(&[(Factor::Nodelay, "off,on"), (Factor::Fields, "1,8")]);
    let summary = common::summary(&plan);
    let mut bytes = Vec::new();
    let note = write_paper(&mut bytes, &summary).unwrap().unwrap();
    assert!(note.contains("fields, nodelay"), "{note}");
    let (_, rows) = read(&bytes);
    assert_eq!(rows.len(), 48 * 4);
    let paths: Vec<&str> =
        plan.cells().iter().filter_map(|cell| cell.send_path.paper_name()).collect();
    assert_eq!(rows.iter().map(|row| row[0].as_str()).collect::<Vec<_>>(), paths);
}

#[test]
fn a_long_journal_streams_through_one_row_at_a_time() {
    struct Counted(u64);
    impl std::io::Write for Counted {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0 += bytes.iter().map(|byte| u64::from(*byte == b'\n')).sum::<u64>();
            Ok(bytes.len())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    let plan = Plan::preset(Preset::Default);
    let trial = Record::Trial(Box::new(full()));
    let mut lines = Counted(0);
    let trials = std::iter::repeat_n(&trial, 2_000);
    write_trials(&mut lines, &plan, &origin(""), trials, ColumnSet::All).unwrap();
    assert_eq!(lines.0, 2_001);
}

#[test]
fn rows_written_early_are_those_of_a_second_reading_or_told_not_to_be() {
    let plan = Plan::preset(Preset::Default);
    let records = synthetic::run(&plan, 3, synthetic::trial);
    let first = records.len() / 2;
    let late_failure = {
        let mut records = records.clone();
        let mut trials = Vec::new();
        for record in &mut records {
            if let Record::Trial(trial) = record {
                trials.push(trial);
            }
        }
        let last = trials.pop().unwrap();
        last.outcome = synthetic::trial(&last.cell, 1)
            .failed(model::record::FailureKind::CallFailed, "connect: \"EPERM\", late")
            .build()
            .outcome;
        records
    };
    // A value of a factor that no cell had so far has that factor's column moved.
    let late_cell = {
        let mut records = records.clone();
        let mut cell = plan.cells().remove(0);
        cell.set(Factor::Congestion, "bbr").unwrap();
        assert!(!cell.is_default(Factor::Congestion));
        records.push(Record::Trial(Box::new(synthetic::trial(&cell, 3).build())));
        records
    };
    for (records, fits) in [(&records, true), (&late_failure, false), (&late_cell, false)] {
        for set in [ColumnSet::All, ColumnSet::Compact] {
            let mut csv = report::TrialsCsv::new(&plan, &origin("x"));
            let (before, after) = records.split_at(first);
            before.iter().for_each(|record| csv.see(record));
            let mut early = csv.begin_early(Vec::new(), set, before).unwrap();
            let mut went_on = true;
            for record in after {
                went_on &= csv.see_and_write(record, &mut early).unwrap();
            }
            csv.of(&origin("x"));
            assert_eq!(went_on && csv.is_as_begun(&early), fits);
            let mut twice = Vec::new();
            write_trials(&mut twice, &plan, &origin("x"), records, set).unwrap();
            assert_eq!(early.into_inner().unwrap() == twice, fits);
            csv.of(&origin("y"));
            let again = csv.begin_early(Vec::new(), set, before).unwrap();
            csv.of(&origin("x"));
            assert!(!csv.is_as_begun(&again), "of another run");
        }
    }
}

#[test]
fn a_full_disk_is_an_error_that_names_the_file() {
    struct Full;
    impl std::io::Write for Full {
        fn write(&mut self, _: &[u8]) -> std::io::Result<usize> {
            Err(std::io::Error::from(std::io::ErrorKind::StorageFull))
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    let plan = Plan::preset(Preset::Default);
    let summary = common::summary(&plan);
    let (origin, all) = (&origin(""), ColumnSet::All);
    let errors = [
        ("trials.csv", write_trials(Full, &plan, origin, &[], all).unwrap_err()),
        ("results.csv", write_results(Full, &summary, origin, all).unwrap_err()),
        ("ratios.csv", write_ratios(Full, &summary, origin, all).unwrap_err()),
        ("paper.csv", write_paper(Full, &summary).unwrap_err()),
        ("summary.json", report::write_summary(Full, &summary).unwrap_err()),
    ];
    for (file, error) in errors {
        assert_eq!((error.file(), error.io().kind()), (file, std::io::ErrorKind::StorageFull));
        assert!(error.to_string().contains(file), "{error}");
    }
}

#[test]
fn of_two_hosts_both_stand_in_every_row_each_as_the_end_that_runs_there() {
    let host = synthetic::two_hosts(
        synthetic::nic("mlx5_core", Some(25_000)),
        synthetic::nic("virtio_net", None),
    );
    let plan = Plan::preset(Preset::Default);
    let row = |host: &model::host::Host, set: ColumnSet| {
        let mut bytes = Vec::new();
        let origin = report::Origin::new("run", "", host);
        let records = [Record::Trial(Box::new(full()))];
        write_trials(&mut bytes, &plan, &origin, &records, set).unwrap();
        let (header, rows) = read(&bytes);
        header.into_iter().zip(rows[0].clone()).collect::<BTreeMap<String, String>>()
    };
    let of_both = row(&host, ColumnSet::Compact);
    for (column, value) in [
        ("sender_host", "laptop"),
        ("sender_kernel", "6.8.0-45-generic"),
        ("sender_nic_driver", "mlx5_core"),
        ("sender_nic_mbps", "25000"),
        ("receiver_host", "server"),
        ("receiver_cpu_model", "AMD EPYC 7763 64-Core Processor"),
        ("receiver_nic_driver", "virtio_net"),
    ] {
        assert_eq!(of_both[column], value, "{column}");
    }
    // Nobody knows the speed of a virtio device.
    assert!(!of_both.contains_key("receiver_nic_mbps"));
    assert_eq!(of_both["receiver_machine_busy_ns"], of_both["busy_ns"]);
    let mut turned = host.clone();
    turned.sender_host = turned.receiver_host.take();
    let turned = row(&turned, ColumnSet::Compact);
    assert_eq!((&*turned["sender_host"], &*turned["receiver_host"]), ("server", "laptop"));
    assert_eq!(turned["sender_nic_driver"], "virtio_net");
    let of_one = row(&synthetic::host(), ColumnSet::Compact);
    assert!(!of_one.contains_key("sender_host"), "{of_one:?}");
}
