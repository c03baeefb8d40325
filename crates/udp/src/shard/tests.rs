//! Shards that run endpoints of the tests' own.

use super::*;
use std::net::{Ipv4Addr, SocketAddrV4};
use std::sync::mpsc;

/// Sends what it gets back to where it came from, and tells the test.
struct Echo {
    seen: mpsc::Sender<Vec<u8>>,
    fault: Option<&'static str>,
    first: Option<SocketAddrV4>,
}

impl Endpoint for Echo {
    fn name(&self) -> &str {
        "echo"
    }
    fn handle_datagram(&mut self, _now: Instant, datagram: &Datagram<'_>, out: &mut SendBatch) {
        self.seen.send(datagram.bytes.to_vec()).unwrap();
        if datagram.bytes.len() < 4 {
            out.push(None, datagram.source, &[datagram.bytes, b"."].concat());
        }
    }
    fn handle_control(&mut self, _now: Instant, out: &mut SendBatch) {
        if let Some(to) = self.first.take() {
            out.push(None, to, b"x");
        }
    }
    fn handle_timeout(&mut self, _now: Instant, _out: &mut SendBatch) {
        assert_ne!(self.fault, Some("timeout"), "a fault on purpose");
    }
    fn handle_stop(&mut self, _now: Instant, _out: &mut SendBatch) {
        assert_ne!(self.fault, Some("stop"), "a fault on purpose");
        self.seen.send(b"stopped".to_vec()).unwrap();
    }
}

fn station(
    seen: &mpsc::Sender<Vec<u8>>,
    fault: Option<&'static str>,
    first: Option<SocketAddrV4>,
) -> Station {
    Station {
        socket: BatchSocket::bind(SocketAddrV4::new(Ipv4Addr::LOCALHOST, 0)).unwrap(),
        endpoint: Box::new(Echo {
            seen: seen.clone(),
            fault,
            first,
        }),
    }
}

#[test]
fn two_endpoints_on_one_thread_talk_and_stop_cleanly() {
    let (seen, told) = mpsc::channel();
    let server = station(&seen, None, None);
    let client = station(&seen, None, Some(server.socket.local_addr()));
    let shard = Shard::spawn("pair", vec![server, client]).unwrap();
    let messages: Vec<_> = (0..4).map(|_| told.recv().unwrap()).collect();
    assert_eq!(messages, [&b"x"[..], b"x.", b"x..", b"x..."]);
    assert!(!shard.is_finished());
    let meter = shard.meter();
    let report = shard.stop().unwrap();
    assert_eq!(
        told.try_iter().collect::<Vec<_>>(),
        [b"stopped", b"stopped"]
    );
    assert_eq!((report.received, report.sends.sent), (4, 4));
    let each: Vec<_> = report
        .stations
        .iter()
        .map(|station| (station.endpoint.as_str(), station.received))
        .collect();
    assert_eq!(each, [("echo", 2), ("echo", 2)]);
    assert!(report.ticks > 0 && report.lateness_us.len() == report.ticks);
    assert_eq!(meter.report().ticks, report.ticks);
}

/// Writes down what it is told of, in order.
#[derive(Default)]
struct Notes(Vec<&'static str>);

impl Endpoint for Notes {
    fn name(&self) -> &str {
        "notes"
    }
    fn handle_datagram(&mut self, _: Instant, _: &Datagram<'_>, _: &mut SendBatch) {}
    fn handle_batch(&mut self, _: Instant, batch: &RecvBatch, _: &mut SendBatch) {
        self.0.push(if batch.is_empty() { "none" } else { "some" });
    }
    fn handle_backlog(&mut self) {
        self.0.push("backlog");
    }
    fn handle_control(&mut self, _: Instant, _: &mut SendBatch) {
        self.0.push("control");
    }
    fn handle_timeout(&mut self, _: Instant, _: &mut SendBatch) {}
    fn handle_stop(&mut self, _: Instant, _: &mut SendBatch) {}
}

#[test]
fn a_tick_that_leaves_datagrams_behind_says_so_before_control() {
    let [first, second] = [1, 2].map(|port| SocketAddrV4::new(Ipv4Addr::LOCALHOST, port));
    let (mut socket, mut far) = BatchSocket::pair(first, second);
    let sent = BATCH * BATCHES_PER_TICK + 1;
    let mut out = SendBatch::new();
    for _ in 0..sent {
        out.push(None, first, b"x");
    }
    assert_eq!(far.send(&mut out).sent, u64::try_from(sent).unwrap());
    let (mut recv, mut traffic) = (RecvBatch::new(), Traffic::default());
    let mut notes = Notes::default();
    let mut ticks = Vec::new();
    for _ in 0..2 {
        tick_of(&mut socket, &mut notes, (&mut recv, &mut out), &mut traffic).unwrap();
        ticks.push(std::mem::take(&mut notes.0));
    }
    assert_eq!(ticks[0][BATCHES_PER_TICK..], ["backlog", "control"]);
    assert_eq!(ticks[1], ["some", "control"]);
    assert_eq!(traffic.received, sent as u64);
}

#[test]
fn a_shard_that_cannot_go_where_it_should_runs_and_says_so() {
    let (seen, told) = mpsc::channel();
    let server = station(&seen, None, None);
    let client = station(&seen, None, Some(server.socket.local_addr()));
    let placement = Placement {
        core: Some(usize::MAX),
        ..Placement::default()
    };
    let shard = Shard::spawn_at("lost", placement, vec![server, client]).unwrap();
    assert_eq!(told.recv().unwrap(), b"x");
    let report = shard.stop().unwrap();
    assert_eq!(report.unplaced.is_some(), cfg!(target_os = "linux"));
}

#[test]
fn a_panicking_endpoint_is_an_error_at_join() {
    let (seen, _told) = mpsc::channel();
    let shard = Shard::spawn(
        "bad",
        vec![
            station(&seen, None, None),
            station(&seen, Some("timeout"), None),
        ],
    )
    .unwrap();
    while !shard.is_finished() {
        std::thread::yield_now();
    }
    let error = shard.stop().unwrap_err().to_string();
    assert!(
        error.contains("echo") && error.contains("bad") && error.contains("on purpose"),
        "{error}"
    );
}

#[test]
fn a_panic_while_stopping_does_not_keep_others_from_stopping() {
    let (seen, told) = mpsc::channel();
    let shard = Shard::spawn(
        "bad",
        vec![
            station(&seen, Some("stop"), None),
            station(&seen, None, None),
        ],
    )
    .unwrap();
    assert!(matches!(shard.stop(), Err(ShardError::Panicked { .. })));
    assert_eq!(told.try_iter().collect::<Vec<_>>(), [b"stopped"]);
}
