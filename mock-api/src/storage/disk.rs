//! Objects as files: what is put is written through, and what a folder holds is there again after a
//! restart. A key's segments are a file's path, escaped so that no key leads out of the folder; a
//! key that is too long for a path lies under its digest.

use std::fmt::Write as _;
use std::fs::{self, File, TryLockError};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use bytes::Bytes;
use sha2::{Digest, Sha256};

use super::object::{Attributes, Object, hex};
use super::record::Record;

/// A folder of objects, of one process at a time.
#[derive(Debug)]
pub(super) struct Disk {
    root: PathBuf,
    /// The system gives it back when the process ends, however it ends.
    _lock: File,
}

/// An object that was found in the folder.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) key: String,
    pub(super) body: Vec<u8>,
    pub(super) modified_at: SystemTime,
    /// None if all of it goes without saying.
    pub(super) record: Option<Record>,
}

/// Why an object's files are left alone.
#[derive(Debug, thiserror::Error)]
pub(super) enum Damage {
    #[error("{path} cannot be read ({source})", path = path.display())]
    Unreadable { path: PathBuf, source: io::Error },
    #[error("{path} is not what was put: its length or its checksum is another", path = path.display())]
    Altered { path: PathBuf },
}

/// Ending of a file that holds an object's bytes.
const OBJECT: &str = "%object";
/// Ending of a file that is being written; no escaped key has it.
const PARTIAL: &str = "%partial";
/// Ending of what a key says beside its bytes.
const BESIDE: &str = "%attributes";
/// Ending of what it will say, until the bytes are in place.
const NEXT: &str = "%attributes%next";
/// The folder of a bucket's keys that no path holds.
const LONG: &str = "%long";
/// The file that a process locks.
const LOCK: &str = "%lock";
/// Bytes of a name at most: 255 in the file systems that matter, less the longest ending.
const NAME_MAX: usize = 200;
/// Bytes of a key's path at most, well below the 4,096 that a system takes with all before it.
const PATH_MAX: usize = 1024;

impl Disk {
    /// # Errors
    /// When the folder cannot be made, or is another process's.
    pub(super) fn open(root: &Path) -> io::Result<Self> {
        fs::create_dir_all(root)?;
        Ok(Self {
            root: root.to_owned(),
            _lock: locked(&root.join(LOCK))?,
        })
    }

    pub(super) fn create_bucket(&self, bucket: &str) -> io::Result<()> {
        fs::create_dir_all(self.root.join(escape(bucket)))
    }

    /// Writes an object: whole or not at all. What is said of it names its bytes' checksum, so that
    /// a process that ends between the two files leaves no doubt which belong together.
    pub(super) fn put(&self, bucket: &str, key: &str, object: &Object) -> io::Result<()> {
        let path = self.path(bucket, key);
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder)?;
        }
        let (beside, next) = (with_ending(&path, BESIDE), with_ending(&path, NEXT));
        let goes_without_saying = *object.attributes() == implied(key)
            && object.content().parts().is_empty()
            && !is_long(key);
        if goes_without_saying && !beside.exists() {
            // The rest of a put that did not come about would be taken for this one's.
            remove(&next)?;
            return write(&path, object.pieces(), object.last_modified());
        }
        let record = Record::of(key, object).to_json();
        write(&next, &[record], object.last_modified())?;
        write(&path, object.pieces(), object.last_modified())?;
        fs::rename(&next, &beside)
    }

    pub(super) fn delete(&self, bucket: &str, key: &str) -> io::Result<()> {
        let path = self.path(bucket, key);
        remove(&path)?;
        remove(&with_ending(&path, NEXT))?;
        remove(&with_ending(&path, BESIDE))
    }

    /// Shows everything that a bucket's folder holds, and what of it is damaged.
    pub(super) fn each(
        &self,
        bucket: &str,
        mut show: impl FnMut(Result<Found, Damage>),
    ) -> io::Result<()> {
        let folder = self.root.join(escape(bucket));
        collect(&folder, "", &mut show)?;
        let long = folder.join(LONG);
        if !long.exists() {
            return Ok(());
        }
        for entry in fs::read_dir(long)? {
            let path = entry?.path();
            if path.to_str().is_some_and(|name| name.ends_with(OBJECT)) {
                show(found(path, None));
            }
        }
        Ok(())
    }

    fn path(&self, bucket: &str, key: &str) -> PathBuf {
        let mut path = self.root.join(escape(bucket));
        if is_long(key) {
            path.push(LONG);
            path.push(hex(&Sha256::digest(key)));
        } else {
            // A key that is a folder of others has a file of its own beside them.
            path.extend(key.split('/').map(escape));
        }
        with_ending(&path, OBJECT)
    }
}

