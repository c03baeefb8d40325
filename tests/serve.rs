//! `racegate serve` as its users meet it: what it prints, where it writes, how it ends.

use std::io::{BufRead, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};

use serde_json::Value;

fn racegate(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_racegate"));
    command
        .args(arguments)
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .env("NO_COLOR", "1");
    command
}

/// A mock that runs, and what it printed until it was up.
struct Served {
    child: Child,
    lines: std::io::Lines<BufReader<std::process::ChildStdout>>,
    printed: Vec<String>,
}

impl Served {
    fn start(arguments: &[&str], log: &str) -> Self {
        let mut child = racegate(&["serve", "--port", "0"])
            .args(arguments)
            .env("RUST_LOG", log)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the program can be started");
        let mut lines = BufReader::new(child.stdout.take().expect("piped")).lines();
        let mut printed = Vec::new();
        for line in lines.by_ref().map_while(Result::ok) {
            let last = line == "END";
            printed.push(line);
            if last {
                break;
            }
        }
        Self {
            child,
            lines,
            printed,
        }
    }

    /// The printed lines from the one that starts with `first` to the one that starts with `last`.
    fn block(&self, first: &str, last: &str) -> String {
        let from = self.printed.iter().position(|l| l.starts_with(first));
        let from = from.unwrap_or_else(|| panic!("no {first:?} in {:#?}", self.printed));
        let until = self.printed[from..]
            .iter()
            .position(|l| l.starts_with(last));
        let until = from + until.expect("the block ends");
        self.printed[from..=until].join("\n")
    }

    /// Ends it; returns its exit code, and what it printed to stderr.
    fn stop(mut self, signal: &str) -> (Option<i32>, String) {
        let killed = Command::new("kill")
            .args([signal, &self.child.id().to_string()])
            .status();
        assert!(killed.expect("there is a kill").success());
        let rest: Vec<String> = self.lines.map_while(Result::ok).collect();
        assert_eq!(rest, ["stopping"]);
        let mut stderr = String::new();
        let mut pipe = self.child.stderr.take().expect("piped");
        pipe.read_to_string(&mut stderr).expect("text");
        let status = self.child.wait().expect("it ends");
        (status.code(), stderr)
    }
}

fn paste(script: &str) -> Output {
    let mut shell = Command::new("bash")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("there is a bash");
    let mut stdin = shell.stdin.take().expect("piped");
    stdin.write_all(script.as_bytes()).expect("it reads");
    stdin.write_all(b"\n").expect("it reads");
    drop(stdin);
    shell.wait_with_output().expect("it ends")
}

fn addresses(path: &Path) -> Value {
    let text = std::fs::read(path).expect("the port file is there once the mock is up");
    serde_json::from_slice(&text).expect("JSON")
}

#[cfg(unix)]
#[test]
fn what_is_printed_works_when_it_is_pasted_and_secrets_stay_out_of_the_log() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = folder.path().join("ports.json");
    let served = Served::start(&["--port-file", file.to_str().expect("text")], "trace");
    let at = addresses(&file);
    let mut seen = Vec::new();
    for block in [
        served.block("TOKEN=", "curl"),
        served.block("python3", "END"),
    ] {
        let output = paste(&block);
        let shown = format!("{output:?}");
        let body: Value = serde_json::from_slice(&output.stdout).expect(&shown);
        assert!(body[0]["conversationId"].is_string(), "{body}");
        seen.push(body[0]["id"].clone());
    }
    assert_eq!(seen[0], seen[1]);
    let printed = served.printed.join("\n");
    for key in [
        "api",
        "s3",
        "signalling",
        "media",
        "admin",
        "openapi",
        "health",
    ] {
        let address = at[key].as_str().expect("an address");
        assert!(printed.contains(address), "{key}: {address}");
    }
    // A stranger at the S3 endpoint is logged.
    let s3 = at["s3"]
        .as_str()
        .expect("an address")
        .replace("http://", "");
    let mut stream = TcpStream::connect(s3).expect("it listens");
    let stranger = b"GET /bucket HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n";
    stream.write_all(stranger).expect("it reads");
    stream.read_to_end(&mut Vec::new()).expect("it answers");
    let (code, log) = served.stop("-TERM");
    assert_eq!(code, Some(0));
    assert!(!file.exists(), "whoever finds the file finds a server");
    assert!(log.contains("s3s"), "the log is on: {log}");
    for client in at["clients"].as_array().expect("a list") {
        let secret = client["clientSecret"].as_str().expect("a secret");
        assert!(!log.contains(secret), "a secret is in the log");
    }
    assert!(!log.contains("Bearer "), "a token is in the log");
}

