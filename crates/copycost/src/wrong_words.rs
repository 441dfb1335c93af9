//! A command line that clap does not understand, as one line with the remedy.

use std::error::Error as _;

use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{CommandFactory as _, Error};

use crate::args::Arguments;

/// Clap's first paragraph in one line, what it thinks was meant, and whose help tells more.
pub(crate) fn in_one_line(error: &Error, words: &[String], commands: &[&str]) -> String {
    let rendered = error.render().to_string();
    let first: Vec<&str> =
        rendered.lines().take_while(|line| !line.trim().is_empty()).map(str::trim).collect();
    let first = first.join(" ");
    let mut text = first.strip_prefix("error: ").unwrap_or(&first).to_owned();
    // What is wrong with a value quotes it by itself, and is told as for every other flag.
    if let (ErrorKind::ValueValidation, Some(why), Some(flag)) =
        (error.kind(), error.source(), flag(error))
    {
        text = format!("{flag}: {why}");
    }
    if let Some(flag) = of_the_client(error, words) {
        return format!(
            "serve has no {flag}: what is measured is said by the client, give it to connect; see copycost serve --help"
        );
    }
    // A question ends its sentence by itself.
    match meant(error).or_else(|| nearest_command(error, commands)) {
        Some(meant) => text.push_str(&format!("; did you mean {meant}? ")),
        None => text.push_str("; "),
    }
    match words.iter().find_map(|word| commands.iter().find(|command| *command == word)) {
        Some(command) => text.push_str(&format!("see copycost {command} --help")),
        None => text.push_str("see copycost --help"),
    }
    text
}

/// The flag that `connect` has, where it was given to `serve`.
fn of_the_client(error: &Error, words: &[String]) -> Option<String> {
    if error.kind() != ErrorKind::UnknownArgument || words.first()? != "serve" {
        return None;
    }
    let given = flag(error)?;
    let arguments = Arguments::command();
    let connect = arguments.find_subcommand("connect")?;
    let is_its = |long: &str| given.strip_prefix("--") == Some(long);
    let is_known = connect.get_arguments().any(|argument| {
        argument.get_long().is_some_and(is_its)
            || argument.get_short().is_some_and(|short| given == format!("-{short}"))
    });
    is_known.then_some(given)
}

/// The flag whose value is wrong, without its value's name.
#[allow(clippy::wildcard_enum_match_arm, reason = "ContextValue is open; a flag is a word")]
fn flag(error: &Error) -> Option<String> {
    match error.get(ContextKind::InvalidArg)? {
        ContextValue::String(flag) => flag.split(' ').next().map(str::to_owned),
        _ => None,
    }
}

/// The nearest command where clap knows none, as after `help`.
#[allow(
    clippy::wildcard_enum_match_arm,
    reason = "ContextValue is open; a wrong command is a word"
)]
fn nearest_command(error: &Error, commands: &[&str]) -> Option<String> {
    match error.get(ContextKind::InvalidSubcommand)? {
        ContextValue::String(wrong) => {
            let near = model::nearest::nearest(wrong, commands.iter().copied())?;
            Some(format!("\"{near}\""))
        }
        _ => None,
    }
}

/// The words nearest to the wrong one.
#[allow(clippy::wildcard_enum_match_arm, reason = "ContextValue is open; suggestions are words")]
fn meant(error: &Error) -> Option<String> {
    [ContextKind::SuggestedSubcommand, ContextKind::SuggestedArg, ContextKind::SuggestedValue]
        .into_iter()
        .find_map(|kind| match error.get(kind)? {
            ContextValue::String(word) => Some(format!("\"{word}\"")),
            ContextValue::Strings(words) if !words.is_empty() => {
                let words: Vec<String> = words.iter().map(|word| format!("\"{word}\"")).collect();
                Some(words.join(" or "))
            }
            _ => None,
        })
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;

    fn complaint(line: &str) -> String {
        let words: Vec<String> = line.split_whitespace().map(str::to_owned).collect();
        let error = Arguments::try_parse_from(&words).unwrap_err();
        let command = Arguments::command();
        let commands: Vec<&str> =
            command.get_subcommands().map(|command| command.get_name()).collect();
        in_one_line(&error, &words[1..], &commands)
    }

    #[test]
    fn every_wrong_word_is_one_line_with_what_was_meant() {
        for (line, text) in [
            ("copycost frobnicate", "unrecognized subcommand 'frobnicate'; see copycost --help"),
            (
                "copycost prob",
                "unrecognized subcommand 'prob'; did you mean \"probe\"? see copycost --help",
            ),
            (
                "copycost help rum",
                "unrecognized subcommand 'rum'; did you mean \"run\"? see copycost --help",
            ),
            (
                "copycost serve --send sendmsg",
                "serve has no --send: what is measured is said by the client, give it to connect; see copycost serve --help",
            ),
            (
                "copycost serve --time 5s --once",
                "serve has no --time: what is measured is said by the client, give it to connect; see copycost serve --help",
            ),
            (
                "copycost serve --sned",
                "unexpected argument '--sned' found; see copycost serve --help",
            ),
            (
                "copycost run --sizs 64",
                "unexpected argument '--sizs' found; did you mean \"--sizes\"? see copycost run --help",
            ),
            (
                "copycost run --sizes",
                "a value is required for '--sizes <LIST>' but none was supplied; see copycost run --help",
            ),
            (
                "copycost run --preset quik",
                "invalid value 'quik' for '--preset <NAME>' [possible values: default, quick, paper, break-even, zero-copy, receive, http, records, hybrid, paths, working-set]; did you mean \"quick\"? see copycost run --help",
            ),
            (
                "copycost run --out here --resume there",
                "the argument '--out <DIR>' cannot be used with '--resume <DIR>'; see copycost run --help",
            ),
        ] {
            assert_eq!(complaint(line), text);
        }
    }
}