fn locked(path: &Path) -> io::Result<File> {
    let mut options = File::options();
    let file = options
        .create(true)
        .truncate(false)
        .write(true)
        .open(path)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(io::Error::new(
            io::ErrorKind::ResourceBusy,
            "another server keeps its objects there",
        )),
        Err(TryLockError::Error(error)) if error.kind() == io::ErrorKind::Unsupported => {
            tracing::warn!(path = %path.display(), "the file system has no locks");
            Ok(file)
        }
        Err(TryLockError::Error(error)) => Err(error),
    }
}

fn is_long(key: &str) -> bool {
    let names = || key.split('/').map(|segment| escape(segment).len());
    names().any(|length| length > NAME_MAX)
        || names().map(|length| length + 1).sum::<usize>() > PATH_MAX
}

fn collect(
    folder: &Path,
    prefix: &str,
    show: &mut impl FnMut(Result<Found, Damage>),
) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let name = entry.file_name();
        let Some(name) = name.to_str() else { continue };
        if entry.file_type()?.is_dir() {
            let Some(segment) = unescape(name) else {
                continue;
            };
            collect(&entry.path(), &format!("{prefix}{segment}/"), show)?;
            continue;
        }
        let Some(segment) = name.strip_suffix(OBJECT).and_then(unescape) else {
            continue;
        };
        show(found(entry.path(), Some(format!("{prefix}{segment}"))));
    }
    Ok(())
}

/// What lies at `path`; the key of a long one is in its record.
fn found(path: PathBuf, key: Option<String>) -> Result<Found, Damage> {
    let unreadable = path.clone();
    let read = |source| Damage::Unreadable {
        path: unreadable.clone(),
        source,
    };
    let body = fs::read(&path).map_err(read)?;
    let modified_at = fs::metadata(&path)
        .and_then(|known| known.modified())
        .map_err(read)?;
    let mut said = false;
    for ending in [BESIDE, NEXT] {
        let beside = with_ending(&path, ending);
        let text = match fs::read(&beside) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            Err(source) => {
                let path = beside;
                return Err(Damage::Unreadable { path, source });
            }
        };
        said = true;
        let record = Record::of_json(&text).filter(|record| record.is_of(&body));
        let Some(record) = record else { continue };
        let Some(key) = key.clone().or_else(|| record.key.clone()) else {
            continue;
        };
        if ending == NEXT {
            // The put that was cut short is brought to its end.
            let settled = with_ending(&path, BESIDE);
            fs::rename(&beside, settled).map_err(read)?;
        }
        return Ok(Found {
            key,
            body,
            modified_at,
            record: Some(record),
        });
    }
    match key {
        Some(key) if !said => Ok(Found {
            key,
            body,
            modified_at,
            record: None,
        }),
        _ => Err(Damage::Altered { path }),
    }
}

/// The attributes that go without saying.
pub(super) fn implied(key: &str) -> Attributes {
    let ending = key.rsplit('.').next().unwrap_or_default();
    match ending {
        "json" => Attributes::JSON,
        "opus" => Attributes::AUDIO,
        _ => Attributes::BINARY,
    }
}

fn write(path: &Path, pieces: &[Bytes], modified_at: SystemTime) -> io::Result<()> {
    let partial = with_ending(path, PARTIAL);
    let written = File::create(&partial)
        .and_then(|mut file| {
            pieces.iter().try_for_each(|piece| file.write_all(piece))?;
            file.set_modified(modified_at)
        })
        .and_then(|()| fs::rename(&partial, path));
    if written.is_err() {
        drop(fs::remove_file(&partial));
    }
    written
}

fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

fn with_ending(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(ending);
    path.with_file_name(name)
}

