//! The ingest without sockets: callers are peers in memory, and time is virtual.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use bytes::Bytes;
use racegate_media::ogg::read;
use racegate_media::{Caller, Frame, PayloadDigest, PeerOutput, RtcStack, Speech, Stack};
use racegate_udp::{Datagram, Endpoint, SendBatch};
use tokio::sync::mpsc;

use super::{
    End, EndReason, EndedMedia, Ingest, IngestEndpoint, IngestError, IngestSettings, Kept, NoRoom,
    Notice, SessionEvents, Started, TakeNumber,
};

#[derive(Default)]
pub(super) struct Log {
    pub(super) started: Mutex<Vec<Started>>,
    pub(super) established: Mutex<Vec<String>>,
    /// With the whole recording as its tail.
    pub(super) ended: Mutex<Vec<EndedMedia>>,
    parts: Mutex<BTreeMap<TakeNumber, Vec<u8>>>,
    /// Bytes of parts after which there is no room.
    room: Option<usize>,
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
    fn part(&self, take: TakeNumber, part: Bytes) -> Result<(), NoRoom> {
        let mut parts = self.parts.lock().unwrap();
        if self
            .room
            .is_some_and(|room| parts.values().map(Vec::len).sum::<usize>() >= room)
        {
            return Err(NoRoom);
        }
        parts.entry(take).or_default().extend(part);
        Ok(())
    }
    fn ended(&self, mut media: EndedMedia) {
        let parts = self.parts.lock().unwrap().remove(&media.take);
        let mut whole = parts.unwrap_or_default();
        whole.extend(&media.tail);
        media.tail = whole.into();
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
        Self::with(settings, Log::default())
    }

    fn with(settings: &IngestSettings, log: Log) -> Self {
        let stack = RtcStack::new().unwrap();
        let log = Arc::new(log);
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
        let answer = self.pick_up(&offer);
        self.drive(ingest.answer(&session_id, &answer))
            .await
            .unwrap();
        session_id
    }

