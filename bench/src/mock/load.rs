//! The client: as little as will do, so that what is measured is the server.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream as StdStream};
use std::rc::Rc;
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use racegate_model::analysis::Exit;

/// Where to send what.
#[derive(Clone, Debug)]
pub(super) struct Target {
    pub(super) address: SocketAddr,
    /// Whole requests, sent in turn.
    pub(super) requests: Rc<[Box<[u8]>]>,
}

/// What a round did.
#[derive(Clone, Copy, Debug)]
pub(super) struct Done {
    pub(super) requests: u64,
    pub(super) seconds: f64,
}

/// A closed loop: so many connections, each with one request under way.
#[derive(Debug)]
pub(super) struct Load {
    runtime: tokio::runtime::Runtime,
    connections: usize,
}

/// Bytes of an answer at most.
const ANSWER_MAX: usize = 64 << 10;
/// What a client that has nothing to do sleeps for, at least.
const NAP: Duration = Duration::from_micros(5);
/// Connections of the open loop.
const PACED_CONNECTIONS: usize = 16;

impl Load {
    pub(super) fn new(connections: usize) -> Result<Self, Exit> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(Exit::internal)?;
        Ok(Self {
            runtime,
            connections,
        })
    }

    /// Sends as much as comes back within `length`.
    pub(super) fn round(&self, target: &Target, length: Duration) -> Result<Done, Exit> {
        self.until(target, move |began, _| began.elapsed() >= length)
    }

    /// Sends `count` requests, and a few more.
    pub(super) fn many(&self, target: &Target, count: u64) -> Result<Done, Exit> {
        self.until(target, move |_, sent| sent >= count)
    }

    fn until(
        &self,
        target: &Target,
        over: impl Fn(Instant, u64) -> bool + 'static,
    ) -> Result<Done, Exit> {
        let (over, sent) = (Rc::new(over), Rc::new(std::cell::Cell::new(0_u64)));
        let local = tokio::task::LocalSet::new();
        local
            .block_on(&self.runtime, async {
                let mut streams = Vec::new();
                for _ in 0..self.connections {
                    streams.push(TcpStream::connect(target.address).await?);
                }
                let began = Instant::now();
                let mut loops = tokio::task::JoinSet::new();
                for (nth, stream) in streams.into_iter().enumerate() {
                    let (over, sent) = (Rc::clone(&over), Rc::clone(&sent));
                    let requests = Rc::clone(&target.requests);
                    loops.spawn_local(async move {
                        let mut connection = Connection::new(stream)?;
                        let mut nth = nth * requests.len() / 7;
                        while !over(began, sent.get()) {
                            sent.set(sent.get() + 1);
                            connection.exchange(&requests[nth % requests.len()]).await?;
                            nth += 1;
                        }
                        Ok::<_, std::io::Error>(())
                    });
                }
                while let Some(ended) = loops.join_next().await {
                    ended.map_err(std::io::Error::other)??;
                }
                Ok(Done {
                    requests: sent.get(),
                    seconds: began.elapsed().as_secs_f64(),
                })
            })
            .map_err(|error: std::io::Error| Exit::internal(format!("{}: {error}", target.address)))
    }

    /// The body of the first request's answer.
    pub(super) fn body(&self, target: &Target) -> Result<String, Exit> {
        let answer = self.runtime.block_on(async {
            let stream = TcpStream::connect(target.address).await?;
            let mut connection = Connection::new(stream)?;
            connection.exchange(&target.requests[0]).await?;
            Ok(connection.body().to_owned())
        });
        let answer: std::io::Result<Vec<u8>> = answer;
        let body =
            answer.map_err(|error| Exit::internal(format!("{}: {error}", target.address)))?;
        String::from_utf8(body).map_err(Exit::internal)
    }
}

/// One connection, one request at a time.
struct Connection {
    stream: TcpStream,
    buffer: Vec<u8>,
    filled: usize,
    body_at: usize,
}

impl Connection {
    fn new(stream: TcpStream) -> std::io::Result<Self> {
        stream.set_nodelay(true)?;
        Ok(Self {
            stream,
            buffer: vec![0; ANSWER_MAX],
            filled: 0,
            body_at: 0,
        })
    }

    async fn exchange(&mut self, request: &[u8]) -> std::io::Result<()> {
        self.stream.write_all(request).await?;
        self.filled = 0;
        loop {
            let read = self.stream.read(&mut self.buffer[self.filled..]).await?;
            if read == 0 {
                return Err(ErrorKind::UnexpectedEof.into());
            }
            self.filled += read;
            if let Some((body_at, length)) = complete(&self.buffer[..self.filled])? {
                self.body_at = body_at;
                self.filled = body_at + length;
                return Ok(());
            }
        }
    }

    fn body(&self) -> &[u8] {
        &self.buffer[self.body_at..self.filled]
    }
}

