//! Cost over what the senders' rings hold: where the caches end.

use model::Bytes;
use model::host::{CacheFacts, Host};

use super::groups::Across;
use super::levels::{Upright, cost, one_metric};
use super::run::Run;
use crate::drawing::axes::as_f64;
use crate::drawing::description::{Description, Key, KeyShape};
use crate::ring_note::data_caches;

/// One panel a group of cells that differ in their rings; none for a plan that does not follow them.
pub(super) fn working_set(run: &Run, host: &Host) -> Option<Description> {
    if !run.cells.follows_rings() {
        return None;
    }
    let name = "cost-over-working-set";
    let mut figure = one_metric(run, name, Across::WorkingSet, cost(run), Upright::Zero);
    let [least, most] = figure.panels.first()?.x.domain;
    let mut caches = data_caches(host);
    // What lies across is the rings of all threads, which have caches of their own but for the last.
    if run.cells.threads().iter().any(|threads| *threads > 1) {
        let last = caches.len().saturating_sub(1);
        caches.drain(..last);
    }
    let drawn: Vec<&CacheFacts> =
        caches.iter().copied().filter(|it| (least..=most).contains(&as_f64(it.bytes))).collect();
    for panel in &mut figure.panels {
        let [bottom, top] = panel.y.domain;
        let at = drawn.iter().map(|cache| as_f64(cache.bytes));
        panel.guides = at.map(|bytes| vec![[bytes, bottom], [bytes, top]]).collect();
    }
    if !drawn.is_empty() {
        let names: Vec<String> = drawn.iter().map(|cache| name_of(cache)).collect();
        let text = format!("the sending CPU’s caches: {}", names.join(", "));
        figure.keys.push(Key { shape: KeyShape::Line, text });
    }
    figure.notes.push(
        "The caches also hold the kernel’s socket buffers, of up to several MiB, and the receive buffer"
            .to_owned(),
    );
    let largest = run.cells.working_sets().last().copied().unwrap_or(0);
    if let Some(last) = caches.last().filter(|cache| largest < 2 * cache.bytes) {
        figure.notes.push(format!(
            "the largest ring, {}, is less than twice the last cache, {}: what memory alone costs may not be seen",
            Bytes(largest),
            name_of(last)
        ));
    }
    Some(Description { title: "CPU cost per KiB over working set".to_owned(), ..figure })
}

fn name_of(cache: &CacheFacts) -> String {
    format!("L{} {}", cache.level, Bytes(cache.bytes))
}
