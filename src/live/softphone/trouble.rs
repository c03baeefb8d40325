//! Faults of a call's signalling.

use std::time::Duration;

use futures_util::SinkExt;
use mock_api::ingest::rpc::{self, Method};
use racegate_media::Flow;
use racegate_model::fault::{CONSENT, Fault};
use tokio::io::AsyncWriteExt;
use tokio::sync::oneshot;
use tokio::time::{Instant as TokioInstant, sleep, timeout};
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::frame::Frame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::{Data, OpCode};

use super::call::Call;
use super::endpoint::Command;

/// How long the answer to a new offer may take.
const ANSWERED_BY: Duration = Duration::from_secs(2);
/// Bytes of a fragment.
const FRAGMENT: usize = 7;
/// Bytes that dribble in at once, and the pause after them.
const DRIBBLE: usize = 256;
const DRIBBLE_PAUSE: Duration = Duration::from_millis(10);
/// How much longer than consent lasts a vanished caller's server may take to notice.
const NOTICED_BY: Duration = Duration::from_secs(5);

impl Call<'_> {
    /// When a fault of the signalling strikes next.
    pub(super) fn strikes_at(&self) -> Option<TokioInstant> {
        let met = self.dial.fault?;
        let at = match (met.fault, self.struck) {
            (
                Fault::SignallingCut
                | Fault::HalfClosed
                | Fault::AbruptClose
                | Fault::GarbageFrame
                | Fault::ReInvite
                | Fault::HoldResume
                | Fault::SameCallTwice
                | Fault::ReconnectStorm
                | Fault::JitteredReconnects
                | Fault::LineReconnect
                | Fault::SendBufferFull
                | Fault::PingWithoutPong,
                0,
            ) => met.at,
            (Fault::HoldResume, 1) => met.at + met.lasts,
            _ => return None,
        };
        Some(TokioInstant::from_std(at))
    }

    /// Whether it no longer reads what the server says.
    pub(super) fn is_deaf(&self) -> bool {
        self.struck > 0 && self.dial.meets(Fault::PingWithoutPong)
    }

    /// Brings it about; says so if the signalling is over with it.
    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "of some eighty faults these strike the signalling in mid-call"
    )]
    pub(super) async fn strike(&mut self) -> Option<String> {
        self.struck += 1;
        // Much that is asked is no fault yet: that the other side must wait is, and is counted there.
        self.acts += u64::from(!self.dial.meets(Fault::SendBufferFull));
        let met = self.dial.fault?;
        match met.fault {
            Fault::GarbageFrame => {
                let garbage = Message::text("{\"jsonrpc\": 2, noise");
                // If this fails, so does the next receive.
                drop(self.socket.as_mut()?.send(garbage).await);
                None
            }
            Fault::HalfClosed => {
                drop(self.socket.as_mut()?.get_mut().shutdown().await);
                None
            }
            Fault::ReInvite => self.offer_again(Flow::Flowing).await,
            Fault::HoldResume if self.struck == 1 => self.offer_again(Flow::Held).await,
            Fault::HoldResume => self.offer_again(Flow::Flowing).await,
            Fault::SameCallTwice => {
                self.call_again();
                None
            }
            Fault::SendBufferFull => self.read_nothing(&met).await,
            Fault::PingWithoutPong => None,
            Fault::LineReconnect => {
                self.break_off();
                self.leave(&met);
                None
            }
            Fault::ReconnectStorm | Fault::JitteredReconnects => {
                self.break_off();
                self.reconnect(&met);
                Some("the signalling was cut".to_owned())
            }
            _ => {
                self.break_off();
                Some("the signalling was cut".to_owned())
            }
        }
    }

    /// Offers anew, and waits for the answer.
    async fn offer_again(&mut self, flow: Flow) -> Option<String> {
        let ordinal = self.ordinal?;
        let (reply, offer) = oneshot::channel();
        let command = Command::OfferAgain {
            ordinal,
            flow,
            reply,
        };
        // Without softphones there is no offer, either.
        drop(self.phones.commands.send(command).await);
        let Some(sdp) = offer.await.ok().flatten() else {
            return Some("there is no new offer to be had".to_owned());
        };
        let offer = Method::Offer {
            session_id: self.session_id.clone().unwrap_or_default(),
            conversation_id: self.dial.conversation_id.clone(),
            sdp,
        };
        if let Err(cause) = self.send(&offer).await {
            return Some(cause);
        }
        let answered = async {
            loop {
                let frame = self.receive().await;
                if let Ok(Method::Answer { .. }) = frame {
                    return None;
                }
                if let Some(end) = self.ending(frame) {
                    return Some(end);
                }
            }
        };
        let unanswered = Some("the new offer was not answered".to_owned());
        timeout(ANSWERED_BY, answered).await.unwrap_or(unanswered)
    }

    /// Resets the connection, as a process that dies does.
    fn break_off(&mut self) {
        if let Some(socket) = self.socket.take() {
            drop(socket.get_ref().set_zero_linger());
        }
    }

    /// A vanished caller does nothing more until the server has noticed.
    pub(super) async fn linger(&mut self) {
        let noticed = async {
            loop {
                let frame = self.receive().await;
                if self.ending(frame).is_some() {
                    return;
                }
            }
        };
        let most = Duration::from_nanos(CONSENT.as_nanos()) + NOTICED_BY;
        drop(timeout(most, noticed).await);
    }

    /// Sends the answer, in the way that the call's fault wants.
    pub(super) async fn send_answer(&mut self, answer: Method) -> Result<(), String> {
        match self.dial.fault.map(|met| met.fault) {
            Some(Fault::NoAnswer) => std::future::pending().await,
            Some(Fault::SlowFrames) => {
                self.acts += 1;
                for piece in raw(&answer)?.chunks(DRIBBLE) {
                    self.write(piece).await?;
                    sleep(DRIBBLE_PAUSE).await;
                }
                Ok(())
            }
            Some(Fault::ResetDuringAnswer) => {
                let bytes = raw(&answer)?;
                self.write(&bytes[..bytes.len() / 2]).await?;
                self.break_off();
                Err("the connection was reset in the midst of the answer".to_owned())
            }
            _ => self.send(&answer).await,
        }
    }

    /// Sends a text in many frames.
    pub(super) async fn send_fragments(&mut self, text: &str) -> Result<(), String> {
        self.acts += 1;
        let socket = self.socket.as_mut().ok_or("the WebSocket is not open")?;
        let pieces: Vec<&[u8]> = text.as_bytes().chunks(FRAGMENT).collect();
        for (nth, piece) in pieces.iter().enumerate() {
            let opcode = if nth == 0 { Data::Text } else { Data::Continue };
            let last = nth + 1 == pieces.len();
            let frame = Frame::message(piece.to_vec(), OpCode::Data(opcode), last);
            let sent = socket.feed(Message::Frame(frame)).await;
            sent.map_err(|error| error.to_string())?;
        }
        socket.flush().await.map_err(|error| error.to_string())
    }

    async fn write(&mut self, bytes: &[u8]) -> Result<(), String> {
        let socket = self.socket.as_mut().ok_or("the WebSocket is not open")?;
        let written = socket.get_mut().write_all(bytes).await;
        written.map_err(|error| error.to_string())
    }
}

/// A method's frame as it goes over the connection. It is the only frame in flight, so it may pass by the WebSocket's own writer.
fn raw(method: &Method) -> Result<Vec<u8>, String> {
    let text = rpc::frame(0, method);
    let mut frame = Frame::message(text.into_bytes(), OpCode::Data(Data::Text), true);
    // A client's frames are masked; any mask will do.
    frame.header_mut().mask = Some([0x5a, 0xc3, 0x0f, 0x99]);
    let mut bytes = Vec::new();
    let formatted = frame.format(&mut bytes);
    formatted.map_err(|error| error.to_string())?;
    Ok(bytes)
}
