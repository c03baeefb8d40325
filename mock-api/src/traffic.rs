//! Calls without softphones: those that a workload plans and those that somebody asks for. Each
//! leaves a synthetic recording when it ends.
//!
//! Everything that happens to the platform passes through here in the order of its time, so that a
//! clock that jumps ahead finds what a clock that runs would have found.

use std::collections::BTreeMap;
use std::iter::Peekable;
use std::sync::Arc;

use parking_lot::Mutex;
use racegate_model::ids::RecordingIndex;
use racegate_model::scenario::Workload;
use racegate_model::time::Timestamp;
use racegate_model::timeline::Timeline;
use racegate_model::workload::{Call, Calls};

use crate::clock::{Backwards, RunClock};
use crate::service::{On, Service};
use crate::synthetic;

/// The index of the first call that is asked for. Planned ones lie below: a timeline's place is
/// its index, and half of the places are enough for either.
const ASKED_FROM: u64 = 1 << 25;
/// Calls that a workload may plan.
pub const PLANNED_MAX: u64 = ASKED_FROM;
/// The index of the first guest of the softphone page. Calls that are asked for lie below.
pub(crate) const GUESTS_FROM: u64 = ASKED_FROM + (1 << 24);
/// Calls that may be asked for in all.
const ASKED_MAX: u64 = GUESTS_FROM - ASKED_FROM;
/// Calls that may be under way at once.
const UNDER_WAY_MAX: usize = 1 << 20;

/// The calls of a platform. Cheap to clone.
#[derive(Clone)]
pub struct Traffic {
    service: Service,
    feeder: Arc<Mutex<Feeder>>,
}

struct Feeder {
    planned: Option<Peekable<Calls>>,
    /// Calls under way by their end.
    ending: BTreeMap<(Timestamp, RecordingIndex), Ending>,
    next_asked: u64,
}

struct Ending {
    call: Call,
    on: On,
    told: Option<Box<Timeline>>,
}

/// No further call can be placed.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("too many calls: {UNDER_WAY_MAX} may be under way, and {ASKED_MAX} be asked for in all")]
pub struct TooManyCalls;

impl Traffic {
    /// The calls of `workload`, if any, on the platforms of `service`.
    #[must_use]
    pub fn new(service: Service, workload: Option<&Workload>) -> Self {
        let planned = workload.map(|workload| Calls::new(workload, service.seed()).peekable());
        let feeder = Feeder {
            planned,
            ending: BTreeMap::new(),
            next_asked: ASKED_FROM,
        };
        Self {
            service,
            feeder: Arc::new(Mutex::new(feeder)),
        }
    }

    /// Places a call that somebody asks for: `call` makes it of its index, `told` its timeline if
    /// its instants are not to be drawn. A call that has ended already ends at once.
    ///
    /// # Errors
    /// [`TooManyCalls`]
    pub fn place(
        &self,
        now: Timestamp,
        on: On,
        call: impl FnOnce(RecordingIndex) -> Call,
        told: impl FnOnce(&Call) -> Option<Timeline>,
    ) -> Result<Call, TooManyCalls> {
        let mut feeder = self.feeder.lock();
        if feeder.next_asked >= GUESTS_FROM || feeder.ending.len() >= UNDER_WAY_MAX {
            return Err(TooManyCalls);
        }
        let call = call(RecordingIndex(feeder.next_asked));
        feeder.next_asked += 1;
        let told = told(&call).map(Box::new);
        self.service.calls().begin_on(call, on);
        let ending = Ending { call, on, told };
        feeder
            .ending
            .insert((call.ended_at().max(now), call.index), ending);
        feeder.handle_timeout(now, &self.service);
        drop(feeder);
        self.service.ring();
        Ok(call)
    }

    /// The calls that were asked for never were, whether they have ended or not: those that `on`
    /// alone has heard of, or all.
    pub fn forget_asked(&self, on: On) {
        let mut feeder = self.feeder.lock();
        let asked = RecordingIndex(ASKED_FROM);
        feeder
            .ending
            .retain(|(_, index), ending| *index < asked || !(on == On::Every || ending.on == on));
        self.service.forget_recordings(asked, on);
        drop(feeder);
    }