/// A segment as a file's name: letters, digits and a few marks stand for themselves, everything
/// else for its bytes in hex. An empty segment, `.` and `..` are no names.
fn escape(segment: &str) -> String {
    let mut name = String::with_capacity(segment.len());
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_=.".contains(&byte);
    let dots = segment.bytes().all(|byte| byte == b'.');
    for byte in segment.bytes() {
        if plain(byte) && !dots {
            name.push(char::from(byte));
        } else {
            // Writing to a string does not fail.
            let _ = write!(name, "%{byte:02x}");
        }
    }
    if segment.is_empty() {
        name.push_str("%empty");
    }
    name
}

fn unescape(name: &str) -> Option<String> {
    if name == "%empty" {
        return Some(String::new());
    }
    let mut bytes = Vec::with_capacity(name.len());
    let mut rest = name.bytes();
    while let Some(byte) = rest.next() {
        if byte != b'%' {
            bytes.push(byte);
            continue;
        }
        let digits = [rest.next()?, rest.next()?];
        let digits = std::str::from_utf8(&digits).ok()?;
        bytes.push(u8::from_str_radix(digits, 16).ok()?);
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::super::Store;
    use super::*;

    #[test]
    fn a_segment_survives_its_name_and_leads_nowhere_else() {
        for segment in [
            "a",
            "",
            ".",
            "..",
            "...",
            "year=2026",
            "ü/%",
            "a b",
            "%2e%2e",
            "%empty",
            "%long",
        ] {
            let name = escape(segment);
            assert_eq!(unescape(&name).as_deref(), Some(segment));
            assert!(!name.contains('/') && name != "." && name != ".." && !name.is_empty());
        }
        for ours in [LONG, LOCK] {
            assert_eq!(unescape(ours), None);
        }
    }

    #[test]
    fn a_folder_is_one_process_s_until_it_lets_go() {
        let folder = tempfile::tempdir().unwrap();
        let first = Disk::open(folder.path()).unwrap();
        let refused = Disk::open(folder.path()).unwrap_err();
        assert_eq!(refused.kind(), io::ErrorKind::ResourceBusy);
        drop(first);
        Disk::open(folder.path()).unwrap();
    }

    fn open(folder: &Path) -> Store {
        let store = Store::in_folder(1 << 20, folder).unwrap();
        store.create_bucket("org").unwrap();
        store
    }

    fn put(store: &Store, body: &str) {
        let mut attributes = Attributes::JSON;
        let said = ("said".to_owned(), format!("of {body}"));
        attributes.user_metadata.extend([said]);
        let body = body.to_owned().into();
        store.put("org", "k", body, attributes).unwrap();
    }

    fn read(folder: &Path) -> Option<(Bytes, String)> {
        let object = open(folder).get("org", "k")?;
        let said = object.attributes().user_metadata["said"].clone();
        Some((object.body(), said))
    }

    #[test]
    fn a_put_that_was_cut_short_is_all_of_it_or_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        let file = |ending: &str| root.join("org").join(format!("k%object{ending}"));
        let store = open(root);
        put(&store, "one");
        let of_one = fs::read(file(BESIDE)).unwrap();
        put(&store, "two");
        let of_two = fs::read(file(BESIDE)).unwrap();
        drop(store);
        let two = Some((Bytes::from("two"), "of two".to_owned()));
        // Cut between the bytes and what is said of them.
        fs::write(file(BESIDE), &of_one).unwrap();
        fs::write(file(NEXT), &of_two).unwrap();
        assert_eq!(read(root), two);
        assert!(!file(NEXT).exists(), "the put is brought to its end");
        // Cut before the bytes.
        fs::write(file(NEXT), &of_one).unwrap();
        assert_eq!(read(root), two);
        fs::write(file(NEXT), &of_one[..9]).unwrap();
        assert_eq!(read(root), two);
    }

    #[test]
    fn what_was_altered_is_left_out_and_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        put(&open(root), "one");
        let file = root.join("org").join("k%object");
        for altered in ["onf", "on", ""] {
            fs::write(&file, altered).unwrap();
            assert_eq!(read(root), None, "{altered:?}");
            assert_eq!(fs::read(&file).unwrap(), altered.as_bytes());
        }
        fs::write(&file, "one").unwrap();
        assert_eq!(read(root).unwrap().0, "one");
        fs::write(with_ending(&file, BESIDE), "{").unwrap();
        assert_eq!(read(root), None);
    }
}