    /// Another caller, who takes that offer; its answer.
    pub(super) fn pick_up(&mut self, offer: &str) -> String {
        let nth = u8::try_from(self.callers.len()).unwrap();
        let address = SocketAddr::from(([127, 64, 0, nth], 5000));
        let (caller, answer) = self.stack.answer(self.now, address, offer).unwrap();
        self.callers.push((address, caller));
        answer
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
        let recording = read(&media.tail).unwrap();
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

impl Bench {
    /// Has the first caller say so many frames, from that one on.
    pub(super) fn speak(
        &mut self,
        id: &str,
        frames: std::ops::Range<u64>,
        digest: &mut PayloadDigest,
    ) {
        for index in frames {
            let payload = Speech::of(id, 0).frame(index);
            digest.update(&payload);
            self.callers[0].1.send(self.now, Frame { index, payload });
            self.tick(Duration::from_millis(20));
        }
    }
}

#[tokio::test]
async fn one_session_carries_conversation_after_conversation_each_with_its_own_recording() {
    let mut bench = Bench::new(&IngestSettings::default());
    let session = bench.call("one").await;
    bench.establish(1);
    let ingest = bench.ingest.clone();
    let mut digests = Vec::new();
    let mut frame = 0;
    for (id, frames) in [("one", 50), ("two", 150), ("three", 100)] {
        if id != "one" {
            bench.drive(ingest.begin(&session, id)).await.unwrap();
        }
        let mut digest = PayloadDigest::new();
        bench.speak(id, frame..frame + frames, &mut digest);
        digests.push(digest.finish());
        let at = bench.now;
        let end = End {
            digest: Some(digest.finish()),
            ..hung_up(at)
        };
        ingest.end_conversation(&session, id, end).await.unwrap();
        // A pause in which the path is kept alive and nobody speaks.
        for _ in 0..300 {
            bench.tick(Duration::from_millis(20));
        }
        frame += frames + 300;
    }
    let ended = bench.ended();
    let seen: Vec<_> = ended
        .iter()
        .map(|media| (media.conversation_id.as_str(), media.packets_received))
        .collect();
    assert_eq!(seen, [("one", 50), ("two", 150), ("three", 100)]);
    for (media, digest) in ended.iter().zip(digests) {
        assert_eq!(media.session_id, session);
        assert_eq!((media.reason, media.packets_lost), (EndReason::HungUp, 0));
        assert_eq!(media.digest_received, digest);
        assert_eq!(media.digest_sent, Some(digest));
        let recording = read(&media.tail).unwrap();
        assert_eq!(recording.samples, media.packets_received * 960);
        assert_eq!(recording.comments[0].1, media.conversation_id);
    }
    let counters = ingest.counters();
    assert_eq!(
        (counters.connected, counters.started, counters.ended),
        (1, 3, 3)
    );
    assert_eq!(bench.endpoint.sessions(), 1, "the session is still there");
    ingest.end(&session, hung_up(bench.now)).await.unwrap();
    bench.tick(Duration::from_millis(1));
    bench.tick(Duration::from_millis(1));
    assert_eq!((bench.endpoint.sessions(), bench.ended().len()), (0, 3));
}

#[tokio::test]
async fn a_conversation_begins_when_the_one_before_has_ended_and_not_beside_it() {
    let mut bench = Bench::new(&IngestSettings::default());
    let session = bench.call("one").await;
    let ingest = bench.ingest.clone();
    let early = bench.drive(ingest.begin(&session, "two")).await;
    assert!(
        matches!(early, Err(IngestError::Busy { .. })),
        "no path yet"
    );
    bench.establish(1);
    let beside = bench.drive(ingest.begin(&session, "two")).await;
    assert!(matches!(beside, Err(IngestError::Busy { .. })));
    let unknown = bench.drive(ingest.begin("nobody", "two")).await;
    assert!(matches!(unknown, Err(IngestError::Unknown { .. })));
    let end = hung_up(bench.now);
    ingest
        .end_conversation(&session, "other", end)
        .await
        .unwrap();
    ingest.end_conversation(&session, "one", end).await.unwrap();
    bench.drive(ingest.begin(&session, "two")).await.unwrap();
    assert_eq!(bench.ended().len(), 1);
    bench.endpoint.handle_stop(bench.now, &mut SendBatch::new());
    let ended = bench.ended();
    let last = (ended[1].conversation_id.as_str(), ended[1].reason);
    assert_eq!(last, ("two", EndReason::Shutdown));
}

#[tokio::test]
async fn what_comes_between_two_conversations_is_counted_and_recorded_by_neither() {
    let mut bench = Bench::new(&IngestSettings::default());
    let session = bench.call("one").await;
    bench.establish(1);
    let ingest = bench.ingest.clone();
    let mut digest = PayloadDigest::new();
    bench.speak("one", 0..10, &mut digest);
    let end = hung_up(bench.now);
    ingest.end_conversation(&session, "one", end).await.unwrap();
    for _ in 0..2 {
        bench.tick(Duration::from_millis(1));
    }
    bench.speak("stray", 10..15, &mut PayloadDigest::new());
    assert_eq!(ingest.counters().packets_between, 5);
    assert_eq!(bench.ended()[0].digest_received, digest.finish());
}

#[tokio::test]
async fn a_long_call_holds_no_more_than_a_page_and_a_part() {
    let mut bench = Bench::new(&IngestSettings::default());
    let session = bench.call("long").await;
    bench.establish(1);
    let mut digest = PayloadDigest::new();
    let mut most = 0;
    for second in 0..240 {
        bench.speak("long", second * 50..(second + 1) * 50, &mut digest);
        most = most.max(bench.endpoint.held_bytes());
    }
    bench
        .ingest
        .end(&session, hung_up(bench.now))
        .await
        .unwrap();
    for _ in 0..2 {
        bench.tick(Duration::from_millis(1));
    }
    let media = &bench.ended()[0];
    assert_eq!(media.kept, Kept::Whole);
    assert_eq!(media.digest_received, digest.finish());
    let recording = read(&media.tail).unwrap();
    assert_eq!(recording.samples, 240 * 48_000);
    let mut stored = PayloadDigest::new();
    recording
        .packets
        .iter()
        .for_each(|packet| stored.update(packet));
    assert_eq!(
        stored.finish(),
        digest.finish(),
        "what was sent is what is stored"
    );
    assert!(media.tail.len() > 500_000, "{}", media.tail.len());
    assert!(most < 32_000, "{most} bytes held");
}

#[tokio::test]
async fn a_recording_that_storage_has_no_room_for_is_closed_and_marked_and_still_a_file() {
    let log = Log {
        room: Some(20_000),
        ..Log::default()
    };
    let mut bench = Bench::with(&IngestSettings::default(), log);
    let session = bench.call("long").await;
    bench.establish(1);
    let mut digest = PayloadDigest::new();
    bench.speak("long", 0..1500, &mut digest);
    let held = bench.endpoint.held_bytes();
    bench
        .ingest
        .end(&session, hung_up(bench.now))
        .await
        .unwrap();
    for _ in 0..2 {
        bench.tick(Duration::from_millis(1));
    }
    let media = &bench.ended()[0];
    assert_eq!((media.kept, media.packets_received), (Kept::Cut, 1500));
    assert_ne!(media.digest_received, digest.finish(), "and it tells");
    let recording = read(&media.tail).unwrap();
    let mut stored = PayloadDigest::new();
    recording
        .packets
        .iter()
        .for_each(|packet| stored.update(packet));
    assert_eq!(stored.finish(), media.digest_received);
    assert!(
        recording.packets.len() < 1000 && held < 40_000,
        "{held} bytes held"
    );
    assert_eq!(bench.ingest.counters().recordings_cut, 1);
}

/// Which comes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum First {
    Signalling,
    Goodbye,
}

/// What became of a call whose media says goodbye, and whose signalling does that.
async fn after_goodbye(signalling: impl AsyncFn(&mut Bench, &str), first: First) -> EndedMedia {
    let mut bench = Bench::new(&IngestSettings::default());
    let session = bench.call("a").await;
    bench.establish(1);
    let mut digest = PayloadDigest::new();
    bench.speak("a", 0..10, &mut digest);
    if first == First::Signalling {
        signalling(&mut bench, &session).await;
    }
    bench.callers[0].1.close(bench.now);
    bench.tick(Duration::from_millis(1));
    if first == First::Goodbye {
        bench.tick(Duration::from_millis(50));
        assert!(bench.ended().is_empty(), "the signalling may tell more");
        signalling(&mut bench, &session).await;
    }
    for _ in 0..1000 {
        bench.tick(Duration::from_millis(1));
    }
    let mut ended = bench.ended();
    assert_eq!((ended.len(), bench.endpoint.sessions()), (1, 0));
    let ended = ended.remove(0);
    assert_eq!(ended.digest_received, digest.finish());
    ended
}

#[tokio::test]
async fn a_signalling_cut_is_one_whether_the_media_s_goodbye_comes_before_or_after() {
    for first in [First::Signalling, First::Goodbye] {
        let began = Instant::now();
        let cut = async |bench: &mut Bench, session: &str| {
            let end = End {
                reason: EndReason::SignallingLost,
                at: bench.now,
                digest: None,
            };
            bench.ingest.end(session, end).await.unwrap();
        };
        let ended = after_goodbye(cut, first).await;
        assert_eq!(ended.reason, EndReason::SignallingLost, "{first:?} first");
        let gone = async |bench: &mut Bench, _: &str| {
            // A persistent session's WebSocket is gone, and nobody has come back.
            bench.notices = mpsc::channel(1).1;
        };
        let ended = after_goodbye(gone, first).await;
        assert_eq!(ended.reason, EndReason::SignallingLost, "{first:?} first");
        assert!(ended.ended_at > began);
    }
}

#[tokio::test]
async fn a_goodbye_that_the_signalling_confirms_or_outlives_is_a_hang_up_as_of_the_goodbye() {
    let silent = after_goodbye(async |_: &mut Bench, _: &str| {}, First::Goodbye).await;
    assert_eq!(silent.reason, EndReason::HungUp);
    let late = Arc::new(Mutex::new(None));
    let confirm = async |bench: &mut Bench, session: &str| {
        *late.lock().unwrap() = Some(bench.now);
        bench.ingest.end(session, hung_up(bench.now)).await.unwrap();
    };
    let ended = after_goodbye(confirm, First::Goodbye).await;
    assert_eq!(ended.reason, EndReason::HungUp);
    let waited = late.lock().unwrap().unwrap() - ended.ended_at;
    assert!(waited >= Duration::from_millis(50), "{waited:?}");
}
