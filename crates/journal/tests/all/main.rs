//! The journal and the run directory from outside.

#[cfg(test)]
mod damage;
#[cfg(test)]
mod made;
#[cfg(test)]
mod run_directory;
#[cfg(test)]
mod writing;
