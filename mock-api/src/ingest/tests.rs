//! The ingest without sockets: callers are peers in memory, and time is virtual.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use racegate_media::ogg::read;
use racegate_media::{Caller, Frame, PayloadDigest, PeerOutput, RtcStack, Speech, Stack};
use racegate_udp::{Datagram, Endpoint, SendBatch};
use tokio::sync::mpsc;

use super::{
    End, EndReason, EndedMedia, Ingest, IngestEndpoint, IngestError, IngestSettings, Notice,
    SessionEvents, Started,
};

#[derive(Default)]
pub(super) struct Log {
    pub(super) started: Mutex<Vec<Started>>,
    pub(super) established: Mutex<Vec<String>>,
    pub(super) ended: Mutex<Vec<EndedMedia>>,
}

impl SessionEvents for Log {
    fn started(&self, session: &Started) {
        self.started.lock().unwrap().push(session.clone());
    }
    fn established(&self, conversation_id: &str, _session_id: &str, _at: Instant) {
        self.established
            .lock()
            .unwrap()
            .push(conversation_id.to_owned());
    }
    fn ended(&self, media: EndedMedia) {
        self.ended.lock().unwrap().push(media);
    }
}

pub(super) fn hung_up(at: Instant) -> End {
    End {
        reason: EndReason::HungUp,
        at,
        digest: None,
    }
}

pub(super) struct Bench {
    pub(super) now: Instant,
    pub(super) stack: RtcStack,
    pub(super) ingest: Ingest,
    pub(super) endpoint: IngestEndpoint,
    pub(super) log: Arc<Log>,
    pub(super) notices: mpsc::Receiver<Notice>,
    pub(super) notify: mpsc::Sender<Notice>,
    pub(super) callers: Vec<(SocketAddr, Box<dyn Caller>)>,
}

impl Bench {
    pub(super) fn new(settings: &IngestSettings) -> Self {
        let stack = RtcStack::new().unwrap();
        let log = Arc::new(Log::default());
        let address = "127.0.0.1:4000".parse().unwrap();
        let (ingest, endpoint) = Ingest::detached(
            settings,
            address,
            Arc::new(stack.clone()),
            Arc::clone(&log) as _,
        );
        let (notify, notices) = mpsc::channel(8);
        Self {
            now: Instant::now(),
            stack,
            ingest,
            endpoint,
            log,
            notices,
            notify,
            callers: Vec::new(),
        }
    }

    /// Lets `work` and the endpoint's ticks take turns until the work is done.
    pub(super) async fn drive<T>(&mut self, work: impl Future<Output = T>) -> T {
        tokio::pin!(work);
        loop {
            tokio::select! {
                biased;
                done = &mut work => return done,
                () = tokio::task::yield_now() => self.tick(Duration::from_millis(1)),
            }
        }
    }

    pub(super) async fn call(&mut self, conversation_id: &str) -> String {
        let ingest = self.ingest.clone();
        let session_id = ingest.next_session_id(conversation_id);
        let offer = self
            .drive(ingest.create(conversation_id, &session_id, self.notify.clone()))
            .await
            .unwrap();
        let address = SocketAddr::from((
            [127, 64, 0, u8::try_from(self.callers.len()).unwrap()],
            5000,
        ));
        let (caller, answer) = self.stack.answer(self.now, address, &offer).unwrap();
        self.callers.push((address, caller));
        self.drive(ingest.answer(&session_id, &answer))
            .await
            .unwrap();
        session_id
    }

    /// One tick of the endpoint and of all callers; datagrams take no time.
    pub(super) fn tick(&mut self, step: Duration) {
        self.now += step;
        let mut out = SendBatch::new();
        for (address, caller) in &mut self.callers {
            caller.handle_timeout(self.now);
            while let Some(output) = caller.poll_output() {
                if let PeerOutput::Transmit {
                    destination: SocketAddr::V4(destination),
                    bytes,
                    ..
                } = output
                    && let SocketAddr::V4(source) = *address
                {
                    let datagram = Datagram {
                        source,
                        destination,
                        bytes: &bytes,
                    };
                    self.endpoint.handle_datagram(self.now, &datagram, &mut out);
                }
            }
        }
        self.endpoint.handle_control(self.now, &mut out);
        self.endpoint.handle_timeout(self.now, &mut out);
        for (_, destination, bytes) in out.iter() {
            let to = SocketAddr::V4(destination);
            for (address, caller) in &mut self.callers {
                if *address == to {
                    caller.handle_datagram(self.now, "127.0.0.1:4000".parse().unwrap(), to, bytes);
                }
            }
        }
    }

    pub(super) fn establish(&mut self, calls: usize) {
        for _ in 0..10_000 {
            if self.log.established.lock().unwrap().len() == calls {
                return;
            }
            self.tick(Duration::from_millis(1));
        }
        panic!("not established");
    }

    pub(super) fn ended(&self) -> Vec<EndedMedia> {
        self.log.ended.lock().unwrap().clone()
    }
}

