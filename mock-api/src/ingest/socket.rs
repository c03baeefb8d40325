//! The signalling WebSocket, server side: what is heard and said on it, and when it is taken to be dead.

use std::time::{Duration, Instant};

use axum::extract::ws::{CloseFrame, Message, WebSocket, WebSocketUpgrade, close_code};
use axum::response::Response;
use bytes::Bytes;
use racegate_model::fault::{PING_AFTER, UNHEARD};
use serde_json::Value;
use tokio::sync::mpsc;
use tokio::time::{Instant as TokioInstant, sleep_until, timeout};

use super::handle::{Ingest, Notice};
use super::parked::{CLAIMS_MAX, Claim};
use super::rpc::RpcError;
use super::signalling::{Line, Parting, SESSIONS_MAX};
use crate::websocket::bounded;

/// The longest frame that is read, in bytes; a session description has one or two thousand.
pub const FRAME_MAX: usize = 64 * 1024;

/// Bad frames after which a WebSocket is closed.
const STRIKES_MAX: u32 = 5;

/// A WebSocket without sessions is closed after this time, and so is one that does not take what is sent to it.
const IDLE_MAX: Duration = Duration::from_secs(60);

/// How long the last word may take on a WebSocket that is given up; most likely nobody hears it.
const LAST_WORD: Duration = Duration::from_secs(1);

/// Close code of a WebSocket whose session another one has taken over; the range from 4000 is for applications.
const TAKEN_OVER: u16 = 4001;

/// Answers an upgrade request with a signalling WebSocket whose frames are bounded.
pub fn upgrade_signalling(upgrade: WebSocketUpgrade, ingest: Ingest) -> Response {
    bounded(upgrade, FRAME_MAX).on_upgrade(move |socket| serve_signalling(socket, ingest))
}

/// Serves one signalling WebSocket until it closes; then what is left of its sessions ends as
/// [`EndReason::SignallingLost`](super::EndReason::SignallingLost). If it broke, persistent ones that are up may be reached by another
/// one for [`RECONNECT`](racegate_model::fault::RECONNECT). If another one asks for a session of its before, it is dead without
/// knowing: it gives that session up, and ends as if it had broken.
pub async fn serve_signalling(socket: WebSocket, ingest: Ingest) {
    let (sender, notices) = mpsc::channel(SESSIONS_MAX);
    let (claims, claimed) = mpsc::channel(CLAIMS_MAX);
    let mut line = Line::new(ingest, sender, claims);
    let mut talk = Talk {
        socket,
        notices,
        claimed,
        hearing: Hearing::new(),
    };
    let over = talk.until_over(&mut line).await;
    let Talk {
        mut socket,
        claimed,
        ..
    } = talk;
    let (parting, last_word) = match over {
        Over::Closed(frame) => (Parting::Closed, frame),
        Over::Broken => (Parting::Broken, None),
        Over::Claimed(claim) => {
            line.give(claim);
            let frame = CloseFrame {
                code: TAKEN_OVER,
                reason: "another connection has taken over".into(),
            };
            (Parting::Broken, Some(frame))
        }
    };
    line.lose(Instant::now(), parting).await;
    // Who claimed meanwhile looks again, and finds what was parked.
    drop(claimed);
    if let Some(frame) = last_word {
        // It is over either way.
        drop(timeout(LAST_WORD, socket.send(Message::Close(Some(frame)))).await);
    }
}

/// Why a WebSocket is over.
enum Over {
    /// One side said so; we have this to say.
    Closed(Option<CloseFrame>),
    /// It broke.
    Broken,
    /// Another one has taken its place.
    Claimed(Claim),
}

/// A WebSocket and what else its task listens to.
struct Talk {
    socket: WebSocket,
    notices: mpsc::Receiver<Notice>,
    claimed: mpsc::Receiver<Claim>,
    hearing: Hearing,
}

impl Talk {
    async fn until_over(&mut self, line: &mut Line) -> Over {
        loop {
            let replies = match self.next(line).await {
                Ok(replies) => replies,
                Err(over) => return over,
            };
            if !line.is_empty() {
                self.hearing.busy();
            }
            let frames = replies.into_iter().map(|frame| Message::Text(frame.into()));
            if let Err(over) = self.say(frames).await {
                return over;
            }
            if line.strikes() > STRIKES_MAX {
                return Over::Closed(Some(CloseFrame {
                    code: close_code::POLICY,
                    reason: "too many bad frames".into(),
                }));
            }
        }
    }