    /// When something is due next, here or on the platform.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Timestamp> {
        let here = self.feeder.lock().poll_timeout();
        here.into_iter().chain(self.service.poll_timeout()).min()
    }

    /// Handles everything due until `now`, here and on the platform, in order.
    pub fn handle_timeout(&self, now: Timestamp) {
        self.feeder.lock().handle_timeout(now, &self.service);
    }

    /// Sets a dialled clock to `at`, stopping at everything that is due before.
    ///
    /// # Errors
    /// [`Backwards`]. A clock without a dial stays as it is.
    pub fn advance(&self, clock: RunClock, at: Timestamp) -> Result<(), Backwards> {
        let Some(dial) = clock.dial() else {
            return Ok(());
        };
        while let Some(due) = self.poll_timeout().filter(|due| *due <= at) {
            let due = due.max(clock.now());
            if due > at {
                break;
            }
            // A clock that runs may have passed it meanwhile; then it is due all the same.
            dial.set(due).ok();
            self.handle_timeout(clock.now());
        }
        dial.set(at)
    }
}

impl Feeder {
    fn poll_timeout(&mut self) -> Option<Timestamp> {
        let arrival = self
            .planned
            .as_mut()
            .and_then(|planned| Some(planned.peek()?.arrival));
        let end = self.ending.first_key_value().map(|((at, _), _)| *at);
        arrival.into_iter().chain(end).min()
    }

    fn handle_timeout(&mut self, now: Timestamp, service: &Service) {
        while let Some(at) = self.poll_timeout().filter(|at| *at <= now) {
            service.handle_timeout(at);
            self.begin_due(at, service);
            while let Some(entry) = self.ending.first_entry().filter(|e| e.key().0 <= at) {
                end(at, &entry.remove(), service);
            }
        }
        service.handle_timeout(now);
    }

    /// Planned calls beyond the room for them are not placed.
    fn begin_due(&mut self, at: Timestamp, service: &Service) {
        let Some(planned) = &mut self.planned else {
            return;
        };
        while let Some(call) = planned.next_if(|call| call.arrival <= at) {
            if call.index.0 >= ASKED_FROM {
                self.planned = None;
                return;
            }
            service.calls().begin(call);
            let ending = Ending {
                call,
                on: On::Every,
                told: None,
            };
            self.ending.insert((call.ended_at(), call.index), ending);
        }
    }
}

fn end(at: Timestamp, ending: &Ending, service: &Service) {
    let Ending { call, on, told } = ending;
    let media = synthetic::recording(service.seed(), call);
    if let Err(error) = service.store_media(call.index, media) {
        tracing::error!(%error, "a recording could not be stored");
    }
    match told {
        Some(timeline) => service.place(call, timeline, *on),
        None => service.session_ended_on(at, call, *on),
    }
}

/// Drives traffic and platform in the clock's time until it is dropped.
pub async fn drive(traffic: Traffic, clock: RunClock) {
    loop {
        let alarmed = traffic.service.alarmed();
        match traffic.poll_timeout() {
            Some(at) if at <= clock.now() => traffic.handle_timeout(clock.now()),
            Some(at) => {
                tokio::select! {
                    () = clock.sleep_until(at) => {}
                    () = alarmed => {}
                }
            }
            None => alarmed.await,
        }
    }
}

#[cfg(test)]
mod tests {
    use racegate_model::draws::Seed;
    use racegate_model::field::Kind;
    use racegate_model::time::Duration;
    use racegate_model::timeline::Hold;

    use super::*;
    use crate::http::conformance::platform::{platform, service_config};
    use crate::storage::Store;
    use crate::storage::layout::RunEpoch;

    #[test]
    fn a_call_that_would_take_a_guests_place_is_refused() {
        let epoch = RunEpoch::from_unix_millis(1_772_874_000_000);
        let config = service_config(Seed(42), epoch, platform());
        let (service, _news) = Service::new(config, Store::default());
        let traffic = Traffic::new(service.clone(), None);
        traffic.feeder.lock().next_asked = GUESTS_FROM - 1;
        let ask = || {
            let call = |index| Call {
                index,
                arrival: Timestamp::ZERO,
                duration: Duration::from_millis(20),
                kind: Kind::Sip,
                hold: Hold::Free,
            };
            traffic.place(Timestamp::ZERO, On::Every, call, |_| None)
        };
        let last = ask().map(|call| call.index);
        assert_eq!(last, Ok(RecordingIndex(GUESTS_FROM - 1)));
        assert_eq!(ask(), Err(TooManyCalls));
        let guest = service.calls().get(RecordingIndex(GUESTS_FROM));
        assert_eq!(guest, None, "the first guest's place is free");
    }
}
