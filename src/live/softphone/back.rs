//! Coming back to a session whose connection broke: its media goes on, and the server waits for a time.

use std::time::{Duration, Instant};

use mock_api::ingest::rpc::Method;
use racegate_model::fault::{Fault, RECONNECT};
use tokio::time::{Instant as TokioInstant, sleep_until, timeout};

use super::call::Call;
use super::connect::connect;
use super::{Connection, DialFault};

/// How long one try may take.
const TRY: Duration = Duration::from_secs(1);
/// The wait after the first try; it doubles with each.
const WAIT: Duration = Duration::from_millis(100);
/// Lines that break at once come back spread over this time.
const SPREAD_MS: u64 = 200;

/// A call whose connection broke.
#[derive(Debug)]
pub(super) struct Away {
    since: Instant,
    /// When the next connection is tried.
    pub(super) back_at: TokioInstant,
    wait: Duration,
}

impl Call<'_> {
    /// Whether its session outlives its connection.
    pub(super) fn stays_in_touch(&self) -> bool {
        self.dial.connection == Connection::Persistent || self.dial.meets(Fault::LineReconnect)
    }

    /// Takes note of a connection that is broken.
    pub(super) fn lose(&mut self, cause: String) -> String {
        if self.stays_in_touch() {
            self.socket = None;
        }
        cause
    }

    /// Whether the connection broke under a session that outlives it; then the call comes back soon.
    pub(super) fn is_cut_off(&mut self) -> bool {
        if self.socket.is_some() || !self.stays_in_touch() {
            return false;
        }
        let id = self.session_id.as_deref().unwrap_or_default();
        let spread = id.bytes().map(u64::from).sum::<u64>() % SPREAD_MS;
        self.stay_away(Instant::now(), Duration::from_millis(spread));
        true
    }

    /// Stays away as its fault wants it; it comes back to hang up at latest.
    pub(super) fn leave(&mut self, met: &DialFault) {
        let most = self.dial.hang_up_at.saturating_duration_since(met.at);
        self.stay_away(met.at, met.lasts.min(most));
    }

    fn stay_away(&mut self, since: Instant, time: Duration) {
        self.away = Some(Away {
            since,
            back_at: TokioInstant::from_std(since + time),
            wait: WAIT,
        });
    }

    /// Tries to come back; says so if there is no more hope.
    pub(super) async fn come_back(&mut self) -> Option<String> {
        let mut away = self.away.take()?;
        let tried = timeout(TRY, self.reattach()).await;
        let cause = match tried {
            Ok(Ok(())) => {
                let gone = away.since.elapsed();
                tracing::debug!(?gone, "a call has another connection");
                return None;
            }
            Ok(Err(cause)) => cause,
            Err(_) => "no answer".to_owned(),
        };
        self.socket = None;
        if away.since.elapsed() >= Duration::from_nanos(RECONNECT.as_nanos()) {
            return Some(format!(
                "the signalling broke and could not be resumed: {cause}"
            ));
        }
        away.back_at = TokioInstant::now() + away.wait;
        away.wait *= 2;
        self.away = Some(away);
        None
    }

    /// Tries to come back until it is there, or there is no more hope.
    pub(super) async fn wait_until_back(&mut self) -> Result<(), String> {
        while let Some(away) = &self.away {
            sleep_until(away.back_at).await;
            if let Some(cause) = self.come_back().await {
                return Err(cause);
            }
        }
        Ok(())
    }

    /// Opens another connection and asks for the session that it had.
    async fn reattach(&mut self) -> Result<(), String> {
        let wanted = self.session_id.clone().ok_or("there is no session")?;
        self.socket = Some(connect(self.phones, None).await?);
        let reconnect = Method::Reconnect {
            session_id: wanted.clone(),
        };
        self.send(&reconnect).await?;
        loop {
            let method = self.receive().await?;
            if matches!(&method, Method::Info { session_id, .. } if *session_id == wanted) {
                return Ok(());
            }
            if let Some(end) = self.ending(Ok(method)) {
                return Err(end);
            }
        }
    }
}
