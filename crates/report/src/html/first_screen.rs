//! The first screen: machine, answer, trust, main figure, questions, claims, downloads, what stayed open.

use analysis::laws::law::LawState;
use model::Factor;

use super::markup::Markup;
use super::{Page, name, pictures};
use crate::claims_tally::{ALL_VERDICTS, counted, preliminary, verdict_name};
use crate::numbers;
use crate::reproduce::{again, command, date};
use crate::screen::machine_facts;
use crate::trust::trust;
use crate::unanswered::{Open, unanswered};
use crate::words::line_rate::line_rate;
use crate::words::nic::link_name;
use crate::words::{answers, laws, own_table, receiving, recommendations, with_detail};

pub(super) fn first_screen(html: &mut Markup, page: &Page) {
    head(html, page);
    answer(html, page);
    broken_laws(html, page);
    strip_of_trust(html, page);
    if let Some(main) = page.figures.first() {
        pictures::figure(html, main);
    }
    questions(html, page);
    tally(html, page);
    downloads(html, page);
    open_questions(html, page);
}

fn head(html: &mut Markup, page: &Page) {
    html.element("header", &[], |html| {
        html.fixed("<p class=\"kind\">What it costs to send</p>\n");
        html.leaf("h1", &[], name(page));
        html.fixed("\n");
        let facts = machine_facts(page.summary, page.host, page.plan).join(", ");
        html.leaf("p", &[("class", "machine")], &facts);
        html.element("p", &[("class", "origin")], |html| {
            html.text(&format!(
                "{}, {}. {}: ",
                date(page.summary.run.started_unix_ms),
                links(page),
                again(page.summary)
            ));
            html.leaf("code", &[], &command(page.plan));
        });
    });
}

fn links(page: &Page) -> String {
    if !page.summary.run.states(Factor::Link) {
        return "link not in the table".to_owned();
    }
    let links = page.plan.factors.link.iter().map(|link| link_name(*link, page.host));
    format!("link {}", links.collect::<Vec<_>>().join(", "))
}

fn broken_laws(html: &mut Markup, page: &Page) {
    let broken = page.summary.explained.laws.iter().filter(|law| law.state == LawState::Broken);
    for law in broken {
        html.element("p", &[("class", "banner bad")], |html| {
            html.leaf(
                "strong",
                &[],
                &format!("✗ Law {} ({}) is broken: ", law.id, laws::law_name(law)),
            );
            html.text(&laws::in_short(law));
            html.fixed(" <a href=\"#laws\">Which trials</a>");
        });
    }
}

fn answer(html: &mut Markup, page: &Page) {
    html.element("section", &[("class", "answer"), ("aria-label", "The answer")], |html| {
        let receiving = receiving(page.summary, usize::MAX);
        for line in recommendations(page.summary).into_iter().chain(receiving) {
            html.paragraph(&line);
        }
    });
    if let Some(line) = line_rate(page.summary) {
        html.leaf("p", &[("class", "machine")], &format!("Line: {line}"));
    }
    own_table(html, page);
}

/// What the study says and its own table does not, where a table was imported.
fn own_table(html: &mut Markup, page: &Page) {
    let checks = &page.summary.explained.own_table;
    if checks.is_empty() {
        return;
    }
    html.element("section", &[("aria-label", "The paper’s claims against this table")], |html| {
        html.fixed("<h2 class=\"small\">The paper’s claims against this table</h2>\n");
        html.element("p", &[], |html| {
            html.text(&format!("{}. ", own_table::tally(checks)));
            html.leaf("a", &[("href", "#claims")], "All of them");
        });
        html.element("ul", &[("class", "warnings")], |html| {
            for check in own_table::worst(checks) {
                html.leaf("li", &[], &own_table::line(check));
            }
            for (_, text) in own_table::others(checks) {
                html.leaf("li", &[], &text);
            }
        });
    });
}

fn strip_of_trust(html: &mut Markup, page: &Page) {
    html.element("section", &[("aria-label", "How far to trust it")], |html| {
        html.fixed("<h2 class=\"small\">How far to trust it</h2>\n");
        html.element("dl", &[("class", "trust")], |html| {
            for fact in trust(page.summary, page.plan) {
                html.element("div", &[("class", fact.grade.name())], |html| {
                    html.leaf("dt", &[], &format!("{} {}", fact.grade.sign(), fact.name));
                    html.leaf("dd", &[("class", "figure")], &fact.figure);
                    html.leaf("dd", &[("class", "note")], &fact.note);
                });
            }
        });
        let warnings = &page.summary.warnings;
        if !warnings.is_empty() {
            html.element("ul", &[("class", "warnings")], |html| {
                for warning in warnings {
                    html.leaf("li", &[], &with_detail(warning));
                    html.fixed("\n");
                }
            });
        }
    });
}