#[tokio::test]
async fn callers_on_one_port_are_recorded_apart_and_whole() {
    let mut bench = Bench::new(&IngestSettings::default());
    let mut sessions = Vec::new();
    for id in ["a", "b", "c"] {
        sessions.push(bench.call(id).await);
    }
    bench.establish(3);
    let mut sent = vec![PayloadDigest::new(); 3];
    for index in 0..100 {
        for (n, id) in ["a", "b", "c"].into_iter().enumerate() {
            let payload = Speech::of(id, n).frame(index);
            sent[n].update(&payload);
            bench.callers[n].1.send(bench.now, Frame { index, payload });
        }
        bench.tick(Duration::from_millis(20));
    }
    let at = bench.now;
    for session in &sessions {
        bench.ingest.end(session, hung_up(at)).await.unwrap();
    }
    bench.tick(Duration::from_millis(1));
    bench.tick(Duration::from_millis(1));
    let ended = bench.ended();
    assert_eq!(ended.len(), 3);
    for (n, media) in ended.iter().enumerate() {
        assert_eq!(
            (media.packets_received, media.packets_lost, media.ended_at),
            (100, 0, at)
        );
        assert_eq!(media.digest_received, sent[n].finish());
        assert_eq!(media.client_address, Some(bench.callers[n].0));
        let recording = read(&media.ogg).unwrap();
        assert_eq!(recording.samples, 96_000, "two seconds");
        assert_eq!(recording.comments[0].1, media.conversation_id);
    }
    assert_eq!(bench.endpoint.sessions(), 0);
    assert_eq!(bench.ingest.counters().packets_received, 300);
}

#[tokio::test]
async fn a_caller_that_falls_silent_is_noticed_after_fifteen_seconds() {
    let mut bench = Bench::new(&IngestSettings::default());
    let session_id = bench.call("a").await;
    bench.establish(1);
    bench.callers.clear();
    let start = bench.now;
    while bench.ended().is_empty() {
        bench.tick(Duration::from_millis(10));
        assert!(bench.now - start < Duration::from_secs(30));
    }
    assert!(bench.now - start > Duration::from_secs(10));
    let reason = EndReason::ConsentLost;
    assert_eq!(bench.ended()[0].reason, reason);
    assert_eq!(
        bench.notices.try_recv().unwrap(),
        Notice { session_id, reason }
    );
}

#[tokio::test]
async fn a_call_that_never_gets_a_path_ends_without_a_recording() {
    let mut bench = Bench::new(&IngestSettings::default());
    bench.call("a").await;
    bench.callers.clear();
    for _ in 0..1600 {
        bench.tick(Duration::from_millis(10));
    }
    let ended = bench.ended();
    assert_eq!(
        (ended[0].reason, ended[0].established_at),
        (EndReason::SetupTimeout, None)
    );
}

#[tokio::test]
async fn a_full_ingest_refuses_and_an_unusable_answer_ends_its_session() {
    let mut bench = Bench::new(&IngestSettings {
        sessions_max: 1,
        ..IngestSettings::default()
    });
    let ingest = bench.ingest.clone();
    let notify = bench.notify.clone();
    bench
        .drive(ingest.create("a", "s1", notify.clone()))
        .await
        .unwrap();
    let full = bench.drive(ingest.create("b", "s2", notify.clone())).await;
    assert!(matches!(full, Err(IngestError::Full { sessions: 1 })));
    assert!(matches!(
        bench.drive(ingest.answer("s2", "v=0")).await,
        Err(IngestError::Unknown { .. })
    ));
    assert!(matches!(
        bench.drive(ingest.answer("s1", "v=0")).await,
        Err(IngestError::Peer(_))
    ));
    assert_eq!(bench.ended()[0].reason, EndReason::AnswerRefused);
    bench.drive(ingest.create("b", "s2", notify)).await.unwrap();
}

#[tokio::test]
async fn stopping_ends_every_session_once() {
    let mut bench = Bench::new(&IngestSettings::default());
    bench.call("a").await;
    bench.establish(1);
    bench.call("b").await;
    bench.endpoint.handle_stop(bench.now, &mut SendBatch::new());
    let reasons: Vec<_> = bench.ended().iter().map(|media| media.reason).collect();
    assert_eq!(reasons, [EndReason::Shutdown, EndReason::Shutdown]);
    assert!(matches!(
        bench.ingest.create("c", "s", bench.notify.clone()).await,
        Err(IngestError::Stopped)
    ));
}

#[tokio::test]
async fn a_session_id_is_a_uuid_and_never_the_same() {
    let bench = Bench::new(&IngestSettings::default());
    let (one, two) = (
        bench.ingest.next_session_id("a"),
        bench.ingest.next_session_id("a"),
    );
    assert_ne!(one, two);
    let lens: Vec<_> = one.split('-').map(str::len).collect();
    assert_eq!(lens, [8, 4, 4, 4, 12]);
}
