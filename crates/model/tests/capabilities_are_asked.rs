//! No production code decides by the name of a path or a link: it asks for capabilities, so that a new one is never taken for
//! what it is not.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test's functions may fail it")]

use std::fs;
use std::path::{Path, PathBuf};

use model::{Factor, Link, ReceivePath, SendPath};

/// Where names may stand beside the one table: the defaults, the ready-made plans, and the arms by which the engine comes to a
/// path's own file.
const ALLOWED: [&str; 4] = [
    "crates/model/src/factor.rs",
    "crates/model/src/preset.rs",
    "crates/engine/src/send_paths.rs",
    "crates/engine/src/receive_paths.rs",
];

/// The crates that know paths and links.
const CRATES: [&str; 8] =
    ["model", "engine", "analysis", "report", "study", "journal", "foreign", "copycost"];

fn sources(folder: &Path, into: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, into);
        } else if path.extension().is_some_and(|ending| ending == "rs") {
            into.push(path);
        }
    }
}

/// Whether a module in place follows: the tests, which come last in a file.
fn begins_tests(after: &str) -> bool {
    let mut rest = after.trim_start();
    while let Some((_, next)) = rest.strip_prefix("#[").and_then(|it| it.split_once("]\n")) {
        rest = next.trim_start();
    }
    rest.starts_with("mod ") && rest.lines().next().is_some_and(|line| line.ends_with('{'))
}

/// The code without its tests and its comments.
fn production(text: &str) -> String {
    let ends = text.match_indices("#[cfg(test)]").map(|(at, marked)| (at, at + marked.len()));
    let tests = ends.into_iter().find(|(_, end)| begins_tests(&text[*end..]));
    let code = tests.map_or(text, |(at, _)| &text[..at]);
    let lines = code.lines().map(|line| line.split("//").next().unwrap_or_default());
    lines.collect::<Vec<_>>().join("\n")
}

/// Every member of the open lists as Rust spells it: `SendPath::Sendmsg`.
fn members() -> Vec<String> {
    let send = SendPath::ALL.iter().map(|path| format!("SendPath::{path:?}"));
    let receive = ReceivePath::ALL.iter().map(|path| format!("ReceivePath::{path:?}"));
    let links = Link::ALL.iter().map(|link| format!("Link::{link:?}"));
    send.chain(receive).chain(links).collect()
}

fn named_in(code: &str) -> Vec<String> {
    let is_word = |c: char| c.is_alphanumeric() || c == '_';
    let stands = |member: &String| {
        code.match_indices(member.as_str()).any(|(at, _)| {
            let before = code[..at].chars().next_back().is_some_and(is_word);
            let after = code[at + member.len()..].chars().next().is_some_and(is_word);
            !before && !after
        })
    };
    members().into_iter().filter(stands).collect()
}

/// Names of a path or a link by what they are for, the paper's among them: a claim of the paper may speak of them, and no code
/// may decide by them.
const ALIASES: [&str; 6] = [
    "SendPath::A1",
    "SendPath::A2",
    "SendPath::A3",
    "SendPath::USUAL",
    "Link::PAPER",
    "Link::LIKE_TWO_HOSTS",
];

/// Where code compares with one of these names, or matches it: `== SendPath::A2`, `SendPath::A3 =>`.
fn decided_by(code: &str) -> Vec<String> {
    let mut found = Vec::new();
    for alias in ALIASES {
        for (at, _) in code.match_indices(alias) {
            let (before, after) = (code[..at].trim_end(), code[at + alias.len()..].trim_start());
            let statement = before.rsplit([';', '{', '}']).next().unwrap_or_default();
            let is_matched = after.starts_with("=>")
                || after.starts_with("if ")
                || after.starts_with('|')
                || before.ends_with('|') && !before.ends_with("||")
                || statement.contains("matches!(");
            let is_compared = before.ends_with(".contains(&")
                || ["==", "!="]
                    .iter()
                    .any(|sign| before.ends_with(sign) || after.starts_with(sign));
            if is_compared || is_matched {
                let line = code[..at].lines().next_back().unwrap_or_default().trim();
                found.push(format!("{line}{alias}"));
            }
        }
    }
    found
}

