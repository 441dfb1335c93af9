//! Everything that commands derive from records and write. Tests and the fuzz targets share it.

use analysis::JudgedRun;
use analysis::advice::{Question, Source, advise};
use analysis::changes::{MeasuredRun, compare};
use analysis::selftest::SelfTest;
use model::host::Host;
use model::record::Record;
use model::{Cell, Link, Measured, Nanos, Plan, SendPath, Share};
use report::{
    AdviceOptions, ChangesOptions, ColumnSet, Format, Origin, Page, ScreenOptions, figures,
};

/// What was written, by what reads it.
#[derive(Debug, Default)]
#[allow(dead_code, reason = "not every test looks into all of it")]
pub(crate) struct Told {
    /// For terminals, in colour.
    pub(crate) screens: Vec<String>,
    /// For browsers.
    pub(crate) pages: Vec<String>,
    /// For pull requests.
    pub(crate) markdown: String,
    /// SVG.
    pub(crate) pictures: Vec<String>,
    /// CSV.
    pub(crate) tables: Vec<String>,
    /// JSON.
    pub(crate) documents: Vec<String>,
}

/// What a function writes, as text.
fn written<T>(write: impl FnOnce(&mut Vec<u8>) -> Result<T, report::ReportError>) -> String {
    let mut out = Vec::new();
    write(&mut out).unwrap();
    String::from_utf8(out).unwrap()
}

/// Derives and writes everything that a command derives and writes.
pub(crate) fn tell(plan: &Plan, host: &Host, records: &[Record]) -> Told {
    let mut told = Told::default();
    let judged = JudgedRun::of(plan, records);
    let summary = judged.summary(plan, host);
    let origin = Origin::new("run", "", host);
    let all = ColumnSet::All;
    told.tables = vec![
        written(|out| report::write_trials(out, plan, &origin, records, all)),
        written(|out| report::write_results(out, &summary, &origin, all)),
        written(|out| report::write_ratios(out, &summary, &origin, all)),
        written(|out| report::write_paper(out, &summary)),
    ];
    told.documents = vec![
        written(|out| report::write_summary(out, &summary)),
        written(|out| report::write_metrics(out, &summary, Format::Bmf)),
    ];
    let options = ScreenOptions { width: 80, colour: true, verbose: true, directory: "run" };
    told.screens = vec![
        report::screen(&summary, host, plan, options),
        report::cells_table(&summary, 80, true),
    ];
    let figures = figures::all(&summary, host);
    let data_paths = report::data_paths(&summary, host);
    let page = Page { summary: &summary, host, plan, figures: &figures, data_paths: &data_paths };
    told.pages.push(written(|out| report::write_html(out, &page)));
    told.markdown = written(|out| report::write_markdown(out, &page));
    for (_, cell, profile) in analysis::cpu_breakdown::profiles(judged.audits().audited) {
        told.pictures.extend(report::flame_graph(cell, profile));
    }
    told.pictures.extend(figures.into_iter().flat_map(|figure| [figure.svg, figure.narrow]));
    told.pictures.extend(data_paths.into_iter().map(|diagram| diagram.svg));
    if let Measured::Value(found) = SelfTest::of(plan, records, &summary, 0.25) {
        told.screens.push(report::selftest_screen(&found, &[], "run", 80, true));
        told.documents.push(report::selftest_json(&found, &[], "run").unwrap());
    }
    let run = |name: &str| MeasuredRun::new(name.to_owned(), plan, host, &judged, &summary);
    let changes = compare(&[run("a")], &[vec![run("b")]]);
    let options = ChangesOptions { width: 80, colour: true, verbose: true };
    told.screens.push(report::changes_screen(&changes, options));
    let allowed = Share(0.05);
    let verdict = analysis::changes::verdict(&changes, allowed.0);
    let judged = Some((allowed, &verdict));
    told.documents.push(written(|out| report::write_changes(out, &changes, judged)));
    told.pages.push(written(|out| report::write_changes_html(out, &changes)));
    told.documents.push(written(|out| report::write_change_metrics(out, &changes, Format::Bmf)));
    let question = Question {
        cell: Cell::default(),
        links: Link::ALL.to_vec(),
        paths: SendPath::ALL.to_vec(),
        names_paths: true,
        against: None,
        rate_gbps: Some(10.0),
        share_of_cpu: None,
        round_trip: Some(Nanos::ms(1)),
    };
    let source = Source { name: "run", summary: &summary, host, margin: Share(0.03) };
    let advice = advise(&question, &[source]);
    let options = AdviceOptions { width: 80, colour: true, margin: Share(0.03), refused: &[] };
    told.screens.push(report::advice_screen(&advice, options));
    told
}
