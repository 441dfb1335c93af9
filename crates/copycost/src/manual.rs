//! What a shell and `man` want to know of the command line.

use clap::CommandFactory as _;

use crate::args::{Arguments, CompletionsArguments, ManArguments};
use crate::exit::Stop;
use crate::terminal::show;

/// Prints a completion script.
///
/// # Errors
/// Standard output cannot be written.
pub(crate) fn completions(arguments: &CompletionsArguments) -> Result<(), Stop> {
    let mut script = Vec::new();
    clap_complete::generate(arguments.shell, &mut Arguments::command(), "copycost", &mut script);
    show(&String::from_utf8_lossy(&script))
}

/// Prints a manual page.
///
/// # Errors
/// There is no such command, or standard output cannot be written.
pub(crate) fn man(arguments: &ManArguments) -> Result<(), Stop> {
    show(&page(arguments.command.as_deref())?)
}

fn page(name: Option<&str>) -> Result<String, Stop> {
    let mut command = Arguments::command();
    // Gives each command its full name.
    command.build();
    let command = match name {
        None => command,
        Some(name) => command.find_subcommand(name).cloned().ok_or_else(|| {
            let known: Vec<&str> = command.get_subcommands().map(clap::Command::get_name).collect();
            Stop::Usage(format!("there is no command \"{name}\"; commands: {}", known.join(", ")))
        })?,
    };
    let mut page = Vec::new();
    clap_mangen::Man::new(command)
        .render(&mut page)
        .map_err(|error| Stop::Cannot(format!("cannot write the manual page: {error}")))?;
    Ok(String::from_utf8_lossy(&page).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_command_has_a_page_under_its_own_name() {
        for command in Arguments::command().get_subcommands() {
            let page = page(Some(command.get_name())).unwrap();
            assert!(page.contains(&format!(".TH copycost-{} 1", command.get_name())), "{page}");
        }
        assert!(page(None).unwrap().contains(".TH copycost 1"));
    }

    #[test]
    fn an_unknown_command_has_no_page_and_the_known_ones_are_named() {
        let Err(Stop::Usage(why)) = page(Some("rum")) else { panic!("a page") };
        assert!(why.contains("\"rum\"") && why.contains("run, report"), "{why}");
    }
}
