//! The signalling WebSocket, server side.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use axum::extract::ws::{CloseFrame, Message, WebSocket, WebSocketUpgrade, close_code};
use axum::response::Response;
use bytes::Bytes;
use racegate_model::fault::{PING_AFTER, UNHEARD};
use serde_json::Value;
use tokio::sync::mpsc;
use tokio::time::{Instant as TokioInstant, sleep_until, timeout};

use racegate_media::Sha256;

use super::events::EndReason;
use super::handle::{End, Ingest, Notice};
use super::parked;
use super::rpc::{self, CallConnection, CallMedia, Incoming, Method, RpcError};
use super::silent::SILENT_OFFER;

/// The longest frame that is read, in bytes; a session description has one or two thousand.
pub const FRAME_MAX: usize = 64 * 1024;

/// Sessions that may share one WebSocket.
const SESSIONS_MAX: usize = 256;

/// Bad frames after which a WebSocket is closed.
const STRIKES_MAX: u32 = 5;

/// The longest conversation id that is taken, in bytes; real ones are UUIDs.
const ID_MAX: usize = 128;

/// A WebSocket without sessions is closed after this time, and so is one that does not take what is sent to it.
const IDLE_MAX: Duration = Duration::from_secs(60);

/// Answers an upgrade request with a signalling WebSocket whose frames are bounded.
pub fn upgrade_signalling(upgrade: WebSocketUpgrade, ingest: Ingest) -> Response {
    upgrade
        .max_message_size(FRAME_MAX)
        .max_frame_size(FRAME_MAX)
        .on_upgrade(move |socket| serve_signalling(socket, ingest))
}

/// Serves one signalling WebSocket until it closes; then what is left of its sessions ends as [`EndReason::SignallingLost`]. If it
/// broke, persistent ones that are up may be reached by another one for [`RECONNECT`](racegate_model::fault::RECONNECT).
pub async fn serve_signalling(mut socket: WebSocket, ingest: Ingest) {
    let (sender, mut notices) = mpsc::channel(SESSIONS_MAX);
    let mut line = Line::new(ingest, sender);
    let mut hearing = Hearing::new();
    let parting = loop {
        let replies = tokio::select! {
            frame = socket.recv() => {
                hearing.heard();
                match frame {
                    Some(Ok(Message::Text(text))) => line.handle(&text, Instant::now()).await,
                    Some(Ok(Message::Binary(_))) => line.strike(&Value::Null, &RpcError::new(RpcError::PARSE, "frames are text")),
                    Some(Ok(Message::Ping(_) | Message::Pong(_))) => Vec::new(),
                    Some(Ok(Message::Close(_))) => break Parting::Closed,
                    Some(Err(_)) | None => break Parting::Broken,
                }
            }
            Some(notice) = notices.recv() => line.notice(notice),
            () = sleep_until(hearing.due()) => match hearing.poll(&line) {
                Silence::Ping => {
                    // Who does not take it is not heard, either.
                    drop(timeout(IDLE_MAX, socket.send(Message::Ping(Bytes::new()))).await);
                    Vec::new()
                }
                Silence::Lost => break Parting::Broken,
            }
        };
        if !line.sessions.is_empty() {
            hearing.busy();
        }
        if send_all(&mut socket, replies).await.is_err() {
            break Parting::Broken;
        }
        if line.strikes > STRIKES_MAX {
            let frame = CloseFrame {
                code: close_code::POLICY,
                reason: "too many bad frames".into(),
            };
            // It is over either way.
            drop(timeout(IDLE_MAX, socket.send(Message::Close(Some(frame)))).await);
            break Parting::Closed;
        }
    };
    line.lose(Instant::now(), parting).await;
}

async fn send_all(socket: &mut WebSocket, frames: Vec<String>) -> Result<(), ()> {
    for frame in frames {
        match timeout(IDLE_MAX, socket.send(Message::Text(frame.into()))).await {
            Ok(Ok(())) => {}
            Ok(Err(_)) | Err(_) => return Err(()),
        }
    }
    Ok(())
}

/// How a WebSocket ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Parting {
    /// One side said so.
    Closed,
    /// Without a word.
    Broken,
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
        let idle = line.sessions.is_empty() && self.busy_at.elapsed() >= IDLE_MAX;
        if self.pinged || idle {
            return Silence::Lost;
        }
        self.pinged = true;
        Silence::Ping
    }
}

/// How far a session has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    Proposed,
    Offered,
    Answered,
    /// Its conversation is over, and it may carry another.
    Idle,
    /// It may carry on with that conversation.
    ProposedAgain,
}

