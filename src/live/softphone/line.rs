//! Persistent connections: a WebSocket and a media session that stay when a call is over, and carry the next one.

use std::sync::{Mutex, PoisonError};

use futures_util::StreamExt;
use mock_api::ingest::rpc::{self, Incoming, Method};
use tokio::sync::{mpsc, oneshot};
use tokio_tungstenite::tungstenite::Message;

use super::call::{self, Kept, Socket};
use super::{CallOutcome, Dial, DialMedia, Softphones};

/// A call to be made on a line, and where to say what became of it.
type Errand = (Dial, oneshot::Sender<CallOutcome>);

/// The lines that carry no call at the moment. The one that has rested for the shortest time is taken first, so that no more lines are
/// kept busy than there are calls at once.
#[derive(Debug, Default)]
pub(super) struct Lines(Mutex<Vec<Resting>>);

#[derive(Debug)]
struct Resting {
    media: DialMedia,
    errands: mpsc::Sender<Errand>,
}

impl Lines {
    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<Resting>> {
        // A list of senders is whole whoever panicked.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn rest(&self, media: DialMedia, errands: mpsc::Sender<Errand>) {
        self.lock().push(Resting { media, errands });
    }

    /// Gives the call to a line that rests, or back if there is none.
    fn give(&self, mut errand: Errand) -> Option<Errand> {
        loop {
            let resting = {
                let mut lines = self.lock();
                let at = lines.iter().rposition(|line| line.media == errand.0.media);
                match at {
                    Some(at) => lines.remove(at),
                    None => return Some(errand),
                }
            };
            // A line that has broken meanwhile takes nothing.
            match resting.errands.try_send(errand) {
                Ok(()) => return None,
                Err(refused) => errand = refused.into_inner(),
            }
        }
    }
}

/// Makes the call on a line that rests, or on a new one.
pub(super) fn dial(phones: &Softphones, dial: Dial, reply: oneshot::Sender<CallOutcome>) {
    if let Some(errand) = phones.lines.give((dial, reply)) {
        phones.meter.count_line();
        tokio::spawn(run(phones.clone(), errand));
    }
}

/// A line, from its first call until one fails or the other side goes away.
async fn run(phones: Softphones, first: Errand) {
    let (mut errand, mut kept) = (first, None);
    loop {
        let (dial, reply) = errand;
        let media = dial.media;
        let (outcome, rests) = call::place_on(&phones, dial, kept.take()).await;
        phones.meter.count(&outcome);
        // It rests before the outcome is known, so that whoever waits for it finds the line.
        let (errands, mut inbox) = mpsc::channel(1);
        if rests.is_some() {
            phones.lines.rest(media, errands);
        }
        // Whoever asked may not want to know.
        drop(reply.send(outcome));
        let Some(mut resting) = rests else {
            return;
        };
        let next = wait(&mut resting, &mut inbox).await;
        inbox.close();
        // A call may have been given to it just as it broke.
        let Some(next) = next.or_else(|| inbox.try_recv().ok()) else {
            // Whatever the other side does now, the line is given up.
            drop(resting.socket.close(None).await);
            return;
        };
        (errand, kept) = (next, Some(resting));
    }
}

/// Waits for the next call; none if the line breaks before.
async fn wait(resting: &mut Kept, inbox: &mut mpsc::Receiver<Errand>) -> Option<Errand> {
    let Kept {
        socket, progress, ..
    } = resting;
    tokio::select! {
        biased;
        errand = inbox.recv() => errand,
        () = broken(socket) => None,
        // The phone's last word is that it is gone. One without media has none.
        Some(_) = progress.recv() => None,
    }
}

/// Reads the connection until the other side ends it or the session.
async fn broken(socket: &mut Socket) {
    loop {
        match socket.next().await {
            Some(Ok(Message::Text(text))) => {
                let incoming = rpc::parse(&text);
                let ends = |method: &Method| matches!(method, Method::Terminate { .. });
                if matches!(incoming, Ok(Incoming::Method { ref method, .. }) if ends(method)) {
                    return;
                }
            }
            Some(Ok(Message::Close(_)) | Err(_)) | None => return,
            Some(Ok(
                Message::Binary(_) | Message::Ping(_) | Message::Pong(_) | Message::Frame(_),
            )) => {}
        }
    }
}
