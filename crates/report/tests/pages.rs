//! The HTML and Markdown reports: what they hold, that no text can be markup, and that their figures are the screen's.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may stop where its own helpers fail")]

mod common;

use std::collections::BTreeMap;

use analysis::metric::Metric;
use analysis::results::Finding;
use analysis::summary::Summary;
use common::explanation::explained;
use model::host::Host;
use model::{Bytes, Factor, Mark, Measured, Plan, Preset};
use report::numbers::short;
use report::{ScreenOptions, screen, write_results};
use serde_json::Value;

/// What somebody could have given a machine, a run or a file as its name.
const HOSTILE: &str =
    "</style></script><script>alert('x')</script>\"><img src=x onerror=\"alert(1)\">";

fn html(summary: &Summary, host: &Host, plan: &Plan) -> String {
    common::documents(summary, host, plan).html
}

fn markdown(summary: &Summary, host: &Host, plan: &Plan) -> String {
    common::documents(summary, host, plan).markdown
}

fn whole(plan: &Plan) -> Summary {
    explained(common::summary(plan), str::to_owned)
}

/// Puts a text into every text of a value, keys of maps included.
fn poison(value: &mut Value) {
    match value {
        Value::String(text) => text.push_str(HOSTILE),
        Value::Array(entries) => entries.iter_mut().for_each(poison),
        Value::Object(object)
            if object.keys().any(|key| key.contains('.') || key.contains('-')) =>
        {
            let poisoned = object.iter().map(|(key, value)| {
                let mut value = value.clone();
                poison(&mut value);
                (format!("{key}{HOSTILE}"), value)
            });
            *object = poisoned.collect();
        }
        Value::Object(object) => object.values_mut().for_each(poison),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

fn hostile() -> (Summary, Host, Plan) {
    let mut host = serde_json::to_value(synthetic::host()).unwrap();
    poison(&mut host);
    let host: Host = serde_json::from_value(host).unwrap();
    assert!(host.hostname.value().is_some_and(|name| name.contains("onerror")));
    assert!(host.cpu_model.value().unwrap().contains("onerror"));
    let mut plan = Plan::preset(Preset::Default);
    plan.label = HOSTILE.to_owned();
    let mut summary = explained(common::summary(&plan), |text| format!("{text}{HOSTILE}"));
    common::without_trial(&mut summary, 5, HOSTILE);
    summary.copycost = HOSTILE.to_owned();
    summary.run.congestion = HOSTILE.to_owned();
    summary.run.placement = HOSTILE.to_owned();
    summary.warnings.push(common::warning(HOSTILE));
    summary.noise_floor = Measured::absent(HOSTILE);
    summary.instrument_cost.edge_share = Measured::absent(HOSTILE);
    for entry in &mut summary.estimates {
        for value in entry.metrics.values_mut().filter(|value| value.value().is_none()) {
            *value = Measured::absent(HOSTILE);
        }
    }
    (summary, host, plan)
}

/// The names of all elements that a page opens, in its order; text that a parser would not read as one is left out.
fn elements(html: &str) -> Vec<String> {
    let mut names = Vec::new();
    let mut rest = html;
    while let Some(at) = rest.find('<') {
        rest = &rest[at + 1..];
        let name: String = rest
            .chars()
            .take_while(|c| c.is_ascii_alphanumeric() || matches!(c, '!' | '/' | ':' | '-'))
            .collect();
        rest = &rest[name.len()..];
        // What stands in a script or a style is no markup until its own end.
        if let raw @ ("script" | "style") = name.as_str() {
            let end = rest.find(&format!("</{raw}>")).unwrap();
            rest = &rest[end + raw.len() + 3..];
        }
        if !name.is_empty() {
            names.push(name);
        }
    }
    names
}

#[test]
fn no_text_of_machine_plan_or_summary_becomes_markup() {
    let (summary, host, plan) = hostile();
    let page = html(&summary, &host, &plan);
    assert!(page.contains("&lt;script&gt;alert(&#39;x&#39;)"));
    let names = elements(&page);
    assert_eq!(names.iter().filter(|name| *name == "script").count(), 1);
    assert_eq!(names.iter().filter(|name| *name == "img").count(), 0);
    assert!(!page.contains("alert('x')"));
    assert!(!page.contains("\" onerror") && !page.contains("=\"alert(1)"));
    let text = markdown(&summary, &host, &plan);
    assert!(text.contains("&lt;script&gt;"));
    assert!(!text.contains("<script") && !text.contains("<img"), "{text}");
}

#[test]
fn every_element_is_closed_in_its_order() {
    let plan = Plan::preset(Preset::Default);
    let page = html(&whole(&plan), &synthetic::host(), &plan);
    const VOID: [&str; 7] = ["meta", "link", "input", "!DOCTYPE", "!--", "script", "style"];
    let mut open: Vec<&str> = Vec::new();
    let names = elements(&page);
    let mut rest = page.as_str();
    for name in &names {
        let at = rest.find(&format!("<{name}")).unwrap();
        rest = &rest[at + 1..];
        let tag = &rest[..rest.find('>').unwrap()];
        if VOID.contains(&name.as_str()) || tag.ends_with('/') {
            continue;
        }
        match name.strip_prefix('/') {
            Some(name) if !VOID.contains(&name) => {
                let opened = open.pop();
                assert_eq!(opened, Some(name), "before {}", &rest[..rest.len().min(200)]);
            }
            Some(_) => {}
            None => open.push(name),
        }
    }
    assert!(open.is_empty(), "{open:?}");
}

#[test]
fn the_page_needs_nothing_from_outside() {
    let plan = Plan::preset(Preset::Default);
    let page = html(&whole(&plan), &synthetic::host(), &plan);
    for (at, _) in page.match_indices("://") {
        let around = &page[at.saturating_sub(30)..(at + 30).min(page.len())];
        assert!(around.contains("http://www.w3.org/"), "{around}");
    }
    assert!(page.contains("default-src &#39;none&#39;"));
    assert!(!page.contains(" src=") && !page.contains("@import"));
    assert!(page.len() < 3_000_000, "{} bytes", page.len());
}

#[test]
fn the_first_screen_says_what_a_reader_asks_first() {
    let mut plan = Plan::preset(Preset::Default);
    plan.label = "before the upgrade".to_owned();
    let page = html(&whole(&plan), &synthetic::host(), &plan);
    let first = page[..page.find("<nav").unwrap()].replace('\u{a0}', " ");
    for said in [
        "before the upgrade",
        "Intel i7-1165G7",
        "link loopback",
        "2025-11-24 16:00 UTC",
        "<code>copycost run</code>",
        "Use sendmsg: 5.19 × [5.08, 5.29] the goodput of send at 64 B",
        "Noise floor",
        "1.1 %",
        "Law 3 (notifications) is broken",
        "no hardware counters",
        "zerocopy never beats it (copied over loopback)",
        "<b>8</b> supported",
        "<b>9</b> refuted",
        "<b>8</b> undecidable here",
        "<strong>hardware counters</strong> → <a href=\"#q2\">Q2</a>",
        "<strong>hardware counters (cache-misses)</strong> → <a href=\"#c2\">C2</a>, <a href=\"#c5\">C5</a>",
        "href=\"results.csv\"",
        "href=\"#q6\"",
    ] {
        assert!(first.contains(said), "{said}");
    }
}

#[test]
fn the_answer_comes_before_a_broken_law_and_before_the_line() {
    let plan = Plan::preset(Preset::Default);
    let host = synthetic::host();
    let mut summary = whole(&plan);
    let line = synthetic::two_hosts(synthetic::nic("veth", None), synthetic::nic("veth", None));
    let records = synthetic::run(&plan, 2, synthetic::trial);
    summary.line = analysis::summarise(&plan, &line, &records).line;
    assert!(summary.line.is_some());
    let page = html(&summary, &host, &plan).replace('\u{a0}', " ");
    let place = |text: &str| page.find(text).unwrap_or_else(|| panic!("{text} is missing"));
    let answer = place("Use sendmsg: 5.19 ×");
    assert!(answer < place("Line: rate not known, as"));
    assert!(answer < place("Law 3 (notifications) is broken"));
}

#[test]
fn everything_that_is_explained_has_its_place() {
    let plan = Plan::preset(Preset::Default);
    let page = html(&whole(&plan), &synthetic::host(), &plan);
    for id in
        (0..=6).map(|n| format!("id=\"q{n}\"")).chain((1..=25).map(|n| format!("id=\"c{n}\"")))
    {
        assert_eq!(page.matches(&id).count(), 1, "{id}");
    }
    for said in [
        "from 9.6 KiB [8.1 KiB, 12 KiB] on",
        "from a size between 4 KiB and 64 KiB on",
        "at every size measured",
        "at no size measured",
        "only below 700 B [512 B, 900 B]",
        "412 [404, 420]",
        "&lt; 0.001",
        "not tested: 32 KiB page fragments (no size between 4 KiB and 64 KiB was measured)",
        "8 (more threads than CPUs)",
        "data-path-zerocopy",
        "8 pages pinned per message (derived:",
        "net.ipv4.tcp_congestion_control",
    ] {
        assert!(page.contains(said), "{said}");
    }
    let laws = &page[page.find("<section id=\"laws\"").unwrap()..];
    let place = |name: &str| laws.find(name).unwrap();
    assert!(place("law-3-notifications") < place("law-1-content"), "the broken law comes first");
}

/// Runs that nobody hopes for.
fn strange() -> Vec<(&'static str, Plan, Summary)> {
    let mut runs = Vec::new();
    let one = synthetic::plan(&[
        (Factor::Send, "sendmsg"),
        (Factor::Message, "77"),
        (Factor::Threads, "3"),
    ]);
    runs.push(("one cell", one.clone(), common::summary(&one)));
    let plan = Plan::preset(Preset::Default);
    let mut none = common::summary(&plan);
    common::without_any_trial(&mut none, |_| "connect: ETIMEDOUT");
    none.ratios.clear();
    runs.push(("no valid trial", plan.clone(), none));
    let mut empty = common::summary(&plan);
    empty.estimates.clear();
    empty.ratios.clear();
    runs.push(("no cell", plan, empty));
    let many = synthetic::plan(&[(Factor::Fields, "1,2,3,4,5,6,7,8,9,10,11")]);
    runs.push(("500 cells", many.clone(), whole(&many)));
    runs
}

#[test]
fn a_strange_run_gets_a_page_too() {
    for (name, plan, summary) in strange() {
        let page = html(&summary, &synthetic::host(), &plan);
        assert!(page.len() < 3_000_000, "{name}: {} bytes", page.len());
        assert_eq!(page.matches("<tr data-cell=").count(), summary.estimates.len(), "{name}");
        assert!(!page.contains(">NaN"), "{name}");
        let text = markdown(&summary, &synthetic::host(), &plan);
        assert!(text.starts_with("# What it costs to send: laptop\n"), "{name}");
        if name == "500 cells" {
            assert!(text.contains("Too many cells"), "{text}");
        } else if name != "one cell" {
            assert!(text.contains("No valid trial"), "{text}");
        }
    }
}

#[test]
fn of_many_contrasts_turns_and_steady_windows_show_a_few_and_those_that_differ() {
    let plan = synthetic::plan(&[(Factor::Send, "send,staged,sendmsg,zerocopy,splice,send-more")]);
    let mut summary = common::summary(&plan);
    let Measured::Value(control) = &mut summary.control else { panic!("a plan with a control") };
    let all = control.contrasts.len();
    assert_eq!(all, 30, "15 contrasts with two metrics each");
    let last = control.contrasts.last_mut().unwrap();
    last.finding = Finding::More;
    let differing = last.contrast.as_ref().unwrap().values();
    let text = markdown(&summary, &synthetic::host(), &plan);
    let table = text.split("## Turns and steady windows").nth(1).unwrap();
    let table = table.split("\n## ").next().unwrap();
    assert_eq!(table.matches("\n| ").count(), 2 + 16, "a head, a rule and rows: {table}");
    assert!(table.contains(&format!("| {differing} |")) && table.contains("| differ |"), "{table}");
    assert!(table.contains("14 more rows in report.html"), "{table}");
    let page = html(&summary, &synthetic::host(), &plan);
    assert!(page.contains("<summary>All contrasts (30)</summary>"));
    let few = common::summary(&Plan::preset(Preset::Default));
    let page = html(&few, &synthetic::host(), &Plan::preset(Preset::Default));
    assert!(!page.contains("All contrasts"));
}

#[test]
fn markdown_says_what_a_reader_asks_first() {
    let plan = Plan::preset(Preset::Default);
    let text = markdown(&whole(&plan), &synthetic::host(), &plan);
    for said in [
        "**Use sendmsg: 5.19 × \\[5.08, 5.29\\] the goodput of send at 64 B, 1.46 × at 64 KiB; zerocopy never beats it (copied over loopback).**",
        "- ✗ **Law 3 (notifications) is broken:** sends and completions differ in 1 of 624 trials",
        "| ✓ Noise floor | 1.1 % |",
        "- **Q4. At what message size",
        "## Claims of the paper: 8 supported, 9 refuted, 8 undecidable here",
        "| C2 sendmsg() with an iovec removes one copy: the kernel gathers straight from the user's buffers | undecidable here |",
        "## Laws: 1 hold, 1 broken, 1 undecidable here",
        "- **3 notifications** broken: round 2, send=zerocopy message\\_bytes=64 threads=1: 9 ids completed, 10 zero-copy sends",
        "- **hardware counters** → Q2, law 7 (cycles)",
    ] {
        assert!(text.contains(said), "{said}\n{text}");
    }
}

/// A run of every kind that report.md must bear: usual, large, and with long and hostile texts.
fn long_runs() -> Vec<(&'static str, Summary, Host, Plan)> {
    let plan = Plan::preset(Preset::Default);
    let large = synthetic::plan(&[(Factor::Fields, "1,2,3,4,5,6,7,8,9,10,11")]);
    let (poisoned, host, poisoned_plan) = hostile();
    let long =
        explained(common::summary(&plan), |text| format!("{text} {}", "<b>@word ".repeat(400)));
    let mut wide = long.clone();
    wide.warnings = vec![common::warning("[long] ".repeat(300)); 60];
    for index in 0..wide.estimates.len() / 2 {
        common::without_trial(&mut wide, index * 2, &format!("{index} {}", "<why> ".repeat(200)));
    }
    vec![
        ("default", whole(&plan), synthetic::host(), plan.clone()),
        ("500 cells", whole(&large), synthetic::host(), large),
        ("hostile", poisoned, host, poisoned_plan),
        ("long", long, synthetic::host(), plan.clone()),
        ("long and void", wide, synthetic::host(), plan),
    ]
}

#[test]
fn markdown_stays_short_enough_for_a_pull_request() {
    for (name, summary, host, plan) in long_runs() {
        let text = markdown(&summary, &host, &plan);
        let length = text.chars().count();
        assert!(length < 20_000, "{name}: {length} characters");
        let end = "are in report.html of the same run.\n";
        assert!(text.ends_with(end), "{name}: {}", &text[text.len() - 200..]);
        // What is cut says so, and a table's rows have all its columns.
        let is_long = name == "long and void";
        assert_eq!(text.contains(" more in report.html\n"), is_long, "{name}\n{text}");
        let columns = |line: &str| line.replace("\\|", "").matches('|').count();
        let lines: Vec<&str> = text.lines().collect();
        for pair in lines.windows(2).filter(|pair| pair.iter().all(|line| line.starts_with('|'))) {
            assert_eq!(columns(pair[0]), columns(pair[1]), "{name}: {}", pair[1]);
        }
        for heading in ["## How far to trust it", "## Figures", "## The paper's questions"] {
            assert_eq!(text.matches(heading).count(), 1, "{name}: {heading}");
        }
    }
}

#[test]
fn the_copying_ceiling_and_the_shares_of_it_stand_on_the_page() {
    let plan = Plan::preset(Preset::Default);
    let page = html(&whole(&plan), &synthetic::host(), &plan).replace('\u{a0}', " ");
    for said in [
        "<h3>Copying ceiling</h3>",
        "<td>4 MiB</td><td>memcpy</td><td>CPU 0: 115, CPU 1: 116</td><td>828 (8 CPUs, CPU 0: 100 to CPU 7: 107)</td>",
        "– (all working sets together would take too much memory)",
        "<h3>Shares of the copying ceiling</h3>",
        "<td>sender</td><td>46.0</td><td>1.00 (counted)</td><td>115</td><td>memcpy, 4 MiB</td><td>40 % [39 %, 41 %]</td>",
        "1.00 (expected)",
    ] {
        assert!(page.contains(said), "{said}");
    }
    // Nothing is said where nothing was measured.
    let unmeasured = common::summary(&plan);
    assert!(!html(&unmeasured, &synthetic::host(), &plan).contains("Copying ceiling"));
}

/// Figures by path, size and threads, as they are written: goodput, then CPU of both ends.
type Figures = BTreeMap<(String, String, String), [String; 2]>;

const PATHS: [&str; 3] = ["send", "sendmsg", "zerocopy"];

fn group(threads: &str) -> String {
    if threads == "1" { "1 thread".to_owned() } else { format!("{threads} threads") }
}

fn read_csv(summary: &Summary) -> Figures {
    let mut bytes = Vec::new();
    write_results(&mut bytes, summary, &common::csv_tables::origin(""), report::ColumnSet::All)
        .unwrap();
    let mut reader = csv::Reader::from_reader(bytes.as_slice());
    let header = reader.headers().unwrap().clone();
    let records: Vec<csv::StringRecord> = reader.records().map(Result::unwrap).collect();
    let place = |name: &str| header.iter().position(|column| column == name).unwrap();
    let rows = records.iter().filter(|record| &record[place("control")] == "false");
    rows.map(|record| {
        let figure =
            |metric: Metric| record[place(metric.name())].parse().map_or("-".to_owned(), short);
        let size = Bytes(record[place("message_bytes")].parse().unwrap()).to_string();
        let key = (record[place("send_path")].to_owned(), size, group(&record[place("threads")]));
        (key, [figure(Metric::GoodputGbps), figure(Metric::EndsCpuNsPerKib)])
    })
    .collect()
}

/// Rows of `group, size, three goodputs, three CPUs`.
fn figures_in_rows(rows: impl Iterator<Item = Vec<String>>) -> Figures {
    let mut figures = Figures::new();
    for row in rows {
        for (index, path) in PATHS.iter().enumerate() {
            let clean = |text: &str| text.trim_end_matches(['~', '*', '\\']).to_owned();
            let pair = [clean(&row[2 + index]), clean(&row[5 + index])];
            figures.insert(((*path).to_owned(), row[1].clone(), row[0].clone()), pair);
        }
    }
    figures
}

fn read_screen(text: &str) -> Figures {
    let mut group = String::new();
    let mut rows = Vec::new();
    for line in text.lines() {
        let parts: Vec<String> = line
            .split("  ")
            .map(|part| part.trim().to_owned())
            .filter(|part| !part.is_empty())
            .collect();
        match parts.first() {
            Some(first) if first.ends_with(" thread") || first.ends_with(" threads") => {
                group.clone_from(first);
            }
            Some(first) if parts.len() == 7 && first != "size" => {
                rows.push([vec![group.clone()], parts].concat());
            }
            _ => {}
        }
    }
    figures_in_rows(rows.into_iter())
}

fn read_markdown(text: &str) -> Figures {
    let rows = text.lines().filter_map(|line| {
        let cells: Vec<String> =
            line.trim_matches('|').split(" |").map(|cell| cell.trim().replace('\\', "")).collect();
        (cells.len() >= 8 && cells[0].contains("thread")).then_some(cells)
    });
    figures_in_rows(rows)
}

/// Reads the table of cells, and checks that what a cell shows is what its attribute says with all digits.
fn read_html(page: &str) -> Figures {
    let after = |text: &str, mark: &str| -> Option<String> {
        let rest = &text[text.find(mark)? + mark.len()..];
        Some(rest.split(['"', '<']).next().unwrap().to_owned())
    };
    let rows = page.split("<tr data-cell=\"").skip(1).map(|row| &row[..row.find("</tr>").unwrap()]);
    let rows = rows.filter(|row| !row.contains("class=\"control\""));
    rows.map(|row| {
        let figure = |metric: Metric| {
            let mark = format!("data-metric=\"{}\"", metric.name());
            let cell = &row[row.find(&mark).unwrap()..];
            let cell = &cell[..cell.find("</td>").unwrap()];
            let shown = after(cell, ">").unwrap();
            match after(cell, "data-value=\"") {
                Some(value) => {
                    assert_eq!(short(value.parse().unwrap()), shown);
                    shown
                }
                None => "-".to_owned(),
            }
        };
        let id: BTreeMap<&str, &str> = row[..row.find('"').unwrap()]
            .split(' ')
            .map(|part| part.split_once('=').unwrap())
            .collect();
        let size = Bytes(id["message_bytes"].parse().unwrap()).to_string();
        let key = (id["send"].to_owned(), size, group(id["threads"]));
        (key, [figure(Metric::GoodputGbps), figure(Metric::EndsCpuNsPerKib)])
    })
    .collect()
}

#[test]
fn screen_csv_markdown_and_html_show_the_same_figures() {
    let plan = Plan::preset(Preset::Default);
    let mut summary = whole(&plan);
    common::without_trial(&mut summary, 40, "it broke");
    summary.estimates[3].marks.insert(Mark::Retransmits, 2);
    summary.estimates[5].precise = Measured::Value(false);
    let host = synthetic::host();
    let expected = read_csv(&summary);
    assert_eq!(expected.len(), 48);
    let options = ScreenOptions { width: 160, colour: false, verbose: true, directory: "x" };
    let shown = screen(&summary, &host, &plan, options);
    assert_eq!(read_screen(&shown), expected);
    let text = markdown(&summary, &host, &plan);
    assert_eq!(read_markdown(&text), expected);
    let page = html(&summary, &host, &plan);
    assert_eq!(read_html(&page), expected);
    // A cell without a valid trial is grey as a whole, and each dash has the reason under the pointer.
    let (_, row) = page.split_once("class=\"void\" title=\"it broke\">").unwrap();
    let (row, _) = row.split_once("</tr>").unwrap();
    assert!(row.contains("no valid trial: it broke"), "{row}");
    assert_eq!(row.matches("–").count(), row.matches("title=\"it broke\"").count());
    assert_eq!(page.matches("class=\"void\"").count(), 1);
    // What is said in words comes from one place too.
    let page = page.replace('\u{a0}', " ");
    let shown = shown.replace("\n  ", " ");
    for said in
        ["8 supported, 9 refuted, 8 undecidable here", "never beats it (copied over loopback)"]
    {
        assert!(shown.contains(said) && text.contains(said) && page.contains(said), "{said}");
    }
    assert!(shown.contains("\nReport: x/report.html"), "{shown}");
}

#[test]
fn many_cells_are_folded_by_link_and_threads_and_none_is_left_out() {
    let plan = synthetic::plan(&[
        (Factor::Message, "64B..64KiB"),
        (Factor::Threads, "1,2"),
        (Factor::Link, "loopback,veth"),
    ]);
    let summary = common::summary(&plan);
    let asked = summary.estimates.iter().filter(|entry| !entry.control).count();
    let html = common::documents(&summary, &synthetic::host(), &plan).html;
    let cells = html.split("<section id=\"cells\">").nth(1).unwrap();
    let cells = cells.split("</section>").next().unwrap();
    let summaries: Vec<&str> = cells
        .split("<summary>")
        .skip(1)
        .map(|text| text.split("</summary>").next().unwrap())
        .collect();
    let each = asked / 4;
    for (fold, name) in
        ["loopback, 1 thread", "loopback, 2 threads", "veth, 1 thread", "veth, 2 threads"]
            .into_iter()
            .enumerate()
    {
        let begins = format!("{name}: {each} cells; goodput ");
        assert!(summaries[fold].starts_with(&begins), "{begins}: {summaries:#?}");
        assert!(summaries[fold].contains("ns per KiB, both ends"), "{summaries:#?}");
    }
    assert_eq!(cells.matches("<tr data-cell=").count(), summary.estimates.len());
    // A few are one table, to be seen at once.
    let few = Plan::preset(Preset::Default);
    let html = common::documents(&common::summary(&few), &synthetic::host(), &few).html;
    let cells = html.split("<section id=\"cells\">").nth(1).unwrap();
    assert!(!cells.split("</section>").next().unwrap().contains("<summary>"));
}