/// Where the body of a whole answer begins, and its length; none if more is to come.
fn complete(bytes: &[u8]) -> std::io::Result<Option<(usize, usize)>> {
    let Some(head) = bytes.windows(4).position(|four| four == b"\r\n\r\n") else {
        return Ok(None);
    };
    if !bytes.starts_with(b"HTTP/1.1 200") {
        let text = String::from_utf8_lossy(bytes).into_owned();
        return Err(std::io::Error::other(format!("not the answer 200: {text}")));
    }
    let text = std::str::from_utf8(&bytes[..head]).map_err(std::io::Error::other)?;
    let length = text.split("\r\n").find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-length")
            .then(|| value.trim().parse::<usize>().ok())?
    });
    let length = length.ok_or_else(|| std::io::Error::other("the answer has no length"))?;
    if head + 4 + length > ANSWER_MAX {
        return Err(std::io::Error::other("the answer is too long"));
    }
    Ok((bytes.len() >= head + 4 + length).then_some((head + 4, length)))
}

/// For nanoseconds up to ten seconds; what is later counts as that.
pub(super) fn histogram() -> Histogram<u64> {
    #[expect(clippy::expect_used, reason = "the bounds are constants that fit")]
    Histogram::new_with_max(10_000_000_000, 3).expect("the bounds fit")
}

/// An open loop: requests start at `rate` on an absolute schedule, whatever the answers do.
/// Returns the latencies in nanoseconds, from the intended start.
pub(super) fn paced(target: &Target, rate: f64, length: Duration) -> Result<Histogram<u64>, Exit> {
    let failed = |error: std::io::Error| Exit::internal(format!("{}: {error}", target.address));
    let mut lanes = Vec::new();
    for _ in 0..PACED_CONNECTIONS {
        lanes.push(Lane::open(target.address).map_err(failed)?);
    }
    // Each connection is used once before the clock starts: in a round of a tenth of a second a
    // millisecond of accepting is one request in a hundred, and that is not the tail under load.
    for lane in &mut lanes {
        lane.send(&target.requests[0], Duration::ZERO)
            .map_err(failed)?;
        while lane.poll().map_err(failed)?.is_none() {
            std::thread::park_timeout(NAP);
        }
    }
    let mut latencies = histogram();
    let gap = Duration::from_secs_f64(1.0 / rate.max(1.0));
    let (began, mut due) = (Instant::now(), Duration::ZERO);
    let mut nth = 0;
    while due < length || lanes.iter().any(|lane| lane.due.is_some()) {
        let now = began.elapsed();
        while due < length
            && now >= due
            && let Some(lane) = lanes.iter_mut().find(|lane| lane.due.is_none())
        {
            let request = &target.requests[nth % target.requests.len()];
            lane.send(request, due).map_err(failed)?;
            nth += 1;
            due += gap;
        }
        for lane in &mut lanes {
            if let Some(due) = lane.poll().map_err(failed)? {
                let latency = began.elapsed().saturating_sub(due).as_nanos();
                latencies.saturating_record(u64::try_from(latency).unwrap_or(u64::MAX));
            }
        }
        // A client that spun would take a core from the server, and then the tail is the
        // scheduler's. Waking takes some 50 us, which count.
        std::thread::park_timeout(NAP);
    }
    Ok(latencies)
}

/// A connection that is looked at, never waited for.
struct Lane {
    stream: StdStream,
    buffer: Vec<u8>,
    filled: usize,
    /// When the request under way was due.
    due: Option<Duration>,
}

impl Lane {
    fn open(address: SocketAddr) -> std::io::Result<Self> {
        let stream = StdStream::connect(address)?;
        stream.set_nodelay(true)?;
        stream.set_nonblocking(true)?;
        Ok(Self {
            stream,
            buffer: vec![0; ANSWER_MAX],
            filled: 0,
            due: None,
        })
    }

    fn send(&mut self, request: &[u8], due: Duration) -> std::io::Result<()> {
        // A request is far smaller than an empty socket's buffer.
        self.stream.write_all(request)?;
        self.due = Some(due);
        self.filled = 0;
        Ok(())
    }

    /// When the request was due whose answer is whole now.
    fn poll(&mut self) -> std::io::Result<Option<Duration>> {
        if self.due.is_none() {
            return Ok(None);
        }
        match self.stream.read(&mut self.buffer[self.filled..]) {
            Ok(0) => Err(ErrorKind::UnexpectedEof.into()),
            Ok(read) => {
                self.filled += read;
                let whole = complete(&self.buffer[..self.filled])?.is_some();
                Ok(if whole { self.due.take() } else { None })
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(None),
            Err(error) => Err(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_whole_when_its_length_says_so() {
        let whole = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
        assert_eq!(complete(whole).unwrap(), Some((38, 2)));
        assert_eq!(complete(&whole[..39]).unwrap(), None);
        assert_eq!(complete(&whole[..20]).unwrap(), None);
        assert!(complete(b"HTTP/1.1 429 No\r\ncontent-length: 0\r\n\r\n").is_err());
        assert!(complete(b"HTTP/1.1 200 OK\r\n\r\n").is_err());
    }
}
