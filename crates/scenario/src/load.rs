//! Scenario files from disk: read within bounds, and told apart from what is no text.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use racegate_model::scenario::Scenario;

use crate::{Diagnostics, Override, SOURCE_BYTES_MAX, Source, parse_with_files, printable};

/// The largest file of samples, in bytes.
pub(crate) const SAMPLES_BYTES_MAX: usize = 4 << 20;
/// Bytes of all files of samples together: 64 of the largest would take a minute to read.
const ALL_SAMPLES_BYTES_MAX: usize = 16 << 20;

/// Why a scenario cannot be had from a file.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// The file cannot be read, or is no text.
    #[error("{file}: {reason}")]
    File {
        /// Its name, fit for a terminal.
        file: String,
        /// The reason, and a way out where there is one.
        reason: String,
    },
    /// Its mistakes.
    #[error(transparent)]
    Scenario(#[from] Diagnostics),
}

/// Reads and parses the scenario at `path`; the files that it names are relative to it.
///
/// # Errors
/// When the file cannot be read, or all its mistakes.
pub fn load(path: &Path, overrides: &[Override]) -> Result<(Scenario, Source), LoadError> {
    let source = read(path)?;
    let folder = path.parent().unwrap_or(Path::new(""));
    let scenario = parse_in_folder(&source, overrides, folder)?;
    Ok((scenario, source))
}

/// Reads the text of the scenario at `path`; `-` is standard input.
///
/// # Errors
/// When the file cannot be read, or is no text.
pub fn read(path: &Path) -> Result<Source, LoadError> {
    read_within(path, SOURCE_BYTES_MAX)
}

/// Reads a text of at most `most` bytes.
pub(crate) fn read_within(path: &Path, most: usize) -> Result<Source, LoadError> {
    let mut name = path.display().to_string();
    let text = if name == "-" {
        "standard input".clone_into(&mut name);
        text_of(io::stdin(), most)
    } else {
        read_text(path, most)
    };
    match text {
        Ok(text) => Ok(Source::new(name, text)),
        Err(reason) => Err(LoadError::File {
            file: printable(&name).into_owned(),
            reason,
        }),
    }
}

/// Parses a scenario whose files are in `folder`. Each is read once.
///
/// # Errors
/// If the scenario, an override or a named file has a mistake: all of them are reported.
pub fn parse_in_folder(
    source: &Source,
    overrides: &[Override],
    folder: &Path,
) -> Result<Scenario, Diagnostics> {
    let known: RefCell<BTreeMap<String, Result<String, String>>> = RefCell::default();
    let room = RefCell::new(ALL_SAMPLES_BYTES_MAX);
    let read = |name: &str| {
        if let Some(text) = known.borrow().get(name) {
            return text.clone();
        }
        let mut text = read_text(&folder.join(name), SAMPLES_BYTES_MAX);
        let mut room = room.borrow_mut();
        match &text {
            Ok(read) if read.len() > *room => {
                let most = ALL_SAMPLES_BYTES_MAX;
                text = Err(format!("all files together have more than {most} bytes"));
            }
            Ok(read) => *room -= read.len(),
            Err(_) => {}
        }
        known.borrow_mut().insert(name.to_owned(), text.clone());
        text
    };
    parse_with_files(source, overrides, &read)
}

/// The text of a file of at most `most` bytes; the error says why it cannot be had.
fn read_text(path: &Path, most: usize) -> Result<String, String> {
    File::open(path)
        .map_err(|error| error.to_string())
        .and_then(|file| text_of(file, most))
}

/// The text of at most `most` bytes. No more is read than that, whatever the file is.
fn text_of(from: impl Read, most: usize) -> Result<String, String> {
    let mut bytes = Vec::new();
    let read = from.take(most as u64 + 1).read_to_end(&mut bytes);
    if let Err(error) = read {
        return Err(if error.kind() == io::ErrorKind::IsADirectory {
            "is a folder; name a file in it".to_owned()
        } else {
            error.to_string()
        });
    }
    if bytes.len() > most {
        return Err(format!("has more than {most} bytes, which is the most"));
    }
    decode(bytes)
}

