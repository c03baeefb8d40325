//! Objects as files: what is put is written through, and what a folder holds is there again after a
//! restart. A key's segments are a file's path, escaped so that no key leads out of the folder.

use std::fmt::Write as _;
use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use bytes::Bytes;

use super::object::Attributes;

/// A folder of objects.
#[derive(Debug)]
pub(super) struct Disk {
    root: PathBuf,
}

/// An object that was found in the folder.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) key: String,
    pub(super) body: Vec<u8>,
    pub(super) attributes: Attributes,
}

/// Ending of a file that is being written; no escaped key has it.
const PARTIAL: &str = "%partial";
/// Ending of what a key says beside its bytes.
const BESIDE: &str = "%attributes";

impl Disk {
    /// # Errors
    /// When the folder cannot be made.
    pub(super) fn open(root: &Path) -> io::Result<Self> {
        fs::create_dir_all(root)?;
        Ok(Self {
            root: root.to_owned(),
        })
    }

    pub(super) fn create_bucket(&self, bucket: &str) -> io::Result<()> {
        fs::create_dir_all(self.root.join(escape(bucket)))
    }

    /// Writes an object: whole or not at all.
    pub(super) fn put(
        &self,
        bucket: &str,
        key: &str,
        body: &[Bytes],
        attributes: &Attributes,
    ) -> io::Result<()> {
        let path = self.path(bucket, key);
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder)?;
        }
        let beside = with_ending(&path, BESIDE);
        if *attributes == implied(key) {
            remove(&beside)?;
        } else {
            let said = serde_json::json!({
                "contentType": attributes.content_type,
                "userMetadata": attributes.user_metadata,
            });
            write(&beside, &[said.to_string().into()])?;
        }
        write(&path, body)
    }

    pub(super) fn delete(&self, bucket: &str, key: &str) -> io::Result<()> {
        let path = self.path(bucket, key);
        remove(&with_ending(&path, BESIDE))?;
        remove(&path)
    }

    /// Everything that a bucket's folder holds.
    pub(super) fn objects(&self, bucket: &str) -> io::Result<Vec<Found>> {
        let folder = self.root.join(escape(bucket));
        let mut found = Vec::new();
        collect(&folder, "", &mut found)?;
        Ok(found)
    }

    fn path(&self, bucket: &str, key: &str) -> PathBuf {
        let mut path = self.root.join(escape(bucket));
        // A key that is a folder of others has a file of its own beside them.
        for segment in key.split('/') {
            path.push(escape(segment));
        }
        with_ending(&path, "%object")
    }
}

fn collect(folder: &Path, prefix: &str, found: &mut Vec<Found>) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let name = entry.file_name();
        let Some(name) = name.to_str() else { continue };
        if entry.file_type()?.is_dir() {
            let Some(segment) = unescape(name) else {
                continue;
            };
            collect(&entry.path(), &format!("{prefix}{segment}/"), found)?;
            continue;
        }
        let Some(segment) = name.strip_suffix("%object").and_then(unescape) else {
            continue;
        };
        let key = format!("{prefix}{segment}");
        let attributes = attributes(&with_ending(&entry.path(), BESIDE), &key);
        found.push(Found {
            body: fs::read(entry.path())?,
            attributes,
            key,
        });
    }
    Ok(())
}

/// What is said beside an object, or goes without saying.
fn attributes(beside: &Path, key: &str) -> Attributes {
    let text = fs::read(beside).ok();
    let said: Option<serde_json::Value> = text.and_then(|text| serde_json::from_slice(&text).ok());
    let Some(said) = said else {
        return implied(key);
    };
    let content_type = said["contentType"].as_str().unwrap_or_default().to_owned();
    let metadata = said["userMetadata"].as_object().into_iter().flatten();
    Attributes {
        content_type: content_type.into(),
        user_metadata: metadata
            .filter_map(|(key, value)| Some((key.clone(), value.as_str()?.to_owned())))
            .collect(),
    }
}

/// The attributes that go without saying.
fn implied(key: &str) -> Attributes {
    let ending = key.rsplit('.').next().unwrap_or_default();
    match ending {
        "json" => Attributes::JSON,
        "opus" => Attributes::AUDIO,
        _ => Attributes::BINARY,
    }
}

fn write(path: &Path, pieces: &[Bytes]) -> io::Result<()> {
    let partial = with_ending(path, PARTIAL);
    let written = fs::File::create(&partial)
        .and_then(|mut file| pieces.iter().try_for_each(|piece| file.write_all(piece)))
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
        ] {
            let name = escape(segment);
            assert_eq!(unescape(&name).as_deref(), Some(segment));
            assert!(!name.contains('/') && name != "." && name != ".." && !name.is_empty());
        }
    }
}