/// Every name as files and command lines spell it.
fn spellings() -> Vec<String> {
    let send = SendPath::ALL.iter().map(|path| path.name());
    let receive = ReceivePath::ALL.iter().map(|path| path.name());
    let links = Link::ALL.iter().map(|link| link.name());
    // `send` and `recv` are keys of factors too, by which code may choose.
    let is_key = |name: &&str| Factor::ALL.iter().any(|factor| factor.key() == *name);
    let names = send.chain(receive).chain(links).filter(|name| !is_key(name));
    names.map(|name| format!("\"{name}\"")).collect()
}

/// Where code compares a text with a name, or matches it: `path.name() == "zerocopy"`, `"sink" =>`.
fn decided_by_text(code: &str) -> Vec<String> {
    let mut found = Vec::new();
    for name in spellings() {
        for (at, _) in code.match_indices(&name) {
            let (before, after) = (code[..at].trim_end(), code[at + name.len()..].trim_start());
            let statement = before.rsplit([';', '{', '}']).next().unwrap_or_default();
            let signs = ["==", "!="];
            let bare = before.strip_suffix("Some(").map_or(before, str::trim_end);
            let is_compared =
                signs.iter().any(|sign| bare.ends_with(sign) || after.starts_with(sign));
            if is_compared || after.starts_with("=>") || statement.contains("matches!(") {
                found.push(format!("by the text {name}"));
            }
        }
    }
    found
}

#[test]
fn no_production_code_names_a_path_or_a_link_outside_the_table() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let mut found = Vec::new();
    let mut looked_at = 0;
    for name in CRATES {
        let mut files = Vec::new();
        sources(&root.join("crates").join(name).join("src"), &mut files);
        for file in files {
            let path = file.strip_prefix(&root).unwrap().to_string_lossy().into_owned();
            if path.ends_with("tests.rs") {
                continue;
            }
            looked_at += 1;
            let code = production(&fs::read_to_string(&file).unwrap());
            let named = if ALLOWED.contains(&path.as_str()) { Vec::new() } else { named_in(&code) };
            let names = named.into_iter().chain(decided_by(&code)).chain(decided_by_text(&code));
            found.extend(names.map(|name| format!("{path}: {name}")));
        }
    }
    assert!(looked_at > 100, "only {looked_at} files were found");
    assert!(found.is_empty(), "ask for a capability instead:\n{}", found.join("\n"));
}

#[test]
fn a_name_is_found_where_it_stands_and_nowhere_else() {
    assert_eq!(named_in("if path == SendPath::Zerocopy {"), ["SendPath::Zerocopy"]);
    assert!(named_in("SendPath::A3, SendPath::ALL, SendPath::Sendmsgs").is_empty());
    for decides in [
        "if p == SendPath::A2 {",
        "if SendPath::A2 != path {",
        "matches!(path, SendPath::A1 | SendPath::A3)",
        "matches!(cell.link, Link::PAPER)",
        "match path { SendPath::A3 => 1, _ => 2 }",
        "match path { SendPath::A3 if late => 1, _ => 2 }",
        "[path, against].contains(&SendPath::USUAL)",
    ] {
        assert!(!decided_by(decides).is_empty(), "{decides}");
    }
    let asks =
        "if is_so || paths(evidence, SendPath::A2, SendPath::A1).is_empty() { [SendPath::A3] }";
    assert!(decided_by(asks).is_empty());
    for decides in [
        "if path.name() == \"zerocopy\" {",
        "if \"sink\" != link.name() {",
        "match name { \"loopback\" => 1, _ => 2 }",
        "matches!(path.name(), \"send\" | \"sendmsg\")",
        "if name == Some(\"veth\") {",
    ] {
        assert!(!decided_by_text(decides).is_empty(), "{decides}");
    }
    let says = "let words = [\"sendmsg\", \"zerocopy\"]; text == \"sendmsgs\"; f(Some(\"veth\"))";
    assert!(decided_by_text(says).is_empty(), "{:?}", decided_by_text(says));
    assert!(production("let a = 1; // Link::Sink\n#[cfg(test)]\nLink::Sink").contains("let a"));
    let tests = "#[cfg(test)]\n#[allow(\n    x\n)]\nmod tests {\nLink::Sink";
    assert!(named_in(&production(&format!("x // Link::Sink\n{tests}"))).is_empty());
    // What only tests use may stand anywhere: what follows is production code.
    let between = format!("#[cfg(test)]\nuse a::B;\n#[cfg(test)]\nmod tests;\nLink::Veth\n{tests}");
    assert_eq!(named_in(&production(&between)), ["Link::Veth"]);
}
