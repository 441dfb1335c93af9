//! The figures as files: SVG as it was drawn, and painted as PNG on all CPUs.

use std::io;
use std::num::NonZero;
use std::sync::atomic::{AtomicUsize, Ordering};

use journal::{JournalError, RunDirectory};

/// A PNG, or why there is none.
pub(crate) type Painted = Result<Vec<u8>, String>;

/// Writes each picture as SVG and as PNG.
///
/// # Errors
/// The directory cannot be written, or a picture could not be painted.
pub(crate) fn write_pictures(
    directory: &RunDirectory,
    pictures: &[(&str, &str)],
    painted: Vec<Painted>,
) -> Result<(), JournalError> {
    let folder = directory.figures()?;
    for ((name, svg), png) in pictures.iter().zip(painted) {
        let path = |ending: &str| folder.join(format!("{name}.{ending}"));
        let write = |ending: &str, bytes: &[u8]| {
            directory.replace(&path(ending), |file| io::Write::write_all(file, bytes))
        };
        write("svg", svg.as_bytes())?;
        let png = png.map_err(|why| JournalError::Unwritable {
            path: path("png"),
            why: io::Error::other(why),
        })?;
        write("png", &png)?;
    }
    Ok(())
}

/// The PNG of each picture: that is most of the time that a report takes. The other CPUs begin while this thread does `work`,
/// and then it paints too; where a thread is refused the others paint its share. Where the work fails nothing more is painted.
pub(crate) fn painted_beside<T, E>(
    pictures: &[(&str, &str)],
    work: impl FnOnce() -> Result<T, E>,
) -> Result<(T, Vec<Painted>), E> {
    let next = AtomicUsize::new(0);
    let paint = || {
        let mut done = Vec::new();
        while let Some((place, (_, svg))) = {
            let place = next.fetch_add(1, Ordering::Relaxed);
            pictures.get(place).map(|picture| (place, picture))
        } {
            done.push((place, report::figures::png(svg).map_err(|why| why.to_string())));
        }
        done
    };
    let mut painted: Vec<Result<Vec<u8>, String>> =
        pictures.iter().map(|_| Err("its painter died".to_owned())).collect();
    let painters = std::thread::available_parallelism().map_or(1, NonZero::get);
    let done = std::thread::scope(|scope| {
        let helpers: Vec<_> = (1..painters)
            .map_while(|_| std::thread::Builder::new().spawn_scoped(scope, paint).ok())
            .collect();
        let done = work();
        if done.is_err() {
            next.store(pictures.len(), Ordering::Relaxed);
        }
        let own = paint();
        let helped = helpers.into_iter().flat_map(|helper| helper.join().unwrap_or_default());
        for (place, png) in own.into_iter().chain(helped) {
            if let Some(slot) = painted.get_mut(place) {
                *slot = png;
            }
        }
        done
    })?;
    Ok((done, painted))
}
