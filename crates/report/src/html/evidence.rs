//! Answers with their tables, claims with their verdicts, laws with what breaks them.

use analysis::answers::Answer;
use analysis::claims::claim::{Claim, Verdict};
use analysis::explained::Explained;
use analysis::laws::law::{Law, LawState};
use analysis::own_table::{TableCheck, TableVerdict};
use analysis::summary::Summary;

use model::{Missing, Peer};

use super::markup::Markup;
use super::{section, table};
use crate::claims_tally::{all_missing, claims_tally, law_state, verdict_name};
use crate::words;

pub(super) fn answers(html: &mut Markup, summary: &Summary) {
    let answers = &summary.explained.answers;
    section(html, "answers", |html| {
        if answers.is_empty() {
            html.fixed("<p>No question was looked at: the run holds no valid trial.</p>\n");
        }
        for answer in answers {
            self::answer(html, summary, answer);
        }
    });
}

fn answer(html: &mut Markup, summary: &Summary, answer: &Answer) {
    html.element("article", &[("id", &answer.id.to_string()), ("class", "answer-to")], |html| {
        html.leaf(
            "h3",
            &[],
            &format!("{}. {}", answer.id.name(), words::answers::question(answer)),
        );
        html.fixed("\n");
        let class = if answer.answered { "line" } else { "line open" };
        html.leaf("p", &[("class", class)], &words::answers::line(summary, answer));
        html.fixed("\n");
        for note in words::answers::notes(summary, answer) {
            html.leaf("p", &[("class", "note")], &note);
            html.fixed("\n");
        }
        if let Some(evidence) = words::answers::table(summary, answer) {
            let name = format!("Evidence for {}", answer.id.name());
            table(html, &name, "evidence", &evidence.columns, |html| {
                for row in &evidence.rows {
                    html.element("tr", &[], |html| {
                        for text in row {
                            html.leaf("td", &[], text);
                        }
                    });
                }
            });
        }
        wanted(html, "Would answer it:", &answer.would_answer);
        wanted(html, "What would change it:", &answer.would_change);
    });
}

/// The class of a verdict in the page's style.
pub(super) const fn verdict_class(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Supported => "verdict supported",
        Verdict::Refuted => "verdict refuted",
        Verdict::Undecidable | Verdict::NotApplicable => "verdict undecidable",
    }
}

/// What the paper claims, beside what this table gives; contradictions first.
fn own_table(html: &mut Markup, checks: &[TableCheck]) {
    if checks.is_empty() {
        return;
    }
    html.fixed("<h3>What the paper claims, and what this table gives</h3>\n");
    html.paragraph(&format!(
        "{}. This is arithmetic on the imported rows, which needs no interval; it tells nothing of causes.",
        words::own_table::tally(checks)
    ));
    let columns = ["Claim", "The paper claims", "", "This table gives"].map(str::to_owned);
    table(html, "The paper's claims against this table", "claims", &columns, |html| {
        let mut sorted: Vec<&TableCheck> = checks.iter().collect();
        sorted.sort_by_key(|check| check.agreement);
        for check in sorted {
            let class = match check.agreement {
                TableVerdict::Contradicts => "verdict refuted",
                TableVerdict::Agrees => "verdict supported",
                TableVerdict::NotInTable => "verdict undecidable",
            };
            html.element("tr", &[], |html| {
                html.element("td", &[], |html| html.leaf("strong", &[], &check.id.name()));
                html.leaf("td", &[], &words::own_table::says(check));
                html.element("td", &[], |html| {
                    html.leaf(
                        "span",
                        &[("class", class)],
                        words::own_table::verdict(check.agreement),
                    );
                });
                html.leaf("td", &[], &words::own_table::gives(check, words::own_table::MOST));
            });
        }
    });
    html.fixed("<h3>Verdicts on this run</h3>\n");
}

pub(super) fn claims(html: &mut Markup, explained: &Explained, peer: Option<&Peer>) {
    let claims = &explained.claims;
    section(html, "claims", |html| {
        own_table(html, &explained.own_table);
        let Some(tally) = claims_tally(claims) else {
            html.fixed("<p>No claim was judged: the run holds no valid trial.</p>\n");
            return;
        };
        html.paragraph(&format!(
            "{tally}. A verdict holds for this machine and this run; it says nothing of others."
        ));
        let columns = ["Claim", "Verdict", "Why"].map(str::to_owned);
        table(html, "Claims", "claims sortable", &columns, |html| {
            for claim in claims {
                self::claim(html, claim, peer);
            }
        });
    });
}

