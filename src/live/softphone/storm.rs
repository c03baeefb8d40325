//! Faults of a call's signalling that are much of something: new connections, questions, a second session.

use std::time::{Duration, Instant};

use futures_util::{SinkExt, StreamExt};
use racegate_model::draws::Purpose;
use racegate_model::fault::Fault;
use serde_json::{Value, json};
use tokio::time::{Instant as TokioInstant, sleep, sleep_until, timeout, timeout_at};
use tokio_tungstenite::tungstenite::Message;

use super::call::Call;
use super::connect::connect;
use super::{Dial, DialFault};

/// New connections of a caller that was cut off.
const RECONNECTS: u32 = 50;
/// Questions that a caller asks at most without reading an answer, and the bytes of each: far more than the system keeps.
const QUESTIONS: u32 = 400;
const QUESTION: usize = 60_000;
/// How long all answers together may take, once they are read.
const ANSWERED_BY: Duration = Duration::from_secs(5);
/// How long a second session of the same conversation lasts, and by how much it ends before the first.
const SECOND: Duration = Duration::from_secs(1);
const SECOND_BEFORE: Duration = Duration::from_millis(300);

impl Call<'_> {
    /// A second session of the same conversation: nothing but the server's care keeps the two apart.
    pub(super) fn call_again(&self) {
        let before = self.dial.hang_up_at.checked_sub(SECOND_BEFORE);
        let hang_up_at = (Instant::now() + SECOND).min(before.unwrap_or(self.dial.hang_up_at));
        let conversation = self.dial.conversation_id.clone();
        // Its outcome is of no interest: the first one's is.
        drop(
            self.phones
                .dial(Dial::new(conversation, hang_up_at, self.dial.clip + 1)),
        );
    }

    /// Opens new connections, at once or at random times.
    pub(super) fn reconnect(&self, met: &DialFault) {
        for nth in 0..RECONNECTS {
            let wait = if met.fault == Fault::JitteredReconnects {
                let draw = met.draws.draw_nth(Purpose::FaultDatagram, nth);
                let span = u64::try_from(met.lasts.as_nanos()).unwrap_or(u64::MAX);
                Duration::from_nanos(draw % span.max(1))
            } else {
                Duration::ZERO
            };
            let phones = self.phones.clone();
            tokio::spawn(async move {
                sleep(wait).await;
                match connect(&phones, None).await {
                    Ok(mut socket) => drop(timeout(ANSWERED_BY, socket.close(None)).await),
                    Err(cause) => tracing::warn!(cause, "a new connection was refused"),
                }
            });
        }
    }

    /// Asks much and reads nothing for a time. Afterwards every answer must be there, whole and in its order.
    pub(super) async fn read_nothing(&mut self, met: &DialFault) -> Option<String> {
        let (mut sink, mut stream) = self.socket.take()?.split();
        let until = TokioInstant::from_std(met.at + met.lasts);
        let mut asked = 0;
        while asked < QUESTIONS {
            let frame = Message::text(question(asked).to_string());
            // What cannot be fed has not been taken: the server reads no more, because we do not.
            match timeout_at(until, sink.feed(frame)).await {
                Ok(Ok(())) => asked += 1,
                Ok(Err(error)) => return Some(error.to_string()),
                Err(_) => break,
            }
        }
        self.acts += u64::from(asked < QUESTIONS);
        tracing::debug!(asked, "questions until the server waited");
        sleep_until(until).await;
        let answers = async {
            let mut answered = 0;
            while answered < asked {
                let frame = stream
                    .next()
                    .await
                    .ok_or("the server closed the WebSocket")?;
                let Message::Text(text) = frame.map_err(|error| error.to_string())? else {
                    continue;
                };
                let answer: Value =
                    serde_json::from_str(&text).map_err(|error| error.to_string())?;
                if answer.get("method").is_some() {
                    continue;
                }
                if answer["id"] != question(answered)["id"] {
                    return Err(format!("answer {answered} is not to its question"));
                }
                answered += 1;
            }
            Ok(())
        };
        let both = async { tokio::join!(sink.flush(), answers) };
        let cause = match timeout(ANSWERED_BY, both).await {
            Ok((Ok(()), Ok(()))) => None,
            Ok((Err(error), _)) => Some(error.to_string()),
            Ok((_, Err(cause))) => Some(cause),
            Err(_) => Some("the server did not answer everything".to_owned()),
        };
        self.socket = sink.reunite(stream).ok();
        cause
    }
}

/// A question of many bytes that asks for nothing: its answer repeats them.
fn question(nth: u32) -> Value {
    let id = format!("{nth:05}{}", "x".repeat(QUESTION));
    json!({
        "jsonrpc": "2.0",
        "id": id,
        "method": "info",
        "params": { "sessionId": "nobody", "status": "active" },
    })
}
