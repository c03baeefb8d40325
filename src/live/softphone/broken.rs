//! Lines that break under a call, and softphones that come back to it: through a relay that resets connections.

use std::sync::Arc;
use std::time::Duration;

use mock_api::ingest::{EndReason, IngestSettings};
use racegate_model::draws::{Draws, Seed};
use racegate_model::fault::{Fault, RECONNECT};
use racegate_model::time::Probability;
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;

use super::tests::{Ended, dial, persistent, platform};
use super::{CallEnd, Dial, DialFault, DialMedia, Softphones};

/// How a relay cuts a connection.
#[derive(Clone, Copy, Debug)]
enum Cut {
    /// Both sides learn of it.
    Reset,
    /// The server does not: its side stays open and is silent, as behind a NAT that forgot the connection.
    HalfOpen,
}

/// The same softphones, who call through a relay: it cuts the first `cuts` connections, each when `when` says so.
async fn through_a_relay(
    phones: &Softphones,
    (cut, cuts): (Cut, usize),
    when: Arc<Notify>,
) -> Softphones {
    let rest = phones.signalling_url.strip_prefix("ws://").unwrap();
    let (server, path) = rest.split_once('/').unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let signalling_url = format!("ws://{}/{path}", listener.local_addr().unwrap()).into();
    let server = server.to_owned();
    tokio::spawn(async move {
        for nth in 0.. {
            let (mut near, _) = listener.accept().await.unwrap();
            let mut far = TcpStream::connect(&server).await.unwrap();
            let when = Arc::clone(&when);
            tokio::spawn(async move {
                let relay = async {
                    tokio::select! {
                        _ = copy_bidirectional(&mut near, &mut far) => {}
                        () = when.notified(), if nth < cuts => {}
                    }
                };
                relay.await;
                near.set_zero_linger().unwrap();
                match cut {
                    // The server learns of it first: a softphone that does may say goodbye before that.
                    Cut::Reset => {
                        far.set_zero_linger().unwrap();
                        drop(far);
                    }
                    Cut::HalfOpen => {
                        drop(near);
                        std::future::pending::<()>().await;
                    }
                }
            });
        }
    });
    Softphones {
        signalling_url,
        ..phones.clone()
    }
}

fn assert_whole(ended: &Ended, conversations: usize) {
    let ended = ended.media.lock().unwrap();
    assert_eq!(ended.len(), conversations);
    for media in ended.iter() {
        assert_eq!(media.reason, EndReason::HungUp);
        assert!(media.packets_received > 10 && media.packets_lost == 0);
        assert_eq!(media.digest_sent, Some(media.digest_received));
    }
}

/// Makes two calls, one after the other, through a relay that cuts the first connection when `when` says so; neither is to lose
/// anything. Their sessions, and how many lines there were.
async fn two_calls_through(
    cut: Cut,
    when: fn(&Ended) -> &Arc<Notify>,
    length: Duration,
) -> (Vec<Option<String>>, u64) {
    let (phones, ended, shard) = platform(&IngestSettings::default()).await;
    let phones = through_a_relay(&phones, (cut, 1), Arc::clone(when(&ended))).await;
    let mut sessions = Vec::new();
    for n in 0..2 {
        let call = persistent(n, length, DialMedia::Audio);
        let outcome = phones.dial(call).await.unwrap();
        assert_eq!(outcome.end, CallEnd::HungUp, "{:?}", outcome.end);
        sessions.push(outcome.session_id);
    }
    ended.all(2).await;
    shard.stop().unwrap();
    assert_whole(&ended, 2);
    (sessions, phones.report().lines)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_persistent_session_outlives_its_connection_whether_or_not_the_server_knows() {
    for cut in [Cut::Reset, Cut::HalfOpen] {
        let length = Duration::from_millis(1500);
        let (sessions, lines) = two_calls_through(cut, |ended| &ended.established, length).await;
        assert_eq!((&sessions[0], lines), (&sessions[1], 1), "{cut:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_line_that_breaks_between_two_calls_costs_neither() {
    let length = Duration::from_millis(800);
    two_calls_through(Cut::Reset, |ended| &ended.over, length).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_session_of_signalling_only_outlives_its_connection() {
    let (phones, ended, shard) = platform(&IngestSettings::default()).await;
    let phones = through_a_relay(&phones, (Cut::Reset, 1), Arc::clone(&ended.established)).await;
    let call = persistent(0, Duration::from_secs(1), DialMedia::Signalling);
    let outcome = phones.dial(call).await.unwrap();
    assert_eq!(outcome.end, CallEnd::HungUp, "{:?}", outcome.end);
    ended.all(1).await;
    shard.stop().unwrap();
    assert_eq!(ended.media.lock().unwrap()[0].reason, EndReason::HungUp);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_with_a_connection_of_its_own_ends_with_it() {
    let (phones, ended, shard) = platform(&IngestSettings::default()).await;
    let phones = through_a_relay(&phones, (Cut::Reset, 1), Arc::clone(&ended.established)).await;
    let outcome = phones.dial(dial(0, Duration::from_secs(3))).await.unwrap();
    assert!(
        matches!(outcome.end, CallEnd::CutOff { .. }),
        "{:?}",
        outcome.end
    );
    ended.all(1).await;
    shard.stop().unwrap();
    assert_eq!(phones.report().established, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_server_waits_so_long_and_then_the_call_is_lost() {
    let (phones, ended, shard) = platform(&IngestSettings::default()).await;
    let reconnect = Duration::from_nanos(RECONNECT.as_nanos());
    let call = dial(0, reconnect + Duration::from_secs(3));
    let at = call.hang_up_at - reconnect - Duration::from_secs(2);
    let fault = DialFault {
        fault: Fault::LineReconnect,
        at,
        lasts: reconnect * 2,
        loss: Probability::ZERO,
        draws: Draws::of_call(Seed(1), 0),
    };
    let call = Dial {
        fault: Some(fault),
        ..call
    };
    let outcome = phones.dial(call).await.unwrap();
    assert!(
        matches!(outcome.end, CallEnd::CutOff { .. }),
        "{:?}",
        outcome.end
    );
    ended.all(1).await;
    shard.stop().unwrap();
    let ended = ended.media.lock().unwrap();
    assert_eq!(ended[0].reason, EndReason::SignallingLost);
    let waited = ended[0].ended_at.saturating_duration_since(at);
    let late = Duration::from_millis(500);
    assert!(
        waited >= reconnect && waited < reconnect + late,
        "{waited:?}"
    );
    // Its media went on meanwhile.
    assert!(ended[0].packets_received >= 250);
}
