//! Files that the tests share.

use std::fs;
use std::path::{Path, PathBuf};

use racegate_scenario::Source;

/// The `.toml` files of a folder of this crate, by name.
pub(crate) fn folder(name: &str) -> Vec<(String, Source)> {
    let folder: PathBuf = Path::new(env!("CARGO_MANIFEST_DIR")).join(name);
    let mut files: Vec<PathBuf> = fs::read_dir(&folder)
        .expect("the folder exists")
        .map(|entry| entry.expect("a readable entry").path())
        .collect();
    files.retain(|path| {
        path.extension()
            .is_some_and(|extension| extension == "toml")
    });
    files.sort();
    assert!(!files.is_empty(), "{}: no scenario", folder.display());
    files
        .iter()
        .map(|path| {
            let name = path
                .file_stem()
                .expect("a file has a name")
                .to_string_lossy()
                .into_owned();
            let text = fs::read_to_string(path).expect("UTF-8 text");
            (name.clone(), Source::new(format!("{name}.toml"), text))
        })
        .collect()
}

/// Everything that must parse: the repository's scenarios and the examples.
pub(crate) fn good() -> Vec<(String, Source)> {
    let mut all = folder("tests/good");
    all.extend(folder("../../scenarios"));
    all
}
