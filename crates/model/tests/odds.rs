//! The odds index on a lag that nobody told it, and which a spike changes.

mod support;

use racegate_model::gate::OddsIndex;
use racegate_model::outcome::OutcomeKind;
use racegate_model::scenario::*;
use support::{Collected, gate, millis, polling, required_fields, run, spike};

/// Share of complete recordings, calls and seconds of delay after completeness per recording.
fn costs(of: &Collected, tenant: u32) -> (f64, f64, f64) {
    let own = of.settled.iter().filter(|(key, _)| key.0.0 == tenant);
    let (mut recordings, mut complete, mut calls, mut delay) = (0.0, 0.0, 0.0, 0.0);
    for ((_, recording), settled) in own {
        let timeline = &of.timelines[&(racegate_model::ids::ArmIndex(0), *recording)];
        recordings += 1.0;
        calls += f64::from(settled.gate_calls);
        if settled.outcome == OutcomeKind::Complete {
            complete += 1.0;
            let approved_at = settled.approved_at.expect("it was exported");
            let ready_at =
                timeline.fields_at(ReadPath::Primary, support::required().of(timeline.kind));
            delay += approved_at.since(ready_at).as_secs_f64();
        }
    }
    (complete / recordings, calls / recordings, delay / complete)
}

/// The index at a price of so many milliseconds a call.
fn odds(price: u64) -> Strategy {
    OddsIndex {
        price: millis(price),
        ..OddsIndex::default()
    }
    .into()
}

#[test]
fn it_follows_a_spike_with_fewer_calls_and_less_delay_than_back_off() {
    let mut sums = [(0.0, 0.0, 0.0); 4];
    for seed in 1..=5 {
        let mut scenario = spike(seed);
        scenario.arms.truncate(1);
        scenario.arms[0].gates = vec![
            gate("forum", ForumBackoff::default().into()),
            gate("back-off", polling(required_fields(), Jitter::Full).into()),
            gate("odds", odds(1_000)),
            gate("odds-dear-delay", odds(400)),
        ];
        let collected = run(&scenario);
        for (tenant, sum) in (0..).zip(&mut sums) {
            let (complete, calls, delay) = costs(&collected, tenant);
            *sum = (
                sum.0 + complete / 5.0,
                sum.1 + calls / 5.0,
                sum.2 + delay / 5.0,
            );
        }
    }
    let [forum, back_off, odds, dear] = sums;
    assert!(forum.0 < 0.9, "{forum:?}");
    for (complete, calls, _) in [odds, dear] {
        assert!(complete > 0.999, "{complete}");
        assert!(calls < forum.1 && calls < back_off.1, "{calls}");
    }
    // Half the calls at one price, less of either at another.
    assert!(odds.1 < 0.6 * forum.1, "{odds:?} {forum:?}");
    assert!(
        dear.2 < back_off.2 && dear.2 < forum.2,
        "{dear:?} {back_off:?}"
    );
}
