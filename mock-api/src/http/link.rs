//! A connection that can be cut from outside: how a reset, a hang's end and a dropped WebSocket
//! reach the wire.

use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::http::StatusCode;
use futures_util::task::AtomicWaker;
use parking_lot::Mutex;
use racegate_model::ids::TenantIndex;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::Sleep;

use super::state::ApiState;
use super::unread;

/// Head and body that are no longer than this are copied together: a system call that gathers them
/// takes 0.2 us more than one that does not, of the 4.4 us that a kilobyte takes.
const TOGETHER: usize = 2048;

/// What a client that was refused before its request was whole may still send, and how long.
const LINGER_BYTES: usize = 16 << 20;
const LINGER: Duration = Duration::from_secs(2);

/// Nothing of a further request has come.
const IDLE: u8 = 0;
/// A request's head is coming, or the first one is yet to come.
const HEAD: u8 = 1;
/// A request is being answered.
const ANSWERING: u8 = 2;

/// What a connection's owner and whoever wants to cut it share.
#[derive(Debug)]
pub(super) struct Link {
    pub(super) peer: SocketAddr,
    cut: AtomicBool,
    phase: AtomicU8,
    reader: AtomicWaker,
    /// Its entry among the WebSockets, once it is one.
    websocket: Mutex<Option<(Links, u64)>>,
}

impl Link {
    pub(super) fn new(peer: SocketAddr) -> Arc<Self> {
        Arc::new(Self {
            peer,
            cut: AtomicBool::new(false),
            // A client that has connected is about to ask: one that never does is let go like one whose
            // head does not come.
            phase: AtomicU8::new(HEAD),
            reader: AtomicWaker::new(),
            websocket: Mutex::new(None),
        })
    }

    /// The peer gets a reset, and nothing more.
    pub(super) fn cut(&self) {
        self.cut.store(true, Ordering::Release);
        self.reader.wake();
    }

    /// A request's head is whole.
    pub(super) fn request_begins(&self) {
        self.phase.store(ANSWERING, Ordering::Release);
    }

    /// Its answer is ready. What has become a WebSocket has no further heads.
    pub(super) fn request_ends(&self, status: StatusCode) {
        if status != StatusCode::SWITCHING_PROTOCOLS {
            self.phase.store(IDLE, Ordering::Release);
        }
    }

    fn is_cut(&self) -> bool {
        self.cut.load(Ordering::Acquire)
    }
}

/// The WebSockets that are open.
#[derive(Clone, Debug, Default)]
pub(super) struct Links {
    inner: Arc<OpenLinks>,
}

/// Whose it is, and how to cut it.
type Open = (Option<TenantIndex>, Arc<Link>);

#[derive(Debug, Default)]
struct OpenLinks {
    next: AtomicU64,
    open: Mutex<BTreeMap<u64, Open>>,
}

impl Links {
    /// The connection has become a WebSocket.
    pub(super) fn add_websocket(&self, link: &Arc<Link>, tenant: Option<TenantIndex>) {
        let id = self.inner.next.fetch_add(1, Ordering::Relaxed);
        self.inner
            .open
            .lock()
            .insert(id, (tenant, Arc::clone(link)));
        *link.websocket.lock() = Some((self.clone(), id));
    }

    /// Cuts all WebSockets, or a tenant's; returns how many.
    pub(super) fn cut_websockets(&self, tenant: Option<TenantIndex>) -> usize {
        let open = self.inner.open.lock();
        let meant = open
            .values()
            .filter(|(of, _)| tenant.is_none() || *of == tenant);
        meant.map(|(_, link)| link.cut()).count()
    }
}

/// A connection's stream.
#[derive(Debug)]
pub(super) struct Tap {
    stream: TcpStream,
    link: Arc<Link>,
    /// How long a head may take once it has begun, or the first one to come, and the timer of one that
    /// is slow. Connections that wait between two requests may stay; there is room for them.
    head_timeout: Duration,
    slow_head: Option<Pin<Box<Sleep>>>,
    /// What the API knows, where this is the API's connection.
    state: Option<ApiState>,
    refusal: Option<Refusal>,
}

/// The answer to a head that nobody could read, and what of it is sent.
#[derive(Debug)]
struct Refusal {
    answer: Vec<u8>,
    sent: usize,
    /// What the client may still send before the connection is closed: a close on unread bytes is a
    /// reset, which overtakes the answer.
    left: usize,
    timer: Pin<Box<Sleep>>,
}

impl Tap {
    pub(super) fn new(
        stream: TcpStream,
        link: Arc<Link>,
        head_timeout: Duration,
        state: Option<ApiState>,
    ) -> Self {
        // Without it a small answer may wait for the client's delayed acknowledgement.
        drop(stream.set_nodelay(true));
        Self {
            stream,
            link,
            head_timeout,
            slow_head: None,
            state,
            refusal: None,
        }
    }

