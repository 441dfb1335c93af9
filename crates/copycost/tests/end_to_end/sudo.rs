//! What root does for the user who called sudo, beside run directories: no more than that user may.

use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown, symlink};
use std::path::Path;

use crate::common::{Ended, Place};
use crate::table::made;

/// The user who calls sudo here, and its group.
const USER: (u32, u32) = (12345, 54321);

/// A place of that user; none where this test has not the rights to be under sudo.
fn place() -> Option<Place> {
    let place = Place::new();
    if owner(&place.path("")).0 != 0 {
        eprintln!("skipped: only root can be under sudo");
        return None;
    }
    chown(place.path(""), Some(USER.0), Some(USER.1)).unwrap();
    Some(place)
}

fn owner(path: &Path) -> (u32, u32) {
    let facts = fs::symlink_metadata(path).unwrap();
    (facts.uid(), facts.gid())
}

fn by_a_user(place: &Place, line: &[&str]) -> Ended {
    let mut command = place.command(line);
    command.env("SUDO_UID", USER.0.to_string()).env("SUDO_GID", USER.1.to_string());
    Ended::of(command.output().unwrap())
}

/// Only root may use it from here on.
fn lock(path: &Path) {
    let mode = if path.is_dir() { 0o700 } else { 0o600 };
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

#[test]
fn a_page_replaces_a_link_and_is_written_where_the_user_may() {
    let Some(place) = place() else { return };
    for name in ["a", "b"] {
        made(&place.path(name), "alpha");
    }
    let roots = Place::new();
    let victim = roots.write("victim", "root's own");
    symlink(&victim, place.path("page.html")).unwrap();
    by_a_user(&place, &["compare", "a", "b", "--out", "page.html"]).ends_with(0);
    assert_eq!(fs::read_to_string(&victim).unwrap(), "root's own");
    let page = place.path("page.html");
    assert!(fs::symlink_metadata(&page).unwrap().is_file());
    assert_eq!(owner(&page), USER);
    assert!(fs::read_to_string(&page).unwrap().contains("What changed"));
    fs::create_dir(place.path("roots")).unwrap();
    let ended = by_a_user(&place, &["compare", "a", "b", "--out", "roots/page.html"]).ends_with(3);
    for part in ["roots/page.html: user 12345, who called sudo, may not", "--out"] {
        assert!(ended.complaint().contains(part), "{part}: {ended:#?}");
    }
    assert_eq!(fs::read_dir(place.path("roots")).unwrap().count(), 0);
    assert_eq!(fs::read_dir(place.path("")).unwrap().count(), 4, "something is left behind");
}

#[test]
fn nothing_is_read_that_the_user_could_not_read() {
    let Some(place) = place() else { return };
    for name in ["fleet/open", "fleet/other", "fleet/locked"] {
        made(&place.path(name), "alpha");
    }
    lock(&place.path("fleet/locked/journal.jsonl"));
    made(&place.path("hidden/run"), "alpha");
    lock(&place.path("hidden"));
    lock(&place.write("plan.toml", "[factors]\nthreads = 1\n"));
    lock(&place.write("table.csv", "impl,size,threads,goodput_gbps\nA1,64,1,3\n"));
    let refused = "user 12345, who called sudo, may not use fleet/locked/journal.jsonl";
    for line in [&["table", "fleet"][..], &["experiment", "judge", "fleet"]] {
        let ended = by_a_user(&place, line).ends_with(0);
        assert!(ended.error.contains(refused), "{line:?}: {ended:#?}");
        let ended = by_a_user(&place, &[&line[..line.len() - 1], &["hidden"]].concat());
        assert_eq!(ended.code, Some(2), "{line:?}: {ended:#?}");
        // As root itself all of it is read.
        let ended = place.copycost(line).ends_with(0);
        assert!(!ended.error.contains("left out"), "{line:?}: {ended:#?}");
    }
    let ended = by_a_user(&place, &["compare", "fleet/open", "fleet/locked"]).ends_with(3);
    assert!(ended.complaint().contains(refused), "{ended:#?}");
    by_a_user(&place, &["compare", "fleet/open", "fleet/other"]).ends_with(0);
    let ended = by_a_user(&place, &["advise", "hidden", "--measure", "never"]).ends_with(2);
    assert!(ended.complaint().contains("cannot read hidden"), "{ended:#?}");
    for line in [&["run", "plan.toml", "--dry-run"][..], &["import", "table.csv", "--out", "new"]] {
        let ended = by_a_user(&place, line).ends_with(2);
        let why = "user 12345, who called sudo, may not (Permission denied";
        assert!(ended.complaint().contains(why), "{line:?}: {ended:#?}");
        place.copycost(line).ends_with(0);
    }
}

#[test]
fn a_token_is_read_with_the_users_rights() {
    let Some(place) = place() else { return };
    // No token, so that what root may read ends before anything listens or connects.
    lock(&place.write("token", "root's own\n"));
    for line in [&["serve"][..], &["connect", "127.0.0.1:1"]] {
        let line = [line, &["--token-file", "token"]].concat();
        let ended = by_a_user(&place, &line).ends_with(2);
        let why = "--token-file token: user 12345, who called sudo, may not (Permission denied";
        assert!(ended.complaint().contains(why), "{line:?}: {ended:#?}");
        assert!(!ended.complaint().contains("root's own"), "{line:?}: {ended:#?}");
        let ended = place.copycost(&line).ends_with(2);
        assert!(ended.complaint().contains("is no token"), "{line:?}: {ended:#?}");
    }
}
