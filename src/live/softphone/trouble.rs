//! Faults of a call's signalling.

use std::time::Duration;

use futures_util::SinkExt;
use mock_api::ingest::rpc::{self, Method};
use racegate_model::fault::{CONSENT, Fault};
use tokio::io::AsyncWriteExt;
use tokio::time::{Instant as TokioInstant, sleep, timeout};
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::frame::Frame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::{Data, OpCode};

use super::call::Call;

/// Bytes of a fragment.
const FRAGMENT: usize = 7;
/// Bytes that dribble in at once, and the pause after them.
const DRIBBLE: usize = 256;
const DRIBBLE_PAUSE: Duration = Duration::from_millis(10);
/// How much longer than consent lasts a vanished caller's server may take to notice.
const NOTICED_BY: Duration = Duration::from_secs(5);

impl Call<'_> {
    /// When a fault of the signalling strikes in mid-call.
    pub(super) fn strikes_at(&self) -> Option<TokioInstant> {
        let met = self.dial.fault?;
        let strikes = matches!(
            met.fault,
            Fault::SignallingCut | Fault::HalfClosed | Fault::AbruptClose | Fault::GarbageFrame
        );
        strikes.then(|| TokioInstant::from_std(met.at))
    }

    /// Brings it about; says so if the signalling is over with it.
    pub(super) async fn strike(&mut self) -> Option<String> {
        self.struck = true;
        let fault = self.dial.fault?.fault;
        let socket = self.socket.as_mut()?;
        if fault == Fault::GarbageFrame {
            let garbage = Message::text("{\"jsonrpc\": 2, noise");
            // If this fails, so does the next receive.
            drop(socket.send(garbage).await);
            return None;
        }
        if fault == Fault::HalfClosed {
            drop(socket.get_mut().shutdown().await);
            return None;
        }
        self.break_off();
        Some("the signalling was cut".to_owned())
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