fn claim(html: &mut Markup, claim: &Claim, peer: Option<&Peer>) {
    html.element("tr", &[("id", &claim.id.to_string())], |html| {
        let order = claim.id.number().to_string();
        html.element("td", &[("data-value", &order)], |html| {
            html.leaf("strong", &[], &claim.id.name());
            html.text(" ");
            html.text(words::claims::claim(claim));
        });
        html.element("td", &[], |html| {
            html.leaf(
                "span",
                &[("class", verdict_class(claim.verdict))],
                verdict_name(claim.verdict),
            );
        });
        html.element("td", &[], |html| {
            html.text(&words::claims::because(claim));
            wanted(html, "Would decide it:", &claim.would_decide);
            if let (Verdict::Undecidable, Some(made)) =
                (claim.verdict, words::experiments::made_for(claim.id, peer))
            {
                note(html, "Made for it:", &made);
            }
            let names: Vec<String> = claim.evidence.iter().map(words::reference).collect();
            evidence(html, &names);
        });
    });
}

/// What would settle what stayed open.
fn wanted(html: &mut Markup, heading: &str, missing: &[Missing]) {
    if !missing.is_empty() {
        note(html, heading, &all_missing(missing));
    }
}

fn note(html: &mut Markup, heading: &str, text: &str) {
    html.element("p", &[("class", "note")], |html| {
        html.leaf("strong", &[], heading);
        html.text(" ");
        html.text(text);
    });
}

/// The cells, laws or records behind a verdict.
fn evidence(html: &mut Markup, evidence: &[String]) {
    if evidence.is_empty() {
        return;
    }
    html.element("details", &[], |html| {
        html.leaf("summary", &[], &format!("Evidence ({})", evidence.len()));
        html.element("ul", &[("class", "ids")], |html| {
            for name in evidence {
                html.leaf("li", &[], name);
            }
        });
    });
}

pub(super) fn laws(html: &mut Markup, laws: &[Law]) {
    section(html, "laws", |html| {
        if laws.is_empty() {
            html.fixed("<p>No law was checked: the run holds no valid trial.</p>\n");
            return;
        }
        html.fixed(concat!(
            "<p>Each law compares two independent sources. A broken one means that figures of this run contradict each other; ",
            "an undecidable one lacks a source here.</p>\n"
        ));
        let columns = ["Law", "State", "What was seen"].map(str::to_owned);
        table(html, "Laws", "laws", &columns, |html| {
            let mut sorted: Vec<&Law> = laws.iter().collect();
            sorted.sort_by_key(|law| law.state != LawState::Broken);
            for law in sorted {
                self::law(html, law);
            }
        });
    });
}

fn law(html: &mut Markup, law: &Law) {
    let class = match law.state {
        LawState::Holds => "verdict supported",
        LawState::Broken => "verdict refuted",
        LawState::Undecidable => "verdict undecidable",
    };
    html.element("tr", &[("id", &words::laws::anchor(law))], |html| {
        html.element("td", &[], |html| {
            html.leaf("strong", &[], &format!("{} {}", law.id, words::laws::law_name(law)));
            html.text(". ");
            html.text(words::laws::states(law));
            let [one, other] = words::laws::sources(law);
            html.leaf("p", &[("class", "note")], &format!("{one} against {other}"));
        });
        html.element("td", &[], |html| {
            html.leaf("span", &[("class", class)], law_state(law.state))
        });
        html.element("td", &[], |html| {
            html.text(&words::laws::law_because(law));
            wanted(html, "Would decide it:", &law.would_decide);
            html.leaf("p", &[("class", "note")], &format!("compared: {}", law.compared));
            let broken_by = words::laws::broken_by(law);
            if !broken_by.is_empty() {
                html.element("ul", &[("class", "ids")], |html| {
                    broken_by.iter().for_each(|record| html.leaf("li", &[], record));
                });
            }
        });
    });
}