pub(super) struct Leg {
    conversation_id: String,
    stage: Stage,
    media: CallMedia,
    connection: CallConnection,
    /// Of a session without media: when it was answered.
    established_at: Option<Instant>,
}

impl Leg {
    /// Whether it may go on without its WebSocket for a time.
    fn waits(&self) -> bool {
        let up = matches!(
            self.stage,
            Stage::Answered | Stage::Idle | Stage::ProposedAgain
        );
        self.connection == CallConnection::Persistent && up
    }
}

/// One WebSocket's sessions: frames in, frames out.
pub(super) struct Line {
    ingest: Ingest,
    notices: mpsc::Sender<Notice>,
    sessions: BTreeMap<String, Leg>,
    strikes: u32,
    next_id: u64,
}

impl Line {
    pub(super) fn new(ingest: Ingest, notices: mpsc::Sender<Notice>) -> Self {
        Self {
            ingest,
            notices,
            sessions: BTreeMap::new(),
            strikes: 0,
            next_id: 0,
        }
    }

    pub(super) async fn handle(&mut self, text: &str, now: Instant) -> Vec<String> {
        match rpc::parse(text) {
            Ok(Incoming::Method { id, method }) => match self.method(method, now).await {
                Ok(replies) => replies,
                Err(error) if error.code == RpcError::SERVER => vec![rpc::error_frame(&id, &error)],
                Err(error) => self.strike(&id, &error),
            },
            Ok(Incoming::Error(_) | Incoming::Result) => Vec::new(),
            Err((id, error)) => self.strike(&id, &error),
        }
    }

    /// Answers a bad frame and counts it.
    fn strike(&mut self, id: &Value, error: &RpcError) -> Vec<String> {
        self.strikes += 1;
        vec![rpc::error_frame(id, error)]
    }

    async fn method(&mut self, method: Method, now: Instant) -> Result<Vec<String>, RpcError> {
        match method {
            Method::Call {
                conversation_id,
                session_id: None,
                media,
                connection,
            } => self.propose(conversation_id, media, connection),
            Method::Call {
                conversation_id,
                session_id: Some(session_id),
                ..
            } => self.propose_again(conversation_id, session_id),
            Method::Proceed { session_id } => {
                match self.leg(&session_id)?.stage {
                    Stage::ProposedAgain => self.resume(session_id, now).await,
                    // It was, and the connection broke before we said so.
                    Stage::Answered => Ok(self.active(session_id)),
                    Stage::Proposed | Stage::Offered | Stage::Idle => self.offer(session_id).await,
                }
            }
            Method::Reconnect { session_id } => self.reconnect(session_id).await,
            Method::Answer { session_id, sdp } => self.answer(&session_id, &sdp, now).await,
            // The server is ICE-lite: it learns a caller's addresses from its checks.
            Method::IceCandidate { session_id, .. } | Method::Info { session_id, .. } => {
                self.leg(&session_id).map(|_| Vec::new())
            }
            Method::Terminate {
                session_id,
                conversation_id,
                digest,
                ..
            } => {
                let end = End {
                    reason: EndReason::HungUp,
                    at: now,
                    digest: digest.as_deref().and_then(Sha256::parse),
                };
                // Both sides may hang up at once, so what is unknown is no error here.
                if let Some(conversation_id) = conversation_id {
                    self.rest(&session_id, &conversation_id, end).await;
                } else if let Some(leg) = self.sessions.remove(&session_id) {
                    self::end(&self.ingest, &session_id, leg, end).await;
                }
                Ok(Vec::new())
            }
            Method::Offer {
                session_id, sdp, ..
            } => self.renew(session_id, &sdp).await,
            Method::Propose { .. } => {
                Err(RpcError::new(RpcError::METHOD, "only the server proposes"))
            }
        }
    }

    fn propose(
        &mut self,
        conversation_id: String,
        media: CallMedia,
        connection: CallConnection,
    ) -> Result<Vec<String>, RpcError> {
        check(&conversation_id)?;
        self.expect_room()?;
        let session_id = self.ingest.next_session_id(&conversation_id);
        let leg = Leg {
            conversation_id: conversation_id.clone(),
            stage: Stage::Proposed,
            media,
            connection,
            established_at: None,
        };
        self.sessions.insert(session_id.clone(), leg);
        Ok(self.frame(&Method::Propose {
            session_id,
            conversation_id,
            autoanswer: true,
        }))
    }

