//! The bench's reference model in nexosim: the same laws, gate and limits, its own draws.
//!
//! One model on one thread. Prints recordings per second of the thread's processor time and the
//! mean delay from session end to export, which must agree with ours.
//! Usage: reference-nexosim [RECORDINGS]

use std::collections::VecDeque;
use std::error::Error;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use nexosim::model::{BuildContext, Context, Model, ProtoModel, schedulable};
use nexosim::simulation::{Mailbox, SimInit};
use nexosim::time::MonotonicTime;
use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};
use rand_distr::{Distribution, Exp, LogNormal};
use serde::{Deserialize, Serialize};

const WORKERS: usize = 64;
const POLLS: u32 = 8;

/// Delays of what was exported.
#[derive(Clone, Copy, Default)]
struct Exported {
    count: u64,
    seconds: f64,
}

#[derive(Clone, Copy, Serialize, Deserialize)]
struct Session {
    ended_at: MonotonicTime,
    written: bool,
    polls: u32,
}

#[derive(Serialize, Deserialize)]
struct Platform {
    sessions: Vec<Session>,
    count: u64,
    busy: usize,
    queue: VecDeque<u64>,
}

struct Chance {
    rng: SmallRng,
    arrival: Exp<f64>,
    media: LogNormal<f64>,
    service: LogNormal<f64>,
    tagging: Exp<f64>,
    exported: Arc<Mutex<Exported>>,
}

/// Delays of nothing cannot be scheduled.
fn seconds(seconds: f64) -> Duration {
    Duration::from_secs_f64(seconds).max(Duration::from_nanos(1))
}

#[Model(type Env = Chance)]
impl Platform {
    #[nexosim(init)]
    async fn init(&mut self, cx: &Context<Self>, env: &mut Chance) {
        self.wait_for_the_next(cx, env);
    }

    fn wait_for_the_next(&self, cx: &Context<Self>, env: &mut Chance) {
        let gap = seconds(env.arrival.sample(&mut env.rng));
        cx.schedule_event(gap, schedulable!(Self::ended), ())
            .expect("the gap lies ahead");
    }

    /// A session has ended.
    #[nexosim(schedulable)]
    async fn ended(&mut self, _: (), cx: &Context<Self>, env: &mut Chance) {
        let id = self.sessions.len() as u64;
        self.sessions.push(Session {
            ended_at: cx.time(),
            written: false,
            polls: 0,
        });
        let media = seconds(env.media.sample(&mut env.rng));
        cx.schedule_event(media, schedulable!(Self::poll), id)
            .expect("the media lies ahead");
        if self.busy < WORKERS {
            self.busy += 1;
            self.serve(id, cx, env);
        } else {
            self.queue.push_back(id);
        }
        if id + 1 < self.count {
            self.wait_for_the_next(cx, env);
        }
    }

    fn serve(&self, id: u64, cx: &Context<Self>, env: &mut Chance) {
        let service = seconds(env.service.sample(&mut env.rng));
        cx.schedule_event(service, schedulable!(Self::served), id)
            .expect("the service ends later");
    }

    /// A worker is done with a session's metadata.
    #[nexosim(schedulable)]
    async fn served(&mut self, id: u64, cx: &Context<Self>, env: &mut Chance) {
        let tagging = seconds(env.tagging.sample(&mut env.rng));
        cx.schedule_event(tagging, schedulable!(Self::written), id)
            .expect("tagging ends later");
        match self.queue.pop_front() {
            Some(next) => self.serve(next, cx, env),
            None => self.busy -= 1,
        }
    }

    /// The metadata is there.
    #[nexosim(schedulable)]
    async fn written(&mut self, id: u64) {
        self.sessions[id as usize].written = true;
    }

    /// The gate looks.
    #[nexosim(schedulable)]
    async fn poll(&mut self, id: u64, cx: &Context<Self>, env: &mut Chance) {
        let session = &mut self.sessions[id as usize];
        if session.written {
            let mut exported = env.exported.lock().expect("nobody panics");
            exported.count += 1;
            exported.seconds += cx.time().duration_since(session.ended_at).as_secs_f64();
            return;
        }
        session.polls += 1;
        if session.polls < POLLS {
            let gap = 2.0_f64.powi(session.polls as i32 - 1).min(30.0);
            let gap = seconds(gap / 2.0 + env.rng.random::<f64>() * gap / 2.0);
            cx.schedule_event(gap, schedulable!(Self::poll), id)
                .expect("the gap lies ahead");
        }
    }
}

struct Reference {
    count: u64,
    exported: Arc<Mutex<Exported>>,
}

impl ProtoModel for Reference {
    type Model = Platform;

    fn build(self, _: &mut BuildContext<Self>) -> (Platform, Chance) {
        let platform = Platform {
            sessions: Vec::with_capacity(self.count as usize),
            count: self.count,
            busy: 0,
            queue: VecDeque::new(),
        };
        let chance = Chance {
            rng: SmallRng::seed_from_u64(7),
            arrival: Exp::new(1_000.0).expect("a rate"),
            media: LogNormal::new(0.0, 0.8).expect("a law"),
            service: LogNormal::new(-3.495_732_273_553_990_9, 1.0).expect("a law"),
            tagging: Exp::new(0.5).expect("a rate"),
            exported: self.exported,
        };
        (platform, chance)
    }
}

/// Processor time of this thread, on Linux.
fn thread_seconds() -> Result<f64, Box<dyn Error>> {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat")?;
    let nanos: u64 = text.split(' ').next().unwrap_or_default().parse()?;
    Ok(nanos as f64 / 1e9)
}

fn main() -> Result<(), Box<dyn Error>> {
    let count = match std::env::args().nth(1) {
        Some(count) => count.parse()?,
        None => 200_000,
    };
    let exported = Arc::new(Mutex::new(Exported::default()));
    let reference = Reference {
        count,
        exported: Arc::clone(&exported),
    };
    // With one thread the executor runs on the one that calls it.
    let init = SimInit::with_num_threads(1);
    let mut simulation = init
        .add_model(reference, Mailbox::new(), "reference")
        .init(MonotonicTime::EPOCH)?;
    let begun = thread_seconds()?;
    simulation.run()?;
    let took = thread_seconds()? - begun;
    let exported = *exported.lock().expect("nobody panics");
    println!(
        "{:.0} {:.4}",
        count as f64 / took,
        exported.seconds / exported.count as f64
    );
    Ok(())
}