fn questions(html: &mut Markup, page: &Page) {
    let all = &page.summary.explained.answers;
    if all.is_empty() {
        return;
    }
    html.element("section", &[("aria-label", "The questions")], |html| {
        html.fixed("<h2 class=\"small\">The paper's questions</h2>\n");
        html.element("ul", &[("class", "questions")], |html| {
            for answer in all {
                let class = if answer.answered { "answered" } else { "open" };
                html.element("li", &[("class", class)], |html| {
                    let link = format!("#{}", answer.id);
                    html.leaf("a", &[("href", &link)], &answer.id.name());
                    html.element("div", &[], |html| {
                        html.leaf("span", &[("class", "question")], answers::question(answer));
                        html.text(" ");
                        html.leaf(
                            "span",
                            &[("class", "line")],
                            &answers::line(page.summary, answer),
                        );
                    });
                });
            }
        });
    });
}

fn tally(html: &mut Markup, page: &Page) {
    let claims = &page.summary.explained.claims;
    if claims.is_empty() {
        return;
    }
    html.element("section", &[("aria-label", "Claims of the paper")], |html| {
        html.fixed("<h2 class=\"small\">Claims of the paper</h2>\n");
        html.element("p", &[("class", "tally")], |html| {
            for verdict in ALL_VERDICTS {
                let class = super::evidence::verdict_class(verdict);
                html.element("a", &[("class", class), ("href", "#claims")], |html| {
                    html.leaf("b", &[], &counted(claims, verdict).to_string());
                    html.text(" ");
                    html.text(verdict_name(verdict));
                });
            }
            if let Some(note) = preliminary(claims) {
                html.leaf("span", &[], &note);
            }
        });
    });
}

fn open_questions(html: &mut Markup, page: &Page) {
    let open = unanswered(page.summary);
    if open.is_empty() {
        return;
    }
    html.element("section", &[("aria-label", "What stayed open")], |html| {
        html.fixed("<h2 class=\"small\">Not answered here, and what would answer it</h2>\n");
        html.element("ul", &[("class", "unanswered")], |html| {
            for one in &open {
                html.element("li", &[], |html| {
                    html.leaf("strong", &[], &one.instrument);
                    html.text(" → ");
                    for (place, named) in one.settles.iter().enumerate() {
                        if place > 0 {
                            html.text(", ");
                        }
                        html.leaf("a", &[("href", &named.anchor)], &named.name);
                    }
                    remedy(html, one);
                });
            }
        });
    });
}

/// What an instrument takes here; what each of several is to do beside stands folded away.
fn remedy(html: &mut Markup, open: &Open) {
    if open.then.len() < 2 {
        let takes = open.takes();
        if !takes.is_empty() {
            html.leaf("p", &[("class", "note")], &takes);
        }
        return;
    }
    if !open.needs.is_empty() {
        html.leaf("p", &[("class", "note")], &open.needs);
    }
    html.element("details", &[], |html| {
        let count = numbers::counted(open.then.len(), "step", "steps");
        html.leaf("summary", &[], &format!("Then: {count}"));
        html.element("ul", &[], |html| {
            for (name, what) in &open.then {
                html.leaf("li", &[], &format!("{name}: {what}"));
            }
        });
    });
}

/// The files of the run directory, where this page lies too.
const FILES: [(&str, &str); 9] = [
    ("results.csv", "one row a cell"),
    ("ratios.csv", "one row a comparison"),
    ("trials.csv", "one row a trial"),
    ("paper.csv", "the paper's columns"),
    ("summary.json", "every figure"),
    ("report.md", "for a pull request"),
    ("plan.toml", "what was asked"),
    ("host.json", "the machine"),
    ("journal.jsonl", "the records"),
];

fn downloads(html: &mut Markup, page: &Page) {
    html.element("section", &[("aria-label", "Files")], |html| {
        html.fixed("<h2 class=\"small\">Files of this run</h2>\n");
        html.element("p", &[("class", "files")], |html| {
            for (file, what) in FILES {
                html.element("span", &[], |html| {
                    html.leaf("a", &[("href", file)], file);
                    html.text(&format!(" {what}"));
                });
            }
            if !page.figures.is_empty() {
                let count = u32::try_from(page.figures.len()).unwrap_or(u32::MAX);
                html.leaf(
                    "span",
                    &[],
                    &format!(
                        "{} as SVG and PNG in figures/",
                        numbers::counted(count, "figure", "figures")
                    ),
                );
            }
        });
    });
}
