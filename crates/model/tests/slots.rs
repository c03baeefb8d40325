//! Jobs at once: what holds a slot, and a client that asks for more of them than there are.

mod support;

use racegate_model::distribution::Distribution;
use racegate_model::draws::Seed;
use racegate_model::history::JobRecord;
use racegate_model::ids::RecordingIndex;
use racegate_model::org::{JobError, JobState, Org, Recordings};
use racegate_model::outcome::OutcomeKind;
use racegate_model::scenario::*;
use racegate_model::time::{Duration, Timestamp};
use racegate_model::timeline::Timeline;
use support::{arm, gate, millis, required, run, spike};

struct Nothing;

impl Recordings for Nothing {
    type Recording = Timeline;

    fn read<T>(&self, _: RecordingIndex, _: impl FnOnce(&Timeline) -> T) -> Option<T> {
        None
    }
}

fn org() -> Org {
    let platform = arm("two", 1).platform;
    assert_eq!(platform.export.slots, Slots::Limited(2));
    Org::new(Seed(1), &platform.api, &platform.export, required())
}

const fn secs(secs: u64) -> Timestamp {
    Timestamp::from_nanos(Duration::from_secs(secs).as_nanos())
}

#[test]
fn ready_jobs_start_only_while_slots_are_free() {
    let mut org = org();
    let jobs: Vec<_> = (0..6)
        .map(|_| org.create_job(secs(0), Vec::new()).unwrap())
        .collect();
    let mut start = |job| org.start_job(secs(1), job, &Nothing);
    let started: Vec<_> = jobs.iter().map(|job| start(*job)).collect();
    let refused = Err(JobError::TooManyJobs);
    assert_eq!(started[..2], [Ok(()), Ok(())]);
    assert!(started[2..].iter().all(|start| *start == refused));
    let again = start(jobs[0]);
    assert_eq!(again, Err(JobError::WrongState(JobState::Processing)));
    assert_eq!(org.job_state(jobs[2]), Ok(JobState::Ready), "it waits");
    org.cancel_job(jobs[0]).unwrap();
    assert_eq!(org.start_job(secs(2), jobs[2], &Nothing), Ok(()));
    assert_eq!(org.start_job(secs(2), jobs[3], &Nothing), refused);
}

#[test]
fn a_pending_job_holds_a_slot_until_it_is_ready() {
    let mut platform = arm("two", 1).platform;
    platform.export.query_time = Distribution::constant(Duration::from_secs(5));
    let mut org = Org::new(Seed(1), &platform.api, &platform.export, required());
    let created = |org: &mut Org, at| org.create_job(secs(at), Vec::new());
    let first = created(&mut org, 0).unwrap();
    created(&mut org, 4).unwrap();
    let refused = Err(JobError::TooManyJobs);
    assert_eq!(created(&mut org, 4), refused);
    assert_eq!(org.handle_timeout(secs(5), &Nothing), None);
    assert_eq!(org.job_state(first), Ok(JobState::Ready));
    created(&mut org, 5).unwrap();
    assert_eq!(
        org.start_job(secs(5), first, &Nothing),
        Err(JobError::TooManyJobs),
        "two others are pending"
    );
    assert_eq!(org.handle_timeout(secs(9), &Nothing), None);
    assert_eq!(org.start_job(secs(9), first, &Nothing), Ok(()));
}

#[test]
fn a_job_whose_objects_are_being_written_holds_its_slot() {
    let mut org = org();
    let job = org.create_job(secs(0), Vec::new()).unwrap();
    org.set_writing(2);
    let refused = Err(JobError::TooManyJobs);
    assert_eq!(org.start_job(secs(0), job, &Nothing), refused);
    assert_eq!(
        org.create_job(secs(0), Vec::new()),
        Err(JobError::TooManyJobs)
    );
    org.set_writing(1);
    assert_eq!(org.start_job(secs(0), job, &Nothing), Ok(()));
}

/// A client that has `at_once` jobs, on a platform that allows two, whose query takes
/// `query_time` and whose jobs take three seconds.
fn greedy(at_once: Slots, query_time: Duration) -> Scenario {
    let mut scenario = spike(5);
    scenario.arms.truncate(1);
    let delay = Duration::from_secs(1);
    let mut many = gate("many", FixedDelay { delay }.into());
    many.request.jobs_at_once = Some(at_once);
    let arm = &mut scenario.arms[0];
    arm.gates = vec![many];
    arm.platform.api.rate_limit = None;
    arm.platform.export.latency = Distribution::constant(millis(3_000));
    arm.platform.export.query_time = Distribution::constant(query_time);
    scenario
}

/// Jobs that were processing when this one began, itself included.
fn processing_at_start(jobs: &[JobRecord], job: &JobRecord) -> usize {
    let begun = |job: &JobRecord| job.started_at.expect("every job is started in the end");
    let runs = |other: &&JobRecord| {
        let now = begun(job);
        (begun(other)..begun(other) + millis(3_000)).contains(&now)
    };
    jobs.iter().filter(runs).count()
}

#[test]
fn a_client_with_many_jobs_waits_for_slots_and_loses_nothing() {
    for query_time in [0, 700] {
        let scenario = greedy(Slots::Limited(6), millis(query_time));
        let collected = run(&scenario);
        assert!(collected.jobs.len() > 20);
        let most = |job| processing_at_start(&collected.jobs, job);
        assert_eq!(collected.jobs.iter().map(most).max(), Some(2));
        assert!(collected.jobs.iter().any(|job| job.throttled > 0));
        let all = collected.settled.len() as u64;
        assert_eq!(all, collected.ended[0], "with {query_time} ms of query");
        let errored = |outcome| outcome == OutcomeKind::Errored;
        assert!(!collected.settled.values().any(|it| errored(it.outcome)));
    }
}

#[test]
fn a_third_job_is_refused_where_two_are_allowed() {
    let throttled = |at_once| {
        let collected = run(&greedy(Slots::Limited(at_once), Duration::ZERO));
        collected.jobs.iter().map(|job| job.throttled).sum::<u32>()
    };
    assert_eq!(throttled(2), 0);
    assert!(throttled(3) > 10);
}