    fn expect_room(&self) -> Result<(), RpcError> {
        if self.sessions.len() < SESSIONS_MAX {
            return Ok(());
        }
        let message = "too many sessions on this connection";
        Err(RpcError::new(RpcError::SERVER, message))
    }

    /// Takes over a session whose WebSocket broke.
    async fn reconnect(&mut self, session_id: String) -> Result<Vec<String>, RpcError> {
        self.expect_room()?;
        let Some(mut leg) = self.ingest.parked().take(&session_id) else {
            let message = "no such session waits for its softphone";
            return Err(RpcError::new(RpcError::SERVER, message));
        };
        if leg.media == CallMedia::Audio {
            let attached = self.ingest.attach(&session_id, self.notices.clone()).await;
            attached.map_err(|error| RpcError::new(RpcError::SERVER, error.to_string()))?;
        }
        // What was asked just before it broke has to be asked again.
        if leg.stage == Stage::ProposedAgain {
            leg.stage = Stage::Idle;
        }
        self.sessions.insert(session_id.clone(), leg);
        Ok(self.active(session_id))
    }

    /// A further conversation for a session whose last one is over.
    fn propose_again(
        &mut self,
        conversation_id: String,
        session_id: String,
    ) -> Result<Vec<String>, RpcError> {
        check(&conversation_id)?;
        let leg = self.leg(&session_id)?;
        // A softphone whose connection broke may not know that it has been heard.
        if leg.stage != Stage::Answered || leg.conversation_id != conversation_id {
            self.advance(&session_id, Stage::Idle, Stage::ProposedAgain)?;
            self.leg(&session_id)?
                .conversation_id
                .clone_from(&conversation_id);
        }
        Ok(self.frame(&Method::Propose {
            session_id,
            conversation_id,
            autoanswer: true,
        }))
    }

    /// Begins the conversation on the session as it is: there is nothing to negotiate.
    async fn resume(&mut self, session_id: String, now: Instant) -> Result<Vec<String>, RpcError> {
        let conversation_id = self.advance(&session_id, Stage::ProposedAgain, Stage::Answered)?;
        let leg = self.leg(&session_id)?;
        if leg.media == CallMedia::None {
            leg.established_at = Some(now);
            self.ingest.silent_started(&conversation_id, &session_id);
            self.ingest
                .silent_established(&conversation_id, &session_id, now);
        } else if let Err(error) = self.ingest.begin(&session_id, &conversation_id).await {
            self.leg(&session_id)?.stage = Stage::Idle;
            return Err(RpcError::new(RpcError::SERVER, error.to_string()));
        }
        Ok(self.active(session_id))
    }

    /// Ends the conversation that a session carries, and keeps the session.
    async fn rest(&mut self, session_id: &str, conversation_id: &str, end: End) {
        let leg = self.sessions.get_mut(session_id);
        let Some(leg) = leg.filter(|leg| leg.conversation_id == conversation_id) else {
            return;
        };
        match leg.stage {
            Stage::ProposedAgain => leg.stage = Stage::Idle,
            Stage::Answered => {
                leg.stage = Stage::Idle;
                let established_at = leg.established_at.take();
                if leg.media == CallMedia::None {
                    let ids = (conversation_id.to_owned(), session_id.to_owned());
                    self.ingest.silent_ended(ids.0, ids.1, established_at, end);
                    return;
                }
                let ingest = &self.ingest;
                let asked = ingest.end_conversation(session_id, conversation_id, end);
                if let Err(error) = asked.await {
                    tracing::debug!(session_id, %error, "a conversation could not be ended");
                }
            }
            // Nothing was said yet, or nothing is being said.
            Stage::Proposed | Stage::Offered | Stage::Idle => {}
        }
    }

    async fn offer(&mut self, session_id: String) -> Result<Vec<String>, RpcError> {
        let conversation_id = self.advance(&session_id, Stage::Proposed, Stage::Offered)?;
        if self.leg(&session_id)?.media == CallMedia::None {
            self.ingest.silent_started(&conversation_id, &session_id);
            return Ok(self.frame(&Method::Offer {
                session_id,
                conversation_id,
                sdp: SILENT_OFFER.to_owned(),
            }));
        }
        match self
            .ingest
            .create(&conversation_id, &session_id, self.notices.clone())
            .await
        {
            Ok(sdp) => Ok(self.frame(&Method::Offer {
                session_id,
                conversation_id,
                sdp,
            })),
            Err(error) => {
                self.sessions.remove(&session_id);
                Err(RpcError::new(RpcError::SERVER, error.to_string()))
            }
        }
    }

