//! A folder has one writer at a time: a lock on a file in it, which the system releases when the
//! process ends, however it ends.

use std::fs::{File, OpenOptions, TryLockError};
use std::io;
use std::path::Path;

/// The file that is locked; it stays.
pub(super) const LOCK: &str = ".lock";

/// Who may write to a folder.
#[derive(Debug)]
pub(super) enum Claim {
    /// This process, as long as the file is open. None where the file system has no locks.
    Ours(Option<File>),
    /// Another process.
    Another,
}

/// Claims the folder at `path` for this process.
pub(super) fn claim(path: &Path) -> io::Result<Claim> {
    let mut options = OpenOptions::new();
    let file = options.create(true).truncate(false).write(true);
    let file = file.open(path.join(LOCK))?;
    match file.try_lock() {
        Ok(()) => Ok(Claim::Ours(Some(file))),
        Err(TryLockError::WouldBlock) => Ok(Claim::Another),
        Err(TryLockError::Error(error)) if error.kind() == io::ErrorKind::Unsupported => {
            Ok(Claim::Ours(None))
        }
        Err(TryLockError::Error(error)) => Err(error),
    }
}