    /// Whether these bytes are an answer that gets another form; that one is sent instead.
    fn reforms(&mut self, bytes: &[u8]) -> bool {
        let answer = self
            .state
            .as_ref()
            .and_then(|state| unread::instead_of(bytes, state));
        let Some(answer) = answer else { return false };
        self.refusal = Some(Refusal {
            answer,
            sent: 0,
            left: LINGER_BYTES,
            timer: Box::pin(tokio::time::sleep(LINGER)),
        });
        true
    }

    /// Sends what is left of a refusal.
    fn send_refusal(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let Some(refusal) = &mut self.refusal else {
            return Poll::Ready(Ok(()));
        };
        while refusal.sent < refusal.answer.len() {
            let rest = &refusal.answer[refusal.sent..];
            match ready!(Pin::new(&mut self.stream).poll_write(cx, rest))? {
                0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                written => refusal.sent += written,
            }
        }
        Poll::Ready(Ok(()))
    }

    /// Takes what a refused client still sends, within bounds.
    fn linger(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let Some(refusal) = &mut self.refusal else {
            return Poll::Ready(Ok(()));
        };
        let mut room = [0; 4096];
        while refusal.left > 0 && refusal.timer.as_mut().poll(cx).is_pending() {
            let mut buffer = ReadBuf::new(&mut room);
            match ready!(Pin::new(&mut self.stream).poll_read(cx, &mut buffer)) {
                Ok(()) if !buffer.filled().is_empty() => {
                    refusal.left = refusal.left.saturating_sub(buffer.filled().len());
                }
                // It has ended, one way or the other.
                Ok(()) | Err(_) => break,
            }
        }
        Poll::Ready(Ok(()))
    }

    /// The timer runs only while part of a head is there, so a request that comes in one piece
    /// never starts it.
    fn wait_for_head(&mut self, cx: &mut Context<'_>) -> io::Result<()> {
        if self.link.phase.load(Ordering::Acquire) != HEAD {
            self.slow_head = None;
            return Ok(());
        }
        let timeout = self.head_timeout;
        let timer = self
            .slow_head
            .get_or_insert_with(|| Box::pin(tokio::time::sleep(timeout)));
        match timer.as_mut().poll(cx) {
            Poll::Ready(()) => Err(io::ErrorKind::TimedOut.into()),
            Poll::Pending => Ok(()),
        }
    }

    fn whole(&self) -> io::Result<()> {
        if self.link.is_cut() {
            return Err(io::ErrorKind::ConnectionReset.into());
        }
        Ok(())
    }
}

/// The parts as one, if they fit.
fn join<'a>(parts: &[io::IoSlice<'_>], room: &'a mut [u8]) -> Option<&'a [u8]> {
    let mut length = 0;
    for part in parts {
        let place = room.get_mut(length..length + part.len())?;
        place.copy_from_slice(part);
        length += part.len();
    }
    room.get(..length)
}

impl Drop for Tap {
    fn drop(&mut self) {
        if self.link.is_cut() {
            // Where it is refused the peer sees an end instead of a reset.
            drop(self.stream.set_zero_linger());
        }
        if let Some((links, id)) = self.link.websocket.lock().take() {
            links.inner.open.lock().remove(&id);
        }
    }
}

impl AsyncRead for Tap {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let polled = Pin::new(&mut self.stream).poll_read(cx, buffer);
        if polled.is_pending() {
            self.link.reader.register(cx.waker());
            self.wait_for_head(cx)?;
        } else if self.link.phase.load(Ordering::Acquire) == IDLE {
            self.link.phase.store(HEAD, Ordering::Release);
        }
        // Looked at after the waker is known, so that no cut is missed.
        self.whole()?;
        polled
    }
}

impl AsyncWrite for Tap {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.whole()?;
        if self.reforms(bytes) {
            return Poll::Ready(Ok(bytes.len()));
        }
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.whole()?;
        ready!(self.send_refusal(cx))?;
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.whole()?;
        ready!(self.send_refusal(cx))?;
        ready!(Pin::new(&mut self.stream).poll_shutdown(cx))?;
        self.linger(cx)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        parts: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.whole()?;
        let mut together = [0; TOGETHER];
        match join(parts, &mut together) {
            Some(bytes) if self.reforms(bytes) => Poll::Ready(Ok(bytes.len())),
            Some(bytes) => Pin::new(&mut self.stream).poll_write(cx, bytes),
            None => Pin::new(&mut self.stream).poll_write_vectored(cx, parts),
        }
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}

#[cfg(test)]
mod tests {
    use std::io::IoSlice;

    use super::*;

    #[test]
    fn parts_are_joined_in_order_as_far_as_there_is_room() {
        let parts = [
            IoSlice::new(b"head"),
            IoSlice::new(b""),
            IoSlice::new(b"body"),
        ];
        assert_eq!(join(&parts, &mut [0; 9]), Some(&b"headbody"[..]));
        assert_eq!(join(&parts, &mut [0; 8]), Some(&b"headbody"[..]));
        assert_eq!(join(&parts, &mut [0; 7]), None);
        assert_eq!(join(&[], &mut [0; 7]), Some(&b""[..]));
    }
}
