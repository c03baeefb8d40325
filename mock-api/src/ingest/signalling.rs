//! One signalling connection's sessions: frames in, frames out.

use std::collections::BTreeMap;
use std::time::Instant;

use serde_json::Value;
use tokio::sync::mpsc;

use racegate_media::Sha256;

use super::events::EndReason;
use super::handle::{End, Ingest, Notice};
use super::parked::{self, Claim};
use super::rpc::{self, CallConnection, CallMedia, Incoming, Method, RpcError};
use super::silent::SILENT_OFFER;

/// Sessions that may share one WebSocket.
pub(super) const SESSIONS_MAX: usize = 256;

/// The longest conversation id that is taken, in bytes; real ones are UUIDs.
const ID_MAX: usize = 128;

/// How a WebSocket ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Parting {
    /// One side said so.
    Closed,
    /// Without a word.
    Broken,
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

/// One session's signalling; it goes with the session from one WebSocket to the next.
#[derive(Debug)]
pub(super) struct Leg {
    /// Where its media is. A WebSocket that takes it over may belong to another shard.
    pub(super) ingest: Ingest,
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

    /// Whether it has no media.
    pub(super) fn is_silent(&self) -> bool {
        self.media == CallMedia::None
    }
}

/// One WebSocket's sessions: frames in, frames out.
pub(super) struct Line {
    ingest: Ingest,
    notices: mpsc::Sender<Notice>,
    /// Where others ask for its persistent sessions.
    claims: mpsc::Sender<Claim>,
    sessions: BTreeMap<String, Leg>,
    strikes: u32,
    next_id: u64,
}

impl Line {
    pub(super) fn new(
        ingest: Ingest,
        notices: mpsc::Sender<Notice>,
        claims: mpsc::Sender<Claim>,
    ) -> Self {
        Self {
            ingest,
            notices,
            claims,
            sessions: BTreeMap::new(),
            strikes: 0,
            next_id: 0,
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.sessions.is_empty()
    }

    pub(super) fn strikes(&self) -> u32 {
        self.strikes
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
    pub(super) fn strike(&mut self, id: &Value, error: &RpcError) -> Vec<String> {
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
                } else if let Some(leg) = self.drop_leg(&session_id) {
                    self::end(&session_id, leg, end).await;
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
            ingest: self.ingest.clone(),
            conversation_id: conversation_id.clone(),
            stage: Stage::Proposed,
            media,
            connection,
            established_at: None,
        };
        self.keep(&session_id, leg);
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

    fn keep(&mut self, session_id: &str, leg: Leg) {
        if leg.connection == CallConnection::Persistent {
            leg.ingest.parked().hold(session_id, &self.claims);
        }
        self.sessions.insert(session_id.to_owned(), leg);
    }

    fn drop_leg(&mut self, session_id: &str) -> Option<Leg> {
        let leg = self.sessions.remove(session_id)?;
        if leg.connection == CallConnection::Persistent {
            leg.ingest.parked().forget(session_id, &self.claims);
        }
        Some(leg)
    }

    /// Takes over a session whose WebSocket broke, whether or not the server knows by now.
    async fn reconnect(&mut self, session_id: String) -> Result<Vec<String>, RpcError> {
        // It may be asked twice, when the answer was slow.
        if self.sessions.get(&session_id).is_some_and(Leg::waits) {
            return Ok(self.active(session_id));
        }
        self.expect_room()?;
        let Some(mut leg) = self.ingest.parked().claim(&session_id).await else {
            let message = "no such session waits for its softphone";
            return Err(RpcError::new(RpcError::SERVER, message));
        };
        if leg.media == CallMedia::Audio {
            let attached = leg.ingest.attach(&session_id, self.notices.clone()).await;
            attached.map_err(|error| RpcError::new(RpcError::SERVER, error.to_string()))?;
        }
        // What was asked just before it broke has to be asked again.
        if leg.stage == Stage::ProposedAgain {
            leg.stage = Stage::Idle;
        }
        self.keep(&session_id, leg);
        Ok(self.active(session_id))
    }

    /// Gives a session up to another WebSocket. One that is not up stays, to end with this one.
    pub(super) fn give(&mut self, claim: Claim) {
        let Claim { session_id, reply } = claim;
        let waits = self.sessions.get(&session_id).is_some_and(Leg::waits);
        if let Some(leg) = waits.then(|| self.sessions.remove(&session_id)).flatten()
            // Who claimed it may be gone.
            && let Err(leg) = reply.send(leg)
        {
            self.sessions.insert(session_id, leg);
        }
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
        let ingest = leg.ingest.clone();
        if leg.media == CallMedia::None {
            leg.established_at = Some(now);
            ingest.silent_started(&conversation_id, &session_id);
            ingest.silent_established(&conversation_id, &session_id, now);
        } else if let Err(error) = ingest.begin(&session_id, &conversation_id).await {
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
                    leg.ingest.silent_ended(ids.0, ids.1, established_at, end);
                    return;
                }
                let asked = leg
                    .ingest
                    .end_conversation(session_id, conversation_id, end);
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
        let leg = self.leg(&session_id)?;
        if leg.media == CallMedia::None {
            leg.ingest.silent_started(&conversation_id, &session_id);
            return Ok(self.frame(&Method::Offer {
                session_id,
                conversation_id,
                sdp: SILENT_OFFER.to_owned(),
            }));
        }
        let ingest = leg.ingest.clone();
        let notices = self.notices.clone();
        match ingest.create(&conversation_id, &session_id, notices).await {
            Ok(sdp) => Ok(self.frame(&Method::Offer {
                session_id,
                conversation_id,
                sdp,
            })),
            Err(error) => {
                self.drop_leg(&session_id);
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
            leg.ingest
                .silent_established(&conversation_id, session_id, now);
            return Ok(Vec::new());
        }
        let ingest = leg.ingest.clone();
        match ingest.answer(session_id, sdp).await {
            Ok(()) => Ok(Vec::new()),
            Err(error) => {
                self.drop_leg(session_id);
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
        let ingest = leg.ingest.clone();
        match ingest.renegotiate(&session_id, sdp).await {
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
    pub(super) fn notice(&mut self, notice: Notice) -> Vec<String> {
        if self.drop_leg(&notice.session_id).is_none() {
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
        let waits = |_: &String, leg: &mut Leg| parting == Parting::Broken && leg.waits();
        // Who comes back at once finds them parked.
        for (session_id, leg) in self.sessions.extract_if(.., waits) {
            parked::park(session_id, leg);
        }
        for session_id in self.sessions.keys().cloned().collect::<Vec<_>>() {
            if let Some(leg) = self.drop_leg(&session_id) {
                end(&session_id, leg, lost).await;
            }
        }
    }
}

/// Ends a session as of `end.at`.
pub(super) async fn end(session_id: &str, leg: Leg, end: End) {
    if leg.media == CallMedia::Audio {
        if let Err(error) = leg.ingest.end(session_id, end).await {
            tracing::debug!(session_id, %error, "a session could not be ended");
        }
    } else if matches!(leg.stage, Stage::Offered | Stage::Answered) {
        let session_id = session_id.to_owned();
        let ingest = leg.ingest;
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