/// What a phone offers that sends one Opus stream.
fn phone_offer() -> String {
    let print = ["AB"; 32].join(":");
    format!(
        "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\na=group:BUNDLE 0\r\n\
         m=audio 9 UDP/TLS/RTP/SAVPF 96\r\nc=IN IP4 0.0.0.0\r\na=mid:0\r\na=sendonly\r\n\
         a=rtcp-mux\r\na=ice-ufrag:abcd\r\na=ice-pwd:0123456789012345678901\r\n\
         a=fingerprint:sha-256 {print}\r\na=setup:actpass\r\na=rtpmap:96 opus/48000/2\r\n"
    )
}

/// The whole answer to a `POST`.
fn post(api: &str, path: &str, kind: &str, body: &str) -> String {
    let mut stream = TcpStream::connect(api.replace("http://", "")).expect("it listens");
    let length = body.len();
    let request = format!(
        "POST {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\ncontent-type: {kind}\r\n\
         content-length: {length}\r\n\r\n{body}"
    );
    stream.write_all(request.as_bytes()).expect("it reads");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("text");
    answer
}

#[cfg(unix)]
#[test]
fn callers_of_either_stack_reach_every_media_thread_of_either_stack_by_whip() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = folder.path().join("ports.json");
    let path = file.to_str().expect("text");
    for door in ["dense", "str0m"] {
        let arguments = ["--port-file", path, "--shards", "2", "--stack", door];
        let served = Served::start(&arguments, "warn");
        let api = addresses(&file)["api"].as_str().expect("text").to_owned();
        let answer = post(&api, "/whip", "application/sdp", &phone_offer());
        assert!(answer.starts_with("HTTP/1.1 201"), "{door}: {answer}");
        // It signs what it writes.
        assert_eq!(answer.contains("o=str0m"), door == "str0m", "{answer}");
        for stack in ["dense", "str0m"] {
            let url = format!("{api}/whip");
            let call = ["call", &url, "--calls", "4", "--duration", "2", "--json"];
            let output = racegate(&call).args(["--stack", stack]).output();
            let output = output.expect("the program can be started");
            let shown = String::from_utf8_lossy(&output.stdout).into_owned();
            assert_eq!(output.status.code(), Some(0), "{stack} to {door}: {shown}");
            let summary: Value = serde_json::from_str(&shown).expect("JSON");
            assert_eq!(summary["hung_up"], 4, "{stack} to {door}: {shown}");
        }
        let (code, log) = served.stop("-TERM");
        assert_eq!((code, log.as_str()), (Some(0), ""));
    }
}

#[cfg(unix)]
#[test]
fn an_interrupt_ends_it_in_good_order_even_with_a_connection_open() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = folder.path().join("ports.json");
    let served = Served::start(&["--port-file", file.to_str().expect("text")], "warn");
    let at = addresses(&file);
    let api = at["api"]
        .as_str()
        .expect("an address")
        .replace("http://", "");
    let mut stream = TcpStream::connect(api).expect("it listens");
    stream
        .write_all(b"GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n")
        .expect("it reads");
    let mut answer = [0; 15];
    stream.read_exact(&mut answer).expect("it answers");
    assert_eq!(&answer, b"HTTP/1.1 200 OK");
    let (code, log) = served.stop("-INT");
    assert_eq!((code, log.as_str()), (Some(0), ""));
}