    async fn answer(
        &mut self,
        session_id: &str,
        sdp: &str,
        now: Instant,
    ) -> Result<Vec<String>, RpcError> {
        let conversation_id = self.advance(session_id, Stage::Offered, Stage::Answered)?;
        let leg = self.leg(session_id)?;
        if leg.media == CallMedia::None {
            leg.established_at = Some(now);
            self.ingest
                .silent_established(&conversation_id, session_id, now);
            return Ok(Vec::new());
        }
        match self.ingest.answer(session_id, sdp).await {
            Ok(()) => Ok(Vec::new()),
            Err(error) => {
                self.sessions.remove(session_id);
                Err(RpcError::new(RpcError::SERVER, error.to_string()))
            }
        }
    }

    /// The caller offers anew, in a session that is up. A refused offer changes nothing.
    async fn renew(&mut self, session_id: String, sdp: &str) -> Result<Vec<String>, RpcError> {
        let leg = self.leg(&session_id)?;
        if leg.stage != Stage::Answered || leg.media == CallMedia::None {
            return Err(RpcError::new(RpcError::REQUEST, "the server offers first"));
        }
        match self.ingest.renegotiate(&session_id, sdp).await {
            Ok(sdp) => Ok(self.frame(&Method::Answer { session_id, sdp })),
            Err(error) => Err(RpcError::new(RpcError::SERVER, error.to_string())),
        }
    }

    fn leg(&mut self, session_id: &str) -> Result<&mut Leg, RpcError> {
        self.sessions.get_mut(session_id).ok_or_else(|| {
            RpcError::new(
                RpcError::SERVER,
                "there is no such session on this connection",
            )
        })
    }

    /// Moves a session on, and gives its conversation.
    fn advance(&mut self, session_id: &str, from: Stage, to: Stage) -> Result<String, RpcError> {
        let leg = self.leg(session_id)?;
        if leg.stage != from {
            return Err(RpcError::new(
                RpcError::REQUEST,
                "the session is not at that point",
            ));
        }
        leg.stage = to;
        Ok(leg.conversation_id.clone())
    }

    /// The server's side of a session is over: the phone is told, unless it said so itself.
    fn notice(&mut self, notice: Notice) -> Vec<String> {
        if self.sessions.remove(&notice.session_id).is_none() {
            return Vec::new();
        }
        self.frame(&Method::Terminate {
            session_id: notice.session_id,
            conversation_id: None,
            reason: notice.reason.as_str().to_owned(),
            digest: None,
        })
    }

    fn active(&mut self, session_id: String) -> Vec<String> {
        let status = "active".to_owned();
        self.frame(&Method::Info { session_id, status })
    }

    fn frame(&mut self, method: &Method) -> Vec<String> {
        self.next_id += 1;
        vec![rpc::frame(self.next_id, method)]
    }

    pub(super) async fn lose(mut self, at: Instant, parting: Parting) {
        let lost = End {
            reason: EndReason::SignallingLost,
            at,
            digest: None,
        };
        for (session_id, leg) in std::mem::take(&mut self.sessions) {
            if parting == Parting::Broken && leg.waits() {
                parked::park(self.ingest.clone(), session_id, leg);
            } else {
                end(&self.ingest, &session_id, leg, lost).await;
            }
        }
    }
}

/// Ends a session as of `end.at`.
pub(super) async fn end(ingest: &Ingest, session_id: &str, leg: Leg, end: End) {
    if leg.media == CallMedia::Audio {
        if let Err(error) = ingest.end(session_id, end).await {
            tracing::debug!(session_id, %error, "a session could not be ended");
        }
    } else if matches!(leg.stage, Stage::Offered | Stage::Answered) {
        let session_id = session_id.to_owned();
        ingest.silent_ended(leg.conversation_id, session_id, leg.established_at, end);
    }
}

/// Ids come from outside.
fn check(conversation_id: &str) -> Result<(), RpcError> {
    if conversation_id.is_empty() || conversation_id.len() > ID_MAX {
        let message = format!("conversationId must have 1 to {ID_MAX} bytes");
        return Err(RpcError::new(RpcError::PARAMS, message));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use tokio::time::advance;

    use super::*;
    use crate::ingest::IngestSettings;
    use crate::ingest::tests::Bench;

    fn line(bench: &Bench) -> Line {
        let (sender, _) = mpsc::channel(1);
        Line::new(bench.ingest.clone(), sender)
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
