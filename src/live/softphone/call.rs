//! One call's signalling: from the WebSocket to `terminate`.

use std::time::{Duration, Instant};

use futures_util::{SinkExt, StreamExt};
use mock_api::ingest::rpc::{self, CallConnection, CallMedia, Incoming, Method};
use racegate_model::fault::Fault;
use tokio::net::TcpStream;
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant as TokioInstant, timeout, timeout_at};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::{Message, Utf8Bytes};

use super::back::Away;
use super::connect::connect;
use super::endpoint::{Answered, Command};
use super::phone::{Finished, Progress};
use super::{CallEnd, CallOutcome, CallStage, Connection, Dial, DialMedia, Softphones};

pub(super) type Socket = WebSocketStream<TcpStream>;

/// How long after the hang-up the media thread may take to say that it is done; it takes a millisecond or two.
const GRACE: Duration = Duration::from_millis(500);

/// Messages of a phone that may wait: it says no more than this on one call, and that it is gone.
const PROGRESS: usize = 4;

/// How long a WebSocket may take to take our last frames.
const GOODBYE: Duration = Duration::from_secs(1);

/// A call as far as it has come.
pub(super) struct Call<'a> {
    pub(super) phones: &'a Softphones,
    pub(super) dial: &'a Dial,
    stage: CallStage,
    pub(super) socket: Option<Socket>,
    pub(super) session_id: Option<String>,
    /// The phone that has answered.
    pub(super) ordinal: Option<u32>,
    established_at: Option<Instant>,
    /// How often a fault of its signalling has struck.
    pub(super) struck: u32,
    /// How often it did something by that.
    pub(super) acts: u64,
    next_id: u64,
    /// Its connection broke, and it will come back.
    pub(super) away: Option<Away>,
}

/// What stays of a call when its connection does.
#[derive(Debug)]
pub(super) struct Kept {
    pub(super) socket: Socket,
    session_id: String,
    /// The phone that rests; none where there is no media.
    ordinal: Option<u32>,
    /// Says when the phone is gone.
    pub(super) progress: mpsc::Receiver<Progress>,
    next_id: u64,
}

/// Makes a call and sees it through.
pub(super) async fn place(phones: &Softphones, dial: Dial) -> CallOutcome {
    place_on(phones, dial, None).await.0
}

/// The same on what an earlier call has kept, if it has; gives what there is to keep for the next one.
pub(super) async fn place_on(
    phones: &Softphones,
    mut dial: Dial,
    kept: Option<Kept>,
) -> (CallOutcome, Option<Kept>) {
    let hasty = [Fault::EarlyHangUp, Fault::HangUpDuringUpload];
    if let Some(fault) = dial.fault.filter(|met| hasty.contains(&met.fault)) {
        dial.hang_up_at = dial.hang_up_at.min(fault.at);
    }
    let mut call = Call {
        phones,
        dial: &dial,
        stage: CallStage::Connect,
        socket: None,
        session_id: None,
        ordinal: None,
        established_at: None,
        struck: 0,
        acts: 0,
        next_id: 0,
        away: None,
    };
    let (sender, mut progress) = mpsc::channel(PROGRESS);
    let hang_up_at = TokioInstant::from_std(dial.hang_up_at);
    let set_up = async {
        match kept {
            None => call.set_up(sender).await,
            Some(kept) => call.resume_or_set_up(kept, sender).await,
        }
    };
    let mut ended = match timeout_at(hang_up_at, set_up).await {
        Ok(Ok(())) => call.talk(&mut progress).await,
        Ok(Err(cause)) => Ended::without_media(cause),
        Err(_) => Ended::without_media("not set up when it was time to hang up".to_owned()),
    };
    // To hang up it comes back at once.
    let lost = call.come_back().await;
    ended.cause = ended.cause.or(lost);
    if dial.meets(Fault::Vanish) {
        if ended.cause.is_none() {
            call.linger().await;
        }
    } else if call.may_rest(&ended) && call.end_conversation(&ended).await.is_ok() {
        let kept = call.keep(progress);
        return (call.outcome(ended), kept);
    } else {
        call.say_goodbye(&ended).await;
    }
    (call.outcome(ended), None)
}

