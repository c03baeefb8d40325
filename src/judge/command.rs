//! The user's command: a process group of its own, bounded in time, its output kept up to a limit.

use std::ffi::OsString;
use std::fs::File;
use std::io::Write as _;
use std::path::Path;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use process_wrap::tokio::{ChildWrapper, CommandWrap, ProcessGroup};
use serde::Serialize;
use tokio::io::{AsyncRead, AsyncReadExt as _};
use tokio::task::JoinHandle;

/// Bytes of each output stream that are kept; what comes after is read and thrown away.
const OUTPUT_KEPT: u64 = 16 << 20;
/// How long a command may take to end once it is asked to.
const GRACE: Duration = Duration::from_secs(5);
/// How long its output may take to end after it.
const OUTPUT_GRACE: Duration = Duration::from_secs(2);
/// SIGTERM has this number on every Unix.
const SIGTERM: i32 = 15;

/// A command that runs.
pub(crate) struct Running {
    child: Box<dyn ChildWrapper>,
    outputs: [JoinHandle<Heard>; 2],
    ended: Option<ExitStatus>,
}

/// What one output stream held.
#[derive(Clone, Copy, Debug, Default)]
struct Heard {
    bytes: u64,
    secrets: u64,
}

/// How a command ended.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize)]
pub(crate) struct Ended {
    /// Its exit code or signal, in words.
    pub(crate) how: String,
    /// Whether it ended by itself, before it was told to.
    pub(crate) by_itself: bool,
    /// Bytes that it wrote to its output streams, kept or not.
    pub(crate) output_bytes: u64,
    /// Lines of output that hold a client secret.
    pub(crate) secrets_in_output: u64,
}

