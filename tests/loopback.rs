//! Where a running program listens: on loopback addresses, or where it was told to.

#![cfg(target_os = "linux")]

use std::collections::BTreeSet;
use std::fs;
use std::io::{BufRead as _, BufReader};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::process::{Child, Command, Stdio};

/// A socket that the process holds, by its line in `/proc/net`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
struct Bound {
    protocol: &'static str,
    address: IpAddr,
    port: u16,
    inode: String,
}

fn racegate(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_racegate"));
    command
        .args(arguments)
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .env("NO_COLOR", "1")
        .stdout(Stdio::piped())
        .stderr(Stdio::null());
    command
}

/// What the process listens on, or has bound over UDP, at this moment.
fn bound(process: &Child) -> BTreeSet<Bound> {
    let folder = format!("/proc/{}", process.id());
    let held: BTreeSet<String> = fs::read_dir(format!("{folder}/fd"))
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| fs::read_link(entry.path()).ok())
        .filter_map(|link| {
            let name = link.to_str()?.strip_prefix("socket:[")?;
            Some(name.strip_suffix(']')?.to_owned())
        })
        .collect();
    let mut found = BTreeSet::new();
    for protocol in ["tcp", "tcp6", "udp", "udp6"] {
        let table = fs::read_to_string(format!("{folder}/net/{protocol}")).unwrap_or_default();
        for line in table.lines().skip(1) {
            let fields: Vec<_> = line.split_whitespace().collect();
            let [_, local, _, state, .., _] = fields[..] else {
                continue;
            };
            let Some(inode) = fields.get(9).filter(|inode| held.contains(**inode)) else {
                continue;
            };
            // 0A is LISTEN; UDP has no such state.
            if protocol.starts_with("tcp") && state != "0A" {
                continue;
            }
            let (address, port) = local.split_once(':').expect("an address and a port");
            found.insert(Bound {
                protocol,
                address: address_of(address),
                port: u16::from_str_radix(port, 16).expect("a port in hex"),
                inode: (*inode).to_owned(),
            });
        }
    }
    found
}

/// Words of 32 bits in the order of the machine's bytes, as `/proc/net` has them.
fn address_of(hex: &str) -> IpAddr {
    let word = |at: usize| {
        let word = u32::from_str_radix(&hex[at..at + 8], 16).expect("hex");
        word.to_ne_bytes()
    };
    if hex.len() == 8 {
        return Ipv4Addr::from(word(0)).into();
    }
    let words: Vec<u8> = (0..4).flat_map(|nth| word(nth * 8)).collect();
    let bytes: [u8; 16] = words.try_into().expect("four words");
    Ipv6Addr::from(bytes).to_canonical()
}

/// Whether the kernel lets only the loopback device's packets through to the socket.
fn is_of_loopback_device(socket: &Bound) -> bool {
    let sockets = Command::new("ss").args(["-Huane"]).output();
    let sockets = sockets.expect("`ss` (iproute2) says which device a socket is bound to");
    let sockets = String::from_utf8(sockets.stdout).expect("text");
    let (port, inode) = (
        format!("%lo:{}", socket.port),
        format!("ino:{} ", socket.inode),
    );
    let mut lines = sockets.lines();
    lines.any(|line| line.contains(&port) && format!("{line} ").contains(&inode))
}

fn ensure_of_this_machine(sockets: &BTreeSet<Bound>) {
    for socket in sockets {
        let inside = socket.address.is_loopback() || is_of_loopback_device(socket);
        assert!(inside, "other machines reach {socket:?}");
    }
}

#[test]
fn a_live_run_holds_no_socket_that_other_machines_reach() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let out = folder.path().join("run");
    let out = out.to_str().expect("text");
    let arguments = [
        "run",
        "tests/conformance/sockets.toml",
        "--quiet",
        "--json",
        "--out",
        out,
    ];
    let mut run = racegate(&arguments)
        .stdout(Stdio::null())
        .spawn()
        .expect("it starts");
    let mut seen = BTreeSet::new();
    while run.try_wait().expect("a child").is_none() {
        let now = bound(&run);
        // What has been closed meanwhile cannot be looked at.
        if run.try_wait().expect("a child").is_none() {
            ensure_of_this_machine(&now.difference(&seen).cloned().collect());
            seen.extend(now);
        }
    }
    let protocols: BTreeSet<_> = seen.iter().map(|socket| socket.protocol).collect();
    assert_eq!(protocols, BTreeSet::from(["tcp", "udp"]), "{seen:#?}");
    assert!(seen.len() > 3, "API, S3, ingest and callers: {seen:#?}");
}

#[test]
fn a_mock_listens_where_it_was_told_to_and_nowhere_else() {
    for (host, arguments) in [
        ("127.0.0.1", &[][..]),
        ("127.0.0.7", &["--host", "127.0.0.7", "--shards", "2"][..]),
        ("0.0.0.0", &["--host", "0.0.0.0", "--allow-remote"][..]),
    ] {
        let mut mock = racegate(&["serve", "--port", "0"]);
        let mut mock = mock.args(arguments).spawn().expect("it starts");
        let lines = BufReader::new(mock.stdout.take().expect("piped")).lines();
        let up = lines.map_while(Result::ok).any(|line| line == "END");
        let sockets = bound(&mock);
        mock.kill().expect("it runs");
        mock.wait().expect("it ends");
        assert!(up && sockets.len() >= 3, "{sockets:#?}");
        let asked: IpAddr = host.parse().expect("an address");
        for socket in sockets {
            assert_eq!(socket.address, asked, "{socket:?}");
        }
    }
}
