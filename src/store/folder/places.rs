//! Where runs' folders are, what they are called, and which of their files are a run's own.

use super::*;

/// Removes recordings, and their folder if nothing else is in it.
pub(super) fn clear_audio(path: &Path) -> io::Result<()> {
    for name in names_in(path)? {
        if name.ends_with(".ogg") {
            fs::remove_file(path.join(name))?;
        }
    }
    match fs::remove_dir(path) {
        Err(error) if error.kind() != io::ErrorKind::DirectoryNotEmpty => Err(error),
        _ => Ok(()),
    }
}

/// Names of what is in a folder; one that is no text is not ours, and no name.
pub(super) fn names_in(path: &Path) -> io::Result<Vec<String>> {
    let entries = fs::read_dir(path)?;
    let name =
        |entry: io::Result<fs::DirEntry>| Ok(entry?.file_name().to_string_lossy().into_owned());
    entries.map(name).collect()
}

/// Whether a run writes such a file.
pub(super) fn is_ours(name: &str) -> bool {
    let own = [
        RUN,
        HISTORY,
        SUMMARY,
        LATENCY,
        RECORDINGS,
        DEAD_LETTERS,
        REPLICATIONS,
        MODEL_REPLICATIONS,
    ];
    let of_judge = ["judge.json", "exporter.out", "exporter.err", "exporter.env"];
    let is_draft = name.starts_with('.') && name.ends_with(DRAFT_SUFFIX);
    is_draft
        || own.contains(&name)
        || of_judge.contains(&name)
        || report::files().any(|file| file == name)
}

/// A new folder in `parent`; a second one within a second gets a number.
pub(super) fn new_folder(parent: &Path, run: &Stored) -> Result<PathBuf, CreateError> {
    let failed = |path: &Path, source| CreateError::Io {
        path: path.to_path_buf(),
        source,
    };
    fs::create_dir_all(parent).map_err(|source| failed(parent, source))?;
    let utc: String = run
        .started
        .chars()
        .filter(|c| c.is_ascii_alphanumeric())
        .collect();
    let name = format!("{utc}-{}", run.seed);
    let mut path = parent.join(&name);
    let mut number = 2;
    loop {
        match fs::create_dir(&path) {
            Ok(()) => return Ok(path),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                path = parent.join(format!("{name}-{number}"));
                number += 1;
            }
            Err(source) => return Err(failed(&path, source)),
        }
    }
}

/// A name that is one component of a path everywhere.
pub(super) fn file_name(name: &str) -> String {
    let safe = |c: char| {
        if c.is_alphanumeric() || "-_.".contains(c) {
            c
        } else {
            '-'
        }
    };
    let name: String = name.chars().map(safe).collect();
    if name.trim_matches('.').is_empty() {
        "scenario".to_owned()
    } else {
        name
    }
}

/// Makes `latest` point at `folder`, or say its name where there are no symbolic links. A
/// convenience: a run does not fail for want of it.
pub(super) fn point_at(folder: &Path) {
    let (Some(parent), Some(name)) = (folder.parent(), folder.file_name()) else {
        return;
    };
    let draft = parent.join(format!(".{LATEST}.{}", std::process::id()));
    let made = link(Path::new(name), &draft)
        .or_else(|_| fs::write(&draft, name.to_string_lossy().as_bytes()));
    if made
        .and_then(|()| fs::rename(&draft, parent.join(LATEST)))
        .is_err()
    {
        drop(fs::remove_file(&draft));
    }
}

#[cfg(unix)]
pub(super) fn link(target: &Path, at: &Path) -> io::Result<()> {
    std::os::unix::fs::symlink(target, at)
}

#[cfg(not(unix))]
pub(super) fn link(_: &Path, _: &Path) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

/// The folder meant by `path`, which may be a `latest` that is a file.
pub(super) fn follow(path: &Path) -> PathBuf {
    let names = || {
        let name = fs::read_to_string(path).ok()?;
        Some(path.parent()?.join(file_name(name.trim())))
    };
    let is_pointer = path.file_name().is_some_and(|name| name == LATEST) && path.is_file();
    is_pointer
        .then(names)
        .flatten()
        .unwrap_or_else(|| path.to_path_buf())
}
