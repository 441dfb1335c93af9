//! The words of a file for each send path.

use std::collections::BTreeMap;

use model::SendPath;

use crate::error::{map_flag, quoted};

/// The words of a file for each send path.
#[derive(Default)]
pub(crate) struct Words(BTreeMap<SendPath, Vec<String>>);

impl Words {
    /// A word of a row.
    ///
    /// # Errors
    /// Two words that nobody said are one path.
    pub(crate) fn seen(
        &mut self,
        word: &str,
        path: SendPath,
        is_mapped: bool,
    ) -> Result<(), String> {
        let words = self.0.entry(path).or_default();
        if words.iter().any(|known| known.eq_ignore_ascii_case(word)) {
            return Ok(());
        }
        if let Some(other) = words.first().filter(|_| !is_mapped) {
            return Err(format!(
                "{} and {} are both taken as {path}: import one of them, or say that they are one by {}",
                quoted(other),
                quoted(word),
                map_flag(word, path.name())
            ));
        }
        words.push(word.to_owned());
        Ok(())
    }

    /// What was taken as a path by another name than copycost's own; none where nothing was.
    pub(crate) fn taken(&self) -> Option<String> {
        let all = self.0.iter().flat_map(|(path, words)| words.iter().map(move |it| (path, it)));
        let other = all.filter(|(path, word)| word.as_str() != path.name());
        let taken: Vec<String> =
            other.map(|(path, word)| format!("{} is taken as {path}", quoted(word))).collect();
        (!taken.is_empty()).then(|| taken.join(", "))
    }
}