/// How the talking ended.
struct Ended {
    finished: Option<Finished>,
    /// Why it ended before it was time.
    cause: Option<String>,
}

impl Ended {
    fn without_media(cause: String) -> Self {
        Self {
            finished: None,
            cause: Some(cause),
        }
    }
}

impl Call<'_> {
    /// Everything up to the answer; afterwards the media thread goes on by itself.
    async fn set_up(&mut self, progress: mpsc::Sender<Progress>) -> Result<(), String> {
        let connecting = connect(self.phones, self.dial.fault.map(|met| met.fault));
        self.socket = Some(connecting.await?);
        self.stage = CallStage::Propose;
        let silent = self.dial.media == DialMedia::Signalling;
        let conversation_id = self.dial.conversation_id.clone();
        let media = if silent {
            CallMedia::None
        } else {
            CallMedia::Audio
        };
        self.send(&Method::Call {
            conversation_id,
            session_id: None,
            media,
            connection: if self.stays_in_touch() {
                CallConnection::Persistent
            } else {
                CallConnection::PerCall
            },
        })
        .await?;
        let session_id = self.proceed().await?;
        let offer = loop {
            if let Method::Offer { sdp, .. } = self.receive().await? {
                break sdp;
            }
        };
        self.stage = CallStage::Answer;
        let sdp = if silent {
            offer
        } else {
            self.pick_up(offer, progress).await?
        };
        self.send_answer(Method::Answer { session_id, sdp }).await?;
        self.stage = CallStage::Path;
        if silent {
            self.established_at = Some(Instant::now());
            self.report_active().await;
        }
        Ok(())
    }

    /// Takes what the server proposes.
    async fn proceed(&mut self) -> Result<String, String> {
        let session_id = loop {
            if let Method::Propose { session_id, .. } = self.receive().await? {
                break session_id;
            }
        };
        self.session_id = Some(session_id.clone());
        self.stage = CallStage::Offer;
        let method = Method::Proceed {
            session_id: session_id.clone(),
        };
        self.send(&method).await?;
        Ok(session_id)
    }

    /// The call is made on a session that is there; if that has gone with its connection, on one of its own.
    async fn resume_or_set_up(
        &mut self,
        kept: Kept,
        progress: mpsc::Sender<Progress>,
    ) -> Result<(), String> {
        let resumed = self.resume(kept, progress.clone()).await;
        if resumed.is_ok() || self.socket.is_some() {
            return resumed;
        }
        self.hang_up_media().await;
        self.set_up(progress).await
    }

    /// The same as [`Call::set_up`] on a session that is there: nothing is negotiated.
    async fn resume(&mut self, kept: Kept, progress: mpsc::Sender<Progress>) -> Result<(), String> {
        self.socket = Some(kept.socket);
        self.ordinal = kept.ordinal;
        self.next_id = kept.next_id;
        self.session_id = Some(kept.session_id);
        self.stage = CallStage::Propose;
        let mut asked = self.ask_again().await;
        if asked.is_err() && self.is_cut_off() {
            self.wait_until_back().await?;
            asked = self.ask_again().await;
        }
        asked?;
        self.stage = CallStage::Handshake;
        let Some(ordinal) = self.ordinal else {
            self.established_at = Some(Instant::now());
            return Ok(());
        };
        let dial = self.dial.clone();
        let command = Command::Converse {
            ordinal,
            dial,
            progress,
        };
        let sent = self.phones.commands.send(command).await;
        sent.map_err(|_| "the softphones have stopped".to_owned())
    }

    /// Asks for a further conversation on the session.
    async fn ask_again(&mut self) -> Result<(), String> {
        self.send(&Method::Call {
            conversation_id: self.dial.conversation_id.clone(),
            session_id: self.session_id.clone(),
            media: CallMedia::Audio,
            connection: CallConnection::Persistent,
        })
        .await?;
        self.proceed().await?;
        while !matches!(self.receive().await?, Method::Info { .. }) {}
        Ok(())
    }

    /// Whether the session may stay for another conversation.
    fn may_rest(&self, ended: &Ended) -> bool {
        let departed = ended
            .finished
            .as_ref()
            .is_none_or(|end| end.departure.is_some());
        self.dial.connection == Connection::Persistent
            && self.established_at.is_some()
            && ended.cause.is_none()
            && !departed
    }

    /// Ends the conversation and not the session.
    async fn end_conversation(&mut self, ended: &Ended) -> Result<(), String> {
        let method = self.terminate(ended, Some(self.dial.conversation_id.clone()));
        let method = method.ok_or("there is no session")?;
        let sent = timeout(GOODBYE, self.send(&method)).await;
        sent.map_err(|error| error.to_string())?
    }

    fn terminate(&self, ended: &Ended, conversation_id: Option<String>) -> Option<Method> {
        let finished = ended.finished.as_ref();
        Some(Method::Terminate {
            session_id: self.session_id.clone()?,
            conversation_id,
            reason: "hang-up".to_owned(),
            digest: finished.map(|end| end.digest_sent.to_string()),
        })
    }

    fn keep(&mut self, progress: mpsc::Receiver<Progress>) -> Option<Kept> {
        Some(Kept {
            socket: self.socket.take()?,
            session_id: self.session_id.clone()?,
            ordinal: self.ordinal,
            progress,
            next_id: self.next_id,
        })
    }

    /// Has the media thread answer.
    async fn pick_up(
        &mut self,
        offer: String,
        progress: mpsc::Sender<Progress>,
    ) -> Result<String, String> {
        let (reply, answered) = oneshot::channel();
        let command = Command::Answer {
            dial: self.dial.clone(),
            offer,
            progress,
            reply,
        };
        let stopped = "the softphones have stopped";
        self.phones
            .commands
            .send(command)
            .await
            .map_err(|_| stopped)?;
        let answered = answered.await.map_err(|_| stopped)?;
        let Answered { ordinal, sdp } = answered.map_err(|error| error.to_string())?;
        self.ordinal = Some(ordinal);
        Ok(sdp)
    }

    /// Waits until the phone has hung up, or until the other side ends it.
    async fn talk(&mut self, progress: &mut mpsc::Receiver<Progress>) -> Ended {
        let hang_up_at = TokioInstant::from_std(self.dial.hang_up_at);
        let silent = self.dial.media == DialMedia::Signalling;
        let mut cause = None;
        loop {
            let strike = self.strikes_at();
            let back = self.away.as_ref().map(|away| away.back_at);
            tokio::select! {
                biased;
                news = progress.recv(), if !silent => match news {
                    Some(Progress::PathFound) => self.stage = self.stage.max(CallStage::Handshake),
                    Some(Progress::Established(at)) => {
                        self.established_at = Some(at);
                        self.report_active().await;
                    }
                    Some(Progress::Finished(finished)) => return Ended { finished: Some(finished), cause },
                    None => return Ended { finished: None, cause: cause.or(Some("the softphones have stopped".to_owned())) },
                },
                frame = self.receive(), if cause.is_none() && back.is_none() && !self.is_deaf() => {
                    let lost = frame.is_err() && self.is_cut_off();
                    if let Some(end) = self.ending(frame).filter(|_| !lost) {
                        cause = Some(end);
                        self.hang_up_media().await;
                    }
                }
                () = tokio::time::sleep_until(back.unwrap_or(hang_up_at)), if back.is_some() => {
                    if let Some(end) = self.come_back().await {
                        cause = Some(end);
                        self.hang_up_media().await;
                    }
                }
                () = tokio::time::sleep_until(strike.unwrap_or(hang_up_at)), if strike.is_some() => {
                    let struck = self.strike().await;
                    // Where the WebSocket was cut, audio flows on until the server ends it.
                    if struck.is_some() && self.socket.is_some() {
                        self.hang_up_media().await;
                    }
                    cause = cause.or(struck);
                }
                () = tokio::time::sleep_until(hang_up_at), if silent => {
                    return Ended { finished: Some(Finished::of_silence()), cause };
                }
                () = tokio::time::sleep_until(hang_up_at + GRACE) => {
                    return Ended { finished: None, cause: cause.or(Some("the media thread did not hang up in time".to_owned())) };
                }
            }
            if silent && cause.is_some() {
                return Ended {
                    finished: Some(Finished::of_silence()),
                    cause,
                };
            }
        }
    }

    async fn report_active(&mut self) {
        let session_id = self.session_id.clone().unwrap_or_default();
        let status = "active".to_owned();
        // If this fails, so does the next receive, which ends the call.
        drop(self.send(&Method::Info { session_id, status }).await);
    }

    async fn hang_up_media(&self) {
        if let Some(ordinal) = self.ordinal {
            // If the media thread is gone, the progress channel says so.
            drop(self.phones.commands.send(Command::HangUp { ordinal }).await);
        }
    }

    async fn say_goodbye(&mut self, ended: &Ended) {
        if let Some(method) = self.terminate(ended, None) {
            // Whatever the other side does now, the call is over.
            drop(timeout(GOODBYE, self.send(&method)).await);
        }
        if let Some(socket) = &mut self.socket {
            drop(timeout(GOODBYE, socket.close(None)).await);
        }
    }

    pub(super) async fn send(&mut self, method: &Method) -> Result<(), String> {
        self.next_id += 1;
        let text = rpc::frame(self.next_id, method);
        if self.dial.meets(Fault::FragmentedFrames) {
            return self.send_fragments(&text).await;
        }
        let socket = self.socket.as_mut().ok_or("the WebSocket is not open")?;
        let frame = Message::Text(Utf8Bytes::from(text));
        let sent = socket.send(frame).await;
        sent.map_err(|error| self.lose(error.to_string()))
    }

    /// The next method that the server calls.
    pub(super) async fn receive(&mut self) -> Result<Method, String> {
        let closed = "the server closed the WebSocket";
        loop {
            let socket = self.socket.as_mut().ok_or("the WebSocket is not open")?;
            match socket.next().await {
                Some(Ok(Message::Text(text))) => {
                    match rpc::parse(&text).map_err(|(_, error)| error.to_string())? {
                        Incoming::Method { method, .. } => return Ok(method),
                        // It was asked for.
                        Incoming::Error(_) if self.dial.meets(Fault::GarbageFrame) => {}
                        Incoming::Error(error) => return Err(error.to_string()),
                        Incoming::Result => {}
                    }
                }
                Some(Ok(Message::Close(_))) | None => return Err(self.lose(closed.to_owned())),
                Some(Err(error)) => return Err(self.lose(error.to_string())),
                Some(Ok(
                    Message::Binary(_) | Message::Ping(_) | Message::Pong(_) | Message::Frame(_),
                )) => {}
            }
        }
    }

    fn outcome(self, ended: Ended) -> CallOutcome {
        let Ended { finished, cause } = ended;
        let finished = finished.unwrap_or_else(Finished::of_silence);
        let departure = finished.departure;
        let end = match (self.established_at, cause) {
            (None, cause) => CallEnd::NotEstablished {
                stage: self.stage,
                cause: cause.unwrap_or_else(|| match departure {
                    Some(departure) => format!("the other side went away: {departure:?}"),
                    None => "not set up when it was time to hang up".to_owned(),
                }),
            },
            (Some(_), None) if departure.is_none() => CallEnd::HungUp,
            (Some(_), _) => CallEnd::CutOff { departure },
        };
        CallOutcome {
            conversation_id: self.dial.conversation_id.clone(),
            session_id: self.session_id,
            established_at: self.established_at,
            ended_at: finished.at,
            packets_sent: finished.packets_sent,
            digest_sent: finished.digest_sent,
            payloads: finished.payloads,
            acts: self.acts + finished.acts,
            end,
        }
    }

    /// Whether a frame ends the call, and why.
    pub(super) fn ending(&self, frame: Result<Method, String>) -> Option<String> {
        match frame {
            Ok(Method::Terminate {
                session_id, reason, ..
            }) => {
                let own = self.session_id.as_ref() == Some(&session_id);
                own.then(|| format!("the server hung up: {reason}"))
            }
            Ok(_) => None,
            Err(cause) => Some(cause),
        }
    }
}
