//! The rights with which files are touched: under sudo those of the user who called it.
//!
//! Root may write anywhere, so that a link which a user planted would have it write where that user may not. With the user's
//! own identity the kernel checks every file as if the user had opened it, whatever a name points at, and what is made belongs
//! to the user.

use std::marker::PhantomData;

use rustix::process::{Gid, Uid, getgroups};
use rustix::thread::{set_thread_groups, set_thread_res_gid, set_thread_res_uid};

use crate::error::JournalError;

/// User and group whose rights are taken for everything in a run directory: the invoking user's under sudo, none elsewhere.
pub type Owner = Option<(u32, u32)>;

/// The calling thread acts with another user's rights while this lives (setresuid(2), which the kernel does thread by thread).
#[derive(Debug)]
pub(crate) struct Rights {
    before: Option<(Uid, Gid, Vec<Gid>)>,
    /// It is the thread's, and stays with it.
    of_thread: PhantomData<*const ()>,
}

impl Rights {
    /// Takes the owner's rights; nothing where there is none. Supplementary groups are left behind.
    pub(crate) fn take(owner: Owner) -> Result<Self, JournalError> {
        let of_thread = PhantomData;
        let Some((uid, gid)) = owner else { return Ok(Self { before: None, of_thread }) };
        let refused = |call: &'static str, id: String| {
            move |why: rustix::io::Errno| JournalError::Rights { call, id, why: why.into() }
        };
        // −1 would mean "as it is", and leave root's rights in place.
        if uid == u32::MAX || gid == u32::MAX {
            return Err(refused("setresuid", uid.to_string())(rustix::io::Errno::INVAL));
        }
        let groups = getgroups().map_err(refused("getgroups", String::new()))?;
        let before = (rustix::process::geteuid(), rustix::process::getegid(), groups);
        // From here on whatever fails is taken back by the drop.
        let taken = Self { before: Some(before), of_thread };
        set_thread_groups(&[]).map_err(refused("setgroups", String::new()))?;
        set_thread_res_gid(None, Gid::from_raw(gid), None)
            .map_err(refused("setresgid", gid.to_string()))?;
        set_thread_res_uid(None, Uid::from_raw(uid), None)
            .map_err(refused("setresuid", uid.to_string()))?;
        Ok(taken)
    }
}

/// Does something with the owner's rights: what is neither a run's own file nor named by one, such as a page to write or a table
/// to read, where root could reach what the owner may not.
///
/// # Errors
/// The rights cannot be taken.
pub fn with_rights<T>(owner: Owner, act: impl FnOnce() -> T) -> Result<T, JournalError> {
    let _rights = Rights::take(owner)?;
    Ok(act())
}

impl Drop for Rights {
    fn drop(&mut self) {
        let Some((uid, gid, groups)) = self.before.take() else { return };
        // The user first: with it come the capabilities to set the others (capabilities(7)). The real user is still root,
        // so that none of them fails.
        let _ = set_thread_res_uid(None, uid, None);
        let _ = set_thread_res_gid(None, gid, None);
        let _ = set_thread_groups(&groups);
    }
}