    /// Waits for what comes next, and gives the frames that answer it.
    async fn next(&mut self, line: &mut Line) -> Result<Vec<String>, Over> {
        tokio::select! {
            frame = self.socket.recv() => {
                self.hearing.heard();
                match frame {
                    Some(Ok(Message::Text(text))) => Ok(line.handle(&text, Instant::now()).await),
                    Some(Ok(Message::Binary(_))) => {
                        Ok(line.strike(&Value::Null, &RpcError::new(RpcError::PARSE, "frames are text")))
                    }
                    Some(Ok(Message::Ping(_) | Message::Pong(_))) => Ok(Vec::new()),
                    Some(Ok(Message::Close(_))) => Err(Over::Closed(None)),
                    Some(Err(_)) | None => Err(Over::Broken),
                }
            }
            Some(notice) = self.notices.recv() => Ok(line.notice(notice)),
            Some(claim) = self.claimed.recv() => Err(Over::Claimed(claim)),
            () = sleep_until(self.hearing.due()) => match self.hearing.poll(line) {
                Silence::Ping => {
                    self.say([Message::Ping(Bytes::new())].into_iter()).await?;
                    Ok(Vec::new())
                }
                Silence::Lost => Err(Over::Broken),
            }
        }
    }

    /// Says that. A connection that is dead may take nothing more, and must yet hear that another one has its place.
    async fn say(&mut self, frames: impl Iterator<Item = Message>) -> Result<(), Over> {
        for frame in frames {
            tokio::select! {
                sent = timeout(IDLE_MAX, self.socket.send(frame)) => {
                    if !matches!(sent, Ok(Ok(()))) {
                        return Err(Over::Broken);
                    }
                }
                Some(claim) = self.claimed.recv() => return Err(Over::Claimed(claim)),
            }
        }
        Ok(())
    }
}

/// What is to be done about a WebSocket on which nothing is heard.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Silence {
    Ping,
    Lost,
}

/// When a WebSocket was heard last. A connection whose other end is gone without a word looks like one that has nothing to say; a ping
/// tells them apart.
#[derive(Debug)]
struct Hearing {
    heard_at: TokioInstant,
    /// When it had a session last.
    busy_at: TokioInstant,
    pinged: bool,
}

impl Hearing {
    fn new() -> Self {
        let now = TokioInstant::now();
        Self {
            heard_at: now,
            busy_at: now,
            pinged: false,
        }
    }

    fn heard(&mut self) {
        self.heard_at = TokioInstant::now();
        self.pinged = false;
    }

    fn busy(&mut self) {
        self.busy_at = TokioInstant::now();
    }

    fn due(&self) -> TokioInstant {
        let after = if self.pinged { UNHEARD } else { PING_AFTER };
        self.heard_at + Duration::from_nanos(after.as_nanos())
    }

    fn poll(&mut self, line: &Line) -> Silence {
        let idle = line.is_empty() && self.busy_at.elapsed() >= IDLE_MAX;
        if self.pinged || idle {
            return Silence::Lost;
        }
        self.pinged = true;
        Silence::Ping
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::advance;

    use super::*;
    use crate::ingest::IngestSettings;
    use crate::ingest::tests::Bench;

    fn line(bench: &Bench) -> Line {
        let ((sender, _), (claims, _)) = (mpsc::channel(1), mpsc::channel(1));
        Line::new(bench.ingest.clone(), sender, claims)
    }

    fn seconds(model: racegate_model::time::Duration) -> Duration {
        Duration::from_nanos(model.as_nanos())
    }

    #[tokio::test(start_paused = true)]
    async fn a_silent_connection_is_pinged_and_given_up_unless_it_answers() {
        let bench = Bench::new(&IngestSettings::default());
        let line = line(&bench);
        let mut hearing = Hearing::new();
        let began = TokioInstant::now();
        for _ in 0..3 {
            advance(hearing.due() - TokioInstant::now()).await;
            assert_eq!(hearing.poll(&line), Silence::Ping);
            hearing.heard();
        }
        assert_eq!(began.elapsed(), 3 * seconds(PING_AFTER));
        advance(seconds(PING_AFTER)).await;
        assert_eq!(hearing.poll(&line), Silence::Ping);
        advance(hearing.due() - TokioInstant::now()).await;
        assert_eq!(hearing.poll(&line), Silence::Lost);
        assert_eq!(began.elapsed(), 3 * seconds(PING_AFTER) + seconds(UNHEARD));
    }

    #[tokio::test(start_paused = true)]
    async fn a_connection_without_sessions_is_given_up_however_well_it_answers() {
        let bench = Bench::new(&IngestSettings::default());
        let line = line(&bench);
        let mut hearing = Hearing::new();
        let began = TokioInstant::now();
        loop {
            advance(hearing.due() - TokioInstant::now()).await;
            if hearing.poll(&line) == Silence::Lost {
                break;
            }
            hearing.heard();
        }
        assert_eq!(began.elapsed(), IDLE_MAX);
    }
}
