//! What the end line says of all lines before it: how many they are, and their digest. It is that
//! of `zstd -dc history.ndjson.zst | head -n -1 | sha256sum`.

use racegate_model::history::Entry;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

/// A running digest of lines.
#[derive(Clone, Debug, Default)]
pub(super) struct Digest {
    lines: u64,
    hash: Sha256,
}

impl Digest {
    /// Adds a line, given without its line feed.
    pub(super) fn add(&mut self, line: &[u8]) {
        self.lines += 1;
        self.hash.update(line);
        self.hash.update(b"\n");
    }

    fn seal(&self) -> Seal {
        let hash = self.hash.clone().finalize();
        Seal {
            lines: self.lines,
            sha256: hash.iter().map(|byte| format!("{byte:02x}")).collect(),
        }
    }
}

/// The end line.
#[derive(Serialize)]
pub(super) struct Sealed<'a> {
    #[serde(flatten)]
    end: &'a Entry,
    seal: Seal,
}

impl<'a> Sealed<'a> {
    /// `end`, after the lines of `digest`.
    pub(super) fn new(end: &'a Entry, digest: &Digest) -> Self {
        Self {
            end,
            seal: digest.seal(),
        }
    }
}

/// What an end line says of the lines before it.
#[derive(PartialEq, Eq, Debug, Serialize, Deserialize)]
struct Seal {
    lines: u64,
    sha256: String,
}

/// Whether the end line `line` is about the lines of `digest`; the error says what differs.
pub(super) fn verify(line: &[u8], digest: &Digest) -> Result<(), String> {
    #[derive(Deserialize)]
    struct End {
        seal: Seal,
    }
    let End { seal } = serde_json::from_slice(line)
        .map_err(|_| "the end line has no digest of the others".to_owned())?;
    let found = digest.seal();
    if seal.lines != found.lines {
        return Err(format!(
            "the end line counts {} lines before it, and there are {}",
            seal.lines, found.lines
        ));
    }
    if seal != found {
        return Err("the digest of the lines is not the one of the end line".to_owned());
    }
    Ok(())
}
