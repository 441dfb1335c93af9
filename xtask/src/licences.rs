//! Whether everything that is built in may be: licences that suit MIT OR Apache-2.0, from the registry alone.

use serde_json::Value;

use crate::metadata::packages;

/// Licences that may be built in.
const ALLOWED: [&str; 9] = [
    "MIT",
    "Apache-2.0",
    "Unicode-3.0",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "ISC",
    "Zlib",
    "0BSD",
    "CC0-1.0",
];

/// Checks every package that cargo would build.
pub(crate) fn check() -> Result<String, String> {
    let packages = packages("--locked")?;
    let refused: Vec<String> = packages.iter().filter_map(refusal).collect();
    if refused.is_empty() {
        Ok(format!("licences and sources of {} packages are allowed", packages.len()))
    } else {
        Err(refused.join("\n"))
    }
}

fn refusal(package: &Value) -> Option<String> {
    let name = format!(
        "{} {}",
        package["name"].as_str().unwrap_or("?"),
        package["version"].as_str().unwrap_or("?")
    );
    // Our own packages have no source; all others must come from the registry, not from a repository.
    if package["source"].as_str().is_some_and(|source| !source.starts_with("registry+")) {
        return Some(format!("{name} does not come from the registry: {}", package["source"]));
    }
    match package["license"].as_str() {
        None => Some(format!("{name} names no licence")),
        Some(expression) if !is_allowed(expression) => {
            Some(format!("{name} is licensed as \"{expression}\", which is not allowed"))
        }
        Some(_) => None,
    }
}

/// Whether an SPDX expression leaves a choice that is allowed. `/` is the old spelling of OR.
fn is_allowed(expression: &str) -> bool {
    let spaced = expression.replace('/', " OR ").replace('(', " ( ").replace(')', " ) ");
    let words: Vec<&str> = spaced.split_whitespace().collect();
    let mut at = 0;
    any_of(&words, &mut at) && at == words.len()
}

fn any_of(words: &[&str], at: &mut usize) -> bool {
    let mut allowed = all_of(words, at);
    while words.get(*at) == Some(&"OR") {
        *at += 1;
        allowed |= all_of(words, at);
    }
    allowed
}

fn all_of(words: &[&str], at: &mut usize) -> bool {
    let mut allowed = one(words, at);
    while words.get(*at) == Some(&"AND") {
        *at += 1;
        allowed &= one(words, at);
    }
    allowed
}

fn one(words: &[&str], at: &mut usize) -> bool {
    let Some(word) = words.get(*at) else { return false };
    *at += 1;
    if *word == "(" {
        let allowed = any_of(words, at);
        let is_closed = words.get(*at) == Some(&")");
        *at += 1;
        return allowed && is_closed;
    }
    let mut allowed = ALLOWED.contains(word);
    if words.get(*at) == Some(&"WITH") {
        // An exception only ever permits more; the two that our dependencies use.
        allowed &=
            matches!(words.get(*at + 1), Some(&"LLVM-exception" | &"Classpath-exception-2.0"));
        *at += 2;
    }
    allowed
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_expression_is_allowed_when_one_of_its_choices_is() {
        for good in [
            "MIT",
            "MIT OR GPL-3.0-only",
            "MIT/Apache-2.0",
            "(MIT OR Apache-2.0) AND Unicode-3.0",
            "Apache-2.0 WITH LLVM-exception OR Apache-2.0",
        ] {
            assert!(is_allowed(good), "{good}");
        }
        for bad in
            ["GPL-3.0-only", "MIT AND GPL-3.0-only", "", "(MIT", "MIT WITH strange-exception"]
        {
            assert!(!is_allowed(bad), "{bad}");
        }
    }

    #[test]
    fn a_package_without_a_licence_or_from_a_repository_is_refused() {
        let package = |source: Option<&str>, license: Option<&str>| {
            refusal(&json!({"name": "x", "version": "1.0.0", "source": source, "license": license}))
        };
        assert_eq!(package(Some("registry+x"), Some("MIT")), None);
        assert!(package(Some("registry+x"), None).is_some());
        assert!(package(Some("git+x"), Some("MIT")).is_some());
        assert!(package(Some("registry+x"), Some("AGPL-3.0")).is_some());
    }
}