/// The text of bytes that must be UTF-8; a byte-order mark is passed over. The error names what
/// the bytes are instead, as far as they tell.
fn decode(bytes: Vec<u8>) -> Result<String, String> {
    const UTF_16: &str = "save it as UTF-8 (`iconv -f UTF-16 -t UTF-8`)";
    let nulls = bytes.iter().take(64).filter(|byte| **byte == 0).count();
    match bytes.as_slice() {
        [0xff, 0xfe, ..] | [0xfe, 0xff, ..] => {
            return Err(format!("is in UTF-16, not in UTF-8; {UTF_16}"));
        }
        [0x1f, 0x8b, ..] | [0x28, 0xb5, 0x2f, 0xfd, ..] | [b'P', b'K', 3, 4, ..] => {
            return Err("is compressed; unpack it first".to_owned());
        }
        _ if nulls >= 8 && nulls * 3 >= bytes.len().min(64) && nulls < bytes.len().min(64) => {
            return Err(format!("looks like UTF-16, not UTF-8; {UTF_16}"));
        }
        _ => {}
    }
    let text = String::from_utf8(bytes).map_err(|error| {
        let at = error.utf8_error().valid_up_to();
        let bytes = error.as_bytes();
        let before = &bytes[..at];
        let line = before.iter().filter(|byte| **byte == b'\n').count() + 1;
        let start = before.iter().rposition(|byte| *byte == b'\n');
        let column = String::from_utf8_lossy(&before[start.map_or(0, |at| at + 1)..])
            .chars()
            .count()
            + 1;
        let byte = bytes.get(at).copied().unwrap_or_default();
        let latin = char::from(byte);
        let guess = if byte >= 0xa0 {
            format!(" (in Latin-1 it would be `{latin}`)")
        } else {
            String::new()
        };
        format!(
            "is not in UTF-8: line {line}, column {column} has the byte 0x{byte:02x}{guess}; save \
             it as UTF-8 (`iconv -f LATIN1 -t UTF-8`)"
        )
    })?;
    match text.strip_prefix('\u{feff}') {
        Some(marked) => Ok(marked.to_owned()),
        None => Ok(text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_in_another_encoding_is_told_so_with_the_place_and_a_way_out() {
        let utf_16 =
            |units: &mut dyn Iterator<Item = u16>| units.flat_map(u16::to_le_bytes).collect();
        let text = "name = \"a\"\nseed = 1\n";
        let marked: Vec<u8> = utf_16(&mut "\u{feff}".encode_utf16().chain(text.encode_utf16()));
        let unmarked: Vec<u8> = utf_16(&mut text.encode_utf16());
        let latin = b"name = \"a\"\ndescription = \"caf\xe9\"\n".to_vec();
        for (bytes, words) in [
            (marked, vec!["UTF-16", "iconv"]),
            (unmarked, vec!["looks like UTF-16", "iconv"]),
            (
                latin,
                vec!["line 2, column 19", "0xe9", "`\u{e9}`", "iconv"],
            ),
            (vec![0x1f, 0x8b, 8, 0], vec!["compressed"]),
            (vec![b'a', 0x80], vec!["line 1, column 2", "0x80"]),
        ] {
            let error = decode(bytes).unwrap_err();
            assert!(words.iter().all(|word| error.contains(word)), "{error}");
        }
        let bom = [b"\xef\xbb\xbf".as_slice(), text.as_bytes()].concat();
        assert_eq!(decode(bom).as_deref(), Ok(text));
    }

    #[cfg(unix)]
    #[test]
    fn no_more_is_read_than_is_allowed_however_long_a_file_goes_on() {
        let error = load(Path::new("/dev/zero"), &[]).unwrap_err().to_string();
        assert!(error.contains("more than 1048576 bytes"), "{error}");
        let law = "name = \"a\"\n[workload]\nexecutor = \"constant-arrival-rate\"\nrate = \"1/s\"\n\
                   duration = \"1s\"\ncall_duration = { empirical = { file = \"zero\" } }\n\
                   [[gate]]\nname = \"g\"\nstrategy = \"none\"\n";
        let folder = Path::new("/dev");
        let error = parse_in_folder(&Source::new("a.toml", law), &[], folder).unwrap_err();
        assert!(
            error.to_string().contains("more than 4194304 bytes"),
            "{error}"
        );
    }
}
