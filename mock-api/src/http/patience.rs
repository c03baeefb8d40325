//! The timer of idle connections. hyper starts one before each head and drops it after: setting and
//! taking back one of tokio's each time costs more than a request's token does. Here a connection
//! keeps one, which is moved only when it goes off too early.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use hyper::rt::{Sleep, Timer};
use parking_lot::Mutex;

/// One connection's.
#[derive(Clone, Debug)]
pub(super) struct Patience(Arc<Kept>);

/// The timer that a connection keeps, once it has waited.
type Kept = Mutex<Option<Pin<Box<tokio::time::Sleep>>>>;

impl Patience {
    pub(super) fn new() -> Self {
        Self(Arc::default())
    }
}

impl Timer for Patience {
    fn sleep(&self, duration: Duration) -> Pin<Box<dyn Sleep>> {
        self.sleep_until(self.now() + duration)
    }

    fn sleep_until(&self, deadline: Instant) -> Pin<Box<dyn Sleep>> {
        Box::pin(Wait {
            deadline,
            kept: Arc::clone(&self.0),
        })
    }

    fn now(&self) -> Instant {
        tokio::time::Instant::now().into()
    }
}

/// A wait until a deadline.
#[derive(Debug)]
struct Wait {
    deadline: Instant,
    kept: Arc<Kept>,
}

impl Sleep for Wait {}

impl Future for Wait {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let deadline = self.deadline.into();
        let mut kept = self.kept.lock();
        let timer = kept.get_or_insert_with(|| Box::pin(tokio::time::sleep_until(deadline)));
        if timer.deadline() > deadline {
            timer.as_mut().reset(deadline);
        }
        loop {
            ready!(timer.as_mut().poll(cx));
            if timer.deadline() == deadline {
                return Poll::Ready(());
            }
            timer.as_mut().reset(deadline);
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::Instant;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_wait_ends_at_its_own_deadline_whatever_came_before() {
        let patience = Patience::new();
        let began = Instant::now();
        patience.sleep(Duration::from_secs(10)).await;
        assert_eq!(began.elapsed(), Duration::from_secs(10));
        for (begun_after, seconds) in [(3, 10), (9, 10), (0, 2), (30, 10)] {
            let dropped = patience.sleep(Duration::from_secs(10));
            tokio::select! {
                biased;
                () = dropped => panic!("it is not over"),
                () = tokio::time::sleep(Duration::from_secs(begun_after.min(9))) => {}
            }
            tokio::time::sleep(Duration::from_secs(begun_after)).await;
            let began = Instant::now();
            patience.sleep(Duration::from_secs(seconds)).await;
            assert_eq!(began.elapsed(), Duration::from_secs(seconds));
        }
    }
}
