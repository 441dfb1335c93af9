//! The flags of a single cell, for a client by hand: the factors' own, each with one value.

use clap::{ArgMatches, Args, Command, Error, FromArgMatches};
use model::shape::{check_beside_shapes, shapes_of_lengths};
use model::{Cell, Factor};

use crate::plan_flags::factor_flag;

/// The values of a cell's flags, as text.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct CellFlags(Vec<(Factor, String)>);

/// Factors that no single end knows of.
fn is_of_an_end(factor: Factor) -> bool {
    !matches!(
        factor,
        Factor::Link
            | Factor::Placement
            | Factor::Replica
            | Factor::Mtu
            | Factor::Tso
            | Factor::Gso
            | Factor::Gro
            | Factor::AckInterval
            | Factor::AckPlacement
    )
}

/// The letters that people know of other tools.
fn letter(factor: Factor) -> Option<char> {
    let known = [(Factor::Threads, 'P'), (Factor::Message, 'l')];
    known.into_iter().find(|(of, _)| *of == factor).map(|(_, letter)| letter)
}

/// The flag's name: one size is no list of sizes.
fn name(factor: Factor) -> &'static str {
    if factor == Factor::Message { "size" } else { factor.key() }
}

/// The help of factors whose own tells of lists, or of a flag that a single end has not.
fn help(factor: Factor) -> Option<&'static str> {
    if factor == Factor::Message {
        return Some("Bytes of a message, such as 64, 4KiB or 20KB");
    }
    if factor == Factor::Fields {
        return Some(
            "Fields of a message, of equal size, such as 8; or the length of each, such as 24,64KiB (--shape 24+64KiB)",
        );
    }
    if factor == Factor::CopyBelow {
        return Some(
            "Fields shorter than this are copied, the others passed by reference, such as 4KiB (hybrid); 0 passes all",
        );
    }
    (factor == Factor::MemoryLoad).then_some(
        "What streams through memory beside a test: off, stream (a thread on a CPU that no worker has, through more memory than the last-level cache holds)",
    )
}

fn factors() -> impl Iterator<Item = Factor> {
    Factor::ALL.iter().copied().filter(|factor| is_of_an_end(*factor))
}

impl CellFlags {
    /// Whether a factor has a flag.
    pub(crate) fn is_given(&self, factor: Factor) -> bool {
        self.0.iter().any(|(given, _)| *given == factor)
    }

    /// The cell that the flags name; factors without a flag have their defaults.
    ///
    /// # Errors
    /// The flag and what is wrong with its value.
    pub(crate) fn cell(&self) -> Result<Cell, String> {
        let mut cell = Cell::default();
        let mut given = Vec::new();
        for (factor, text) in &self.0 {
            let shape = shapes_of_lengths(text).filter(|_| *factor == Factor::Fields);
            let set = match shape {
                Some(shape) => cell.set(Factor::Shape, &shape),
                None => {
                    given.push(*factor);
                    cell.set(*factor, text)
                }
            };
            set.map_err(|why| format!("--{}: {why}", name(*factor)))?;
        }
        let given = given.into_iter();
        check_beside_shapes(given, std::slice::from_ref(&cell.shape))
            .map_err(|(factor, why)| format!("--{}: {why}", name(factor)))?;
        Ok(cell.in_its_shape())
    }
}

impl Args for CellFlags {
    fn augment_args(command: Command) -> Command {
        factors().fold(command, |command, factor| {
            let default = Cell::default().get(factor);
            let flag = factor_flag(factor, &default).long(name(factor)).value_name("VALUE");
            let flag = flag.help_heading("Factors").short(letter(factor));
            let flag = match help(factor) {
                Some(help) => flag.help(format!("{help} [default: {default}]")),
                None => flag,
            };
            command.arg(if factor == Factor::Message { flag.alias(factor.key()) } else { flag })
        })
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

impl FromArgMatches for CellFlags {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, Error> {
        let given =
            |factor: Factor| Some((factor, matches.get_one::<String>(factor.key())?.clone()));
        Ok(Self(factors().filter_map(given).collect()))
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cell(line: &str) -> Result<Cell, String> {
        let command = CellFlags::augment_args(Command::new("connect").no_binary_name(true));
        CellFlags::from_arg_matches(&command.get_matches_from(line.split_whitespace()))
            .unwrap()
            .cell()
    }

    #[test]
    fn one_value_a_factor_makes_a_cell() {
        let cell = cell("--send zerocopy --size 64KiB --threads 4 --nodelay on").unwrap();
        assert_eq!(cell.id(), "send=zerocopy message_bytes=65536 threads=4 nodelay=on");
    }

    #[test]
    fn flags_have_the_letters_that_people_know() {
        assert_eq!(cell("-P 4 -l 64KiB"), cell("--threads 4 --size 64KiB"));
    }

    #[test]
    fn a_list_is_refused_where_one_value_belongs() {
        assert!(cell("--threads 1,2").unwrap_err().starts_with("--threads: "));
        assert!(cell("--size 64..128").unwrap_err().starts_with("--size: "));
    }

    #[test]
    fn what_the_help_of_a_flag_gives_as_an_example_is_taken() {
        let command = CellFlags::augment_args(Command::new("connect").no_binary_name(true));
        let flags: Vec<String> =
            command.get_arguments().map(|arg| arg.get_id().to_string()).collect();
        for arg in command.get_arguments() {
            let help = arg.get_help().map(ToString::to_string).unwrap_or_default();
            for (_, rest) in
                help.match_indices("such as ").map(|(at, found)| (at, &help[at + found.len()..]))
            {
                let example = rest.split([' ', ';', ')']).next().unwrap_or_default();
                let example = example.trim_end_matches(',');
                let line = format!("--{} {example}", arg.get_long().unwrap_or_default());
                assert!(cell(&line).is_ok(), "{line}: {:?}", cell(&line));
            }
            for word in help
                .split_whitespace()
                .filter_map(|word| word.trim_start_matches('(').strip_prefix("--"))
            {
                assert!(flags.iter().any(|flag| flag == word), "{}: --{word}", arg.get_id());
            }
        }
    }

    #[test]
    fn a_size_beside_a_shape_that_decides_it_is_refused() {
        assert_eq!(cell("--shape 24+64").unwrap().message.bytes(), model::Bytes(88));
        assert_eq!(cell("--shape equal --size 64").unwrap().message.bytes(), model::Bytes(64));
        for (line, flag) in
            [("--shape 24+64 --size 88", "--size: "), ("--shape 88 --fields 1", "--fields: ")]
        {
            assert!(cell(line).unwrap_err().starts_with(flag), "{line}");
        }
    }
}
