//! The listening side: HTTP/1.1 with bounds on connections and on patience.

use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration as StdDuration;

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::task::{JoinHandle, JoinSet};

use super::config::ServerLimits;
use super::front::Front;
use super::link::{Link, Tap};
use super::patience::Patience;
use super::state::ApiState;
use super::ungated;

/// Wait after the kernel refused to accept, for want of file descriptors most likely.
const ACCEPT_RETRY: StdDuration = StdDuration::from_millis(20);

/// A running server. It stops when dropped; [`Server::shutdown`] also waits for it.
#[derive(Debug)]
pub struct Server {
    address: SocketAddr,
    stop: watch::Sender<bool>,
    task: JoinHandle<()>,
}

impl Server {
    /// Where it listens.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Its base URL.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Accepts nothing more, lets what is being answered finish within its grace, and ends.
    pub async fn shutdown(self) {
        self.stop.send_replace(true);
        // An error would be a panic of the accept loop, which has been reported.
        drop(self.task.await);
    }
}

/// Serves the API on `listener`.
///
/// # Errors
/// When the listener has no address.
pub fn serve(listener: TcpListener, state: ApiState) -> io::Result<Server> {
    serve_beside(listener, state, Router::new())
}

/// Serves the API on `listener`, and what `beside` routes to under the same address. Journal and
/// faults, where there is a control plane, are of both.
///
/// # Errors
/// When the listener has no address.
pub fn serve_beside(listener: TcpListener, state: ApiState, beside: Router) -> io::Result<Server> {
    let limits = state.config().limits;
    let router = ungated(state.clone()).merge(beside);
    listen(listener, router, Some(state), limits)
}

/// Serves any router on `listener`, within `limits`.
///
/// # Errors
/// When the listener has no address.
pub fn serve_router(
    listener: TcpListener,
    router: Router,
    limits: ServerLimits,
) -> io::Result<Server> {
    listen(listener, router, None, limits)
}

fn listen(
    listener: TcpListener,
    router: Router,
    state: Option<ApiState>,
    limits: ServerLimits,
) -> io::Result<Server> {
    let address = listener.local_addr()?;
    let (stop, stopped) = watch::channel(false);
    let task = tokio::spawn(accept(listener, router, state, limits, stopped));
    Ok(Server {
        address,
        stop,
        task,
    })
}

async fn accept(
    listener: TcpListener,
    router: Router,
    state: Option<ApiState>,
    limits: ServerLimits,
    mut stopped: watch::Receiver<bool>,
) {
    let permits = Arc::new(Semaphore::new(limits.connections));
    let (finish, finishing) = watch::channel(false);
    let mut connections = JoinSet::new();
    loop {
        let next = async {
            let permit = Arc::clone(&permits).acquire_owned().await;
            (permit, listener.accept().await)
        };
        let (permit, accepted) = tokio::select! {
            next = next => next,
            () = told(&mut stopped) => break,
        };
        while connections.try_join_next().is_some() {}
        match (permit, accepted) {
            (Ok(permit), Ok((stream, peer))) => {
                let link = Link::new(peer);
                connections.spawn(connection(
                    Tap::new(
                        stream,
                        Arc::clone(&link),
                        limits.header_timeout,
                        state.clone(),
                    ),
                    Front::new(router.clone(), state.clone(), link),
                    limits,
                    finishing.clone(),
                    permit,
                ));
            }
            (_, Err(error)) => {
                tracing::debug!(%error, "a connection was not accepted");
                tokio::time::sleep(ACCEPT_RETRY).await;
            }
            (Err(_), _) => break,
        }
    }
    drop(listener);
    finish.send_replace(true);
    let finished = async { while connections.join_next().await.is_some() {} };
    drop(tokio::time::timeout(limits.shutdown_grace, finished).await);
    connections.shutdown().await;
}

async fn connection(
    stream: Tap,
    front: Front,
    limits: ServerLimits,
    mut finishing: watch::Receiver<bool>,
    permit: OwnedSemaphorePermit,
) {
    let connection = http1::Builder::new()
        .timer(Patience::new())
        .header_read_timeout(limits.idle_timeout)
        .max_buf_size(limits.head_bytes)
        .serve_connection(TokioIo::new(stream), front)
        .with_upgrades();
    let mut connection = pin!(connection);
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = told(&mut finishing) => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        tracing::trace!(%error, "a connection ended early");
    }
    drop(permit);
}

/// Waits for the word, or for the end of whoever could say it.
async fn told(word: &mut watch::Receiver<bool>) {
    drop(word.wait_for(|said| *said).await);
}