#[cfg(unix)]
#[test]
fn clients_are_tenants_with_secrets_that_the_seed_repeats() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = folder.path().join("ports.json");
    let path = file.to_str().expect("text");
    let mut secrets = Vec::new();
    for _ in 0..2 {
        let served = Served::start(
            &[
                "--port-file",
                path,
                "--seed",
                "7",
                "--client",
                "ci-a",
                "--client",
                "ci-b:chosen-secret",
                "--clock",
                "x10",
            ],
            "warn",
        );
        let at = addresses(&file);
        assert_eq!((&at["seed"], &at["clock"]), (&7.into(), &"x10".into()));
        let clients = at["clients"].as_array().expect("a list").clone();
        assert_eq!(clients[1]["clientSecret"], "chosen-secret");
        assert_ne!(clients[0]["organization"], clients[1]["organization"]);
        secrets.push(clients[0]["clientSecret"].clone());
        assert_eq!(served.stop("-TERM").0, Some(0));
    }
    assert_eq!(secrets[0], secrets[1]);
}

#[test]
fn a_taken_port_is_named_with_a_way_out() {
    let taken = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = taken.local_addr().expect("an address").to_string();
    let port = address.rsplit(':').next().expect("a port");
    let output = racegate(&["serve", "--port", port, "--s3-port", "0", "--no-media"])
        .output()
        .expect("the program can be started");
    assert_eq!(output.status.code(), Some(1));
    let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(stderr.contains(&address), "{stderr}");
    assert!(
        stderr.contains("choose another port, or 0 for any"),
        "{stderr}"
    );
}

#[test]
fn a_bad_command_line_exits_2_and_says_what_would_do() {
    let table: [(&[&str], &str); 7] = [
        (&["--clock", "x0"], "as in x10"),
        (&["--client", "a b"], "is no client id"),
        (&["--client", "a", "--client", "a"], "named twice"),
        (&["--host", "0.0.0.0"], "--allow-remote"),
        (&["--s3-port", "65536"], "65536"),
        (&["--past", "2"], "without a unit"),
        (&["--shards", "0"], "cannot be `0`"),
    ];
    for (arguments, about) in table {
        let output = racegate(&["serve", "--port", "0"])
            .args(arguments)
            .output()
            .expect("the program can be started");
        let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {stderr}");
        assert!(stderr.contains(about), "{arguments:?}: {stderr}");
    }
}

#[test]
fn a_bad_scenario_exits_104_with_every_mistake() {
    let table: [(&[&str], &[&str]); 2] = [
        (&["--scenario", "no-such.toml"], &["no-such.toml"]),
        (
            &[
                "--set",
                "workload.rate=fast",
                "--set",
                "platform.index.refresh=-1s",
            ],
            &["workload.rate", "platform.index.refresh"],
        ),
    ];
    for (arguments, about) in table {
        let output = racegate(&["serve", "--port", "0"])
            .args(arguments)
            .output()
            .expect("the program can be started");
        let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(104), "{arguments:?}: {stderr}");
        for word in about {
            assert!(stderr.contains(word), "{arguments:?}: {stderr}");
        }
    }
}

#[cfg(unix)]
#[test]
fn a_data_folder_is_one_server_s_until_it_ends_however_it_ends() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let data = folder.path().to_str().expect("text");
    let arguments = ["--data-dir", data, "--no-media"];
    let mut first = Served::start(&arguments, "error");
    let second = racegate(&["serve", "--port", "0"]).args(arguments).output();
    let second = second.expect("it ends");
    let told = String::from_utf8_lossy(&second.stderr).into_owned();
    assert!(!second.status.success(), "{told}");
    assert!(
        told.contains("another server") && told.contains(data),
        "{told}"
    );
    first.child.kill().expect("it runs");
    first.child.wait().expect("it is gone");
    let third = Served::start(&arguments, "error");
    assert_eq!(third.stop("-INT").0, Some(0));
}
