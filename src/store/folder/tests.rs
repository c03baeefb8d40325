//! A run's folder as it is made, found and filled.

use super::*;
use crate::store::run_file::tests::stored;

fn temporary() -> tempfile::TempDir {
    tempfile::tempdir().unwrap()
}

#[test]
fn a_new_folder_is_found_again_by_its_name_and_as_the_latest() {
    let reports = temporary();
    let place = Place::Under(reports.path().to_path_buf());
    let first = RunFolder::create_at(&place, stored()).unwrap();
    let second = RunFolder::create_at(&place, stored()).unwrap();
    let expected = format!("spike/20261121T095656Z-{}", u64::MAX);
    assert_eq!(first.path(), reports.path().join(&expected));
    assert_eq!(second.path(), reports.path().join(format!("{expected}-2")));
    let again = RunFolder::open(first.path()).unwrap();
    assert_eq!(
        (again.path(), again.stored()),
        (first.path(), first.stored())
    );
    let latest = RunFolder::open(&reports.path().join("spike/latest")).unwrap();
    assert_eq!(
        latest.path().canonicalize().unwrap(),
        second.path().canonicalize().unwrap()
    );
}

#[test]
fn a_latest_that_is_a_file_is_followed() {
    let reports = temporary();
    let run = RunFolder::create_at(
        &Place::Folder(reports.path().join("a"), Existing::Kept),
        stored(),
    )
    .unwrap();
    fs::write(reports.path().join("latest"), "a\n").unwrap();
    let latest = RunFolder::open(&reports.path().join("latest")).unwrap();
    assert_eq!(latest.path(), run.path());
}

fn names(folder: &Path) -> Vec<String> {
    let mut names = names_in(folder).unwrap();
    names.sort();
    names
}

#[test]
fn an_earlier_run_is_kept_unless_it_is_to_be_replaced_and_nothing_else_is_touched() {
    let folder = temporary();
    let path = folder.path();
    let keep = Place::Folder(path.to_path_buf(), Existing::Kept);
    let replace = Place::Folder(path.to_path_buf(), Existing::Replaced);
    let first = RunFolder::create_at(&keep, stored()).unwrap();
    first.write("summary.json", b"old").unwrap();
    first.write("added-delay-cdf.svg", b"old").unwrap();
    drop(first);
    for mine in ["notes.txt", "mine.png", ".latency.hlog.x7.part"] {
        fs::write(path.join(mine), "mine").unwrap();
    }
    fs::create_dir(path.join("audio")).unwrap();
    fs::write(path.join("audio/a.ogg"), "old").unwrap();
    fs::write(path.join("audio/list.txt"), "mine").unwrap();
    let before = names(path);
    let error = RunFolder::create_at(&keep, stored()).unwrap_err();
    assert!(matches!(error, CreateError::Exists(_)), "{error}");
    assert!(error.to_string().contains("--force"), "{error}");
    assert_eq!(names(path), before);
    RunFolder::create_at(&replace, stored()).unwrap();
    let left = [".lock", "audio", "mine.png", "notes.txt", "run.toml"];
    assert_eq!(names(path), left);
    assert_eq!(names(&path.join("audio")), ["list.txt"]);
}

#[test]
fn a_folder_has_one_writer_until_it_is_gone() {
    let folder = temporary();
    let path = folder.path().join("run");
    let place = Place::Folder(path.clone(), Existing::Replaced);
    let writer = RunFolder::create_at(&place, stored()).unwrap();
    let error = RunFolder::create_at(&place, stored()).unwrap_err();
    assert!(matches!(error, CreateError::Busy(_)), "{error}");
    let mut reader = RunFolder::open(&path).unwrap();
    assert!(!reader.claim().unwrap());
    drop(writer);
    assert!(reader.claim().unwrap());
    let error = RunFolder::create_at(&place, stored()).unwrap_err();
    assert!(matches!(error, CreateError::Busy(_)), "{error}");
    drop(reader);
    RunFolder::create_at(&place, stored()).unwrap();
}

#[test]
fn two_that_write_a_file_at_once_leave_one_of_the_two_whole() {
    let folder = temporary();
    let place = Place::Folder(folder.path().to_path_buf(), Existing::Kept);
    let run = RunFolder::create_at(&place, stored()).unwrap();
    let long = |letter: u8| vec![letter; 100_000];
    run.write_with("report.md", |file| {
        file.write_all(&long(b'a'))?;
        run.write("report.md", &long(b'b'))
            .map_err(|error| error.source)?;
        file.write_all(&long(b'a'))
    })
    .unwrap();
    let text = fs::read(folder.path().join("report.md")).unwrap();
    assert!(text == [long(b'a'), long(b'a')].concat());
    assert_eq!(names(folder.path()), [".lock", "report.md", "run.toml"]);
}

#[test]
fn a_folder_of_something_else_is_refused() {
    let folder = temporary();
    fs::write(folder.path().join("thesis.tex"), "years of work").unwrap();
    let place = Place::Folder(folder.path().to_path_buf(), Existing::Kept);
    let error = RunFolder::create_at(&place, stored()).unwrap_err();
    assert!(matches!(error, CreateError::Occupied(_)), "{error}");
    assert!(error.to_string().contains("choose another --out"));
    let error = RunFolder::open(folder.path()).unwrap_err();
    assert!(
        error.to_string().contains("there is no run.toml"),
        "{error}"
    );
}

#[test]
fn a_place_that_cannot_be_written_is_told_with_its_path() {
    // A file stands where a folder must be: that fails for every user, root included.
    let folder = temporary();
    let blocked = folder.path().join("blocked");
    fs::write(&blocked, "").unwrap();
    for place in [
        Place::Folder(blocked.join("run"), Existing::Kept),
        Place::Under(blocked.clone()),
    ] {
        let error = RunFolder::create_at(&place, stored())
            .unwrap_err()
            .to_string();
        assert!(
            error.contains("blocked") && error.contains("choose another"),
            "{error}"
        );
    }
}

#[test]
fn only_plain_names_are_written_and_no_draft_is_left() {
    let folder = temporary();
    let place = Place::Folder(folder.path().to_path_buf(), Existing::Kept);
    let run = RunFolder::create_at(&place, stored()).unwrap();
    for name in ["../escape", "a/b", "", "..", "/etc/x"] {
        assert!(run.write(name, b"").is_err(), "{name:?}");
    }
    fs::create_dir(folder.path().join("report.md")).unwrap();
    let error = run.write("report.md", b"text").unwrap_err();
    assert!(error.to_string().contains("report.md"), "{error}");
    assert_eq!(names(folder.path()), [".lock", "report.md", "run.toml"]);
}

#[test]
fn a_missing_summary_or_history_is_none_and_a_broken_one_an_error() {
    let folder = temporary();
    let place = Place::Folder(folder.path().to_path_buf(), Existing::Kept);
    let run = RunFolder::create_at(&place, stored()).unwrap();
    assert!(run.summary().unwrap().is_none());
    assert_eq!(run.read_history().unwrap().count(), 0);
    run.write("summary.json", b"{}").unwrap();
    assert!(matches!(run.summary(), Err(OpenError::Summary { .. })));
}

#[test]
fn a_scenario_s_name_cannot_leave_the_reports() {
    for (name, expected) in [
        ("../../etc", "..-..-etc"),
        ("..", "scenario"),
        ("", "scenario"),
        ("Größe 2", "Größe-2"),
    ] {
        assert_eq!(file_name(name), expected);
    }
}