impl Running {
    /// Starts `command`; its output goes to `exporter.out` and `exporter.err` in `folder`.
    ///
    /// # Errors
    /// When the program cannot be started or the files cannot be written.
    pub(crate) fn start(
        command: &[OsString],
        variables: &[(&'static str, String)],
        secret: &str,
        folder: &Path,
    ) -> std::io::Result<Self> {
        let (program, arguments) = command
            .split_first()
            .ok_or_else(|| std::io::Error::other("no command is given"))?;
        let mut wrapped = CommandWrap::with_new(program, |command| {
            command
                .args(arguments)
                .envs(variables.iter().map(|(name, value)| (name, value)))
                .stdin(Stdio::null())
                .stdout(Stdio::piped())
                .stderr(Stdio::piped());
        });
        wrapped.wrap(ProcessGroup::leader());
        let out = File::create(folder.join("exporter.out"))?;
        let err = File::create(folder.join("exporter.err"))?;
        let mut child = wrapped.spawn()?;
        let outputs = [
            tokio::spawn(keep(child.stdout().take(), out, secret.to_owned())),
            tokio::spawn(keep(child.stderr().take(), err, secret.to_owned())),
        ];
        Ok(Self {
            child,
            outputs,
            ended: None,
        })
    }

    /// Whether it has ended by itself.
    pub(crate) fn has_ended(&mut self) -> bool {
        if self.ended.is_none() {
            self.ended = self.child.try_wait().ok().flatten();
        }
        self.ended.is_some()
    }

    /// Waits until it has ended by itself.
    pub(crate) async fn wait(&mut self) {
        if self.ended.is_none() {
            self.ended = self.child.wait().await.ok();
        }
    }

    /// Asks it and its children to end, then makes them.
    pub(crate) async fn end(mut self) -> Ended {
        let by_itself = self.has_ended();
        if !by_itself {
            // It may have ended meanwhile, which is as good.
            drop(self.child.signal(SIGTERM));
            self.ended = match tokio::time::timeout(GRACE, self.child.wait()).await {
                Ok(status) => status.ok(),
                Err(_) => None,
            };
        }
        let how = describe(self.ended);
        // What it left behind in its group, and itself if it did not listen.
        drop(self.child.start_kill());
        let mut ended = Ended {
            how,
            by_itself,
            ..Ended::default()
        };
        for output in self.outputs {
            let abort = output.abort_handle();
            // A grandchild that left the group may hold the pipe open for ever.
            if let Ok(Ok(heard)) = tokio::time::timeout(OUTPUT_GRACE, output).await {
                ended.output_bytes += heard.bytes;
                ended.secrets_in_output += heard.secrets;
            } else {
                abort.abort();
            }
        }
        ended
    }
}

fn describe(status: Option<ExitStatus>) -> String {
    let Some(status) = status else {
        return format!("did not end within {GRACE:?} of SIGTERM and was killed");
    };
    match status.code() {
        Some(code) => format!("exit code {code}"),
        None => status.to_string(),
    }
}

/// Writes a stream to `file` up to the limit and counts the lines that hold `secret`.
async fn keep(stream: Option<impl AsyncRead + Unpin>, mut file: File, secret: String) -> Heard {
    let mut heard = Heard::default();
    let Some(mut stream) = stream else {
        return heard;
    };
    let mut buffer = vec![0; 64 << 10];
    let mut search = Search::new(secret);
    while let Ok(length @ 1..) = stream.read(&mut buffer).await {
        let read = &buffer[..length];
        heard.secrets += search.push(read);
        let room = OUTPUT_KEPT.saturating_sub(heard.bytes);
        let kept = read.len().min(usize::try_from(room).unwrap_or(usize::MAX));
        // A full disk must not end the exporter that is measured.
        drop(file.write_all(&read[..kept]));
        heard.bytes += length as u64;
    }
    heard
}

/// Counts occurrences of a word in a stream that comes in pieces.
struct Search {
    word: Vec<u8>,
    /// The end of what came before, too short to hold the word.
    tail: Vec<u8>,
}

impl Search {
    fn new(word: String) -> Self {
        Self {
            word: word.into_bytes(),
            tail: Vec::new(),
        }
    }

    fn push(&mut self, piece: &[u8]) -> u64 {
        if self.word.is_empty() {
            return 0;
        }
        self.tail.extend_from_slice(piece);
        let found = self
            .tail
            .windows(self.word.len())
            .filter(|window| *window == self.word)
            .count();
        let kept = self.tail.len().min(self.word.len() - 1);
        self.tail.drain(..self.tail.len() - kept);
        found as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_is_found_wherever_the_pieces_are_cut() {
        let text = b"login with s3cret, then s3cret again";
        for cut in 0..text.len() {
            let mut search = Search::new("s3cret".into());
            let found = search.push(&text[..cut]) + search.push(&text[cut..]);
            assert_eq!(found, 2, "cut at {cut}");
        }
    }

    fn shell(script: &str) -> Vec<OsString> {
        ["sh", "-c", script].map(OsString::from).to_vec()
    }

    #[tokio::test]
    async fn a_command_that_ignores_the_signal_is_killed_with_its_children() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let script = "trap '' TERM; echo $$; sleep 1000 & wait; sleep 1000";
        let running = Running::start(&shell(script), &[], "", folder.path());
        let mut running = running.expect("there is a shell");
        let file = folder.path().join("exporter.out");
        let pid = loop {
            let text = std::fs::read_to_string(&file).expect("the file is there");
            if let Some(line) = text.lines().next() {
                break line.to_owned();
            }
            tokio::task::yield_now().await;
        };
        assert!(!running.has_ended());
        let ended = running.end().await;
        assert!(ended.how.contains("killed"), "{ended:?}");
        assert!(!ended.by_itself);
        let group = format!("/proc/{pid}/stat");
        let left = std::fs::read_to_string(group).unwrap_or_default();
        assert!(left.is_empty() || left.contains(") Z "), "{left}");
    }

    #[tokio::test]
    async fn output_is_kept_up_to_the_limit_and_secrets_in_it_are_counted() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let script = "echo key=$KEY >&2; head -c 20000000 /dev/zero; exit 3";
        let variables = [("KEY", "hunter2".to_owned())];
        let running = Running::start(&shell(script), &variables, "hunter2", folder.path());
        let mut running = running.expect("there is a shell");
        while !running.has_ended() {
            tokio::task::yield_now().await;
        }
        let ended = running.end().await;
        assert_eq!((ended.how.as_str(), ended.by_itself), ("exit code 3", true));
        assert_eq!(ended.secrets_in_output, 1);
        assert_eq!(
            ended.output_bytes,
            20_000_000 + "key=hunter2\n".len() as u64
        );
        let kept = std::fs::metadata(folder.path().join("exporter.out"));
        assert_eq!(kept.expect("it was written").len(), OUTPUT_KEPT);
    }
}
