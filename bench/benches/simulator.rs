//! How fast the simulator is: the main scenario with all its arms and gates, and one table draw.

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use racegate_model::analysis::{Accumulator, Context, Tenant};
use racegate_model::distribution::{Distribution, Sampler};
use racegate_model::draws::mix64;
use racegate_model::scenario::Scenario;
use racegate_model::time::Duration;
use racegate_model::workload::Calls;
use racegate_scenario::{Source, parse};

fn scenario() -> Scenario {
    let text = include_str!("../../scenarios/webrtc-spike.toml");
    parse(&Source::new("webrtc-spike.toml", text), &[]).expect("the main scenario is right")
}

fn main_scenario(criterion: &mut Criterion) {
    let scenario = scenario();
    let tenants = Tenant::all(&scenario);
    let calls = Calls::new(&scenario.workload, scenario.seed).count();
    let mut group = criterion.benchmark_group("simulate");
    group.throughput(Throughput::Elements((calls * tenants.len()) as u64));
    group.bench_function("webrtc-spike, settled pairs", |bencher| {
        bencher.iter(|| {
            let context = Context {
                tool: String::new(),
                engine: scenario.engine,
                tenants: tenants.clone(),
                plan_hash: 0,
            };
            let mut accumulator = Accumulator::new(&scenario, context);
            racegate_model::sim::run(&scenario, &mut accumulator);
            accumulator
        });
    });
    group.finish();
}

fn draw(criterion: &mut Criterion) {
    let law =
        Distribution::lognormal_median_p99(Duration::from_millis(150), Duration::from_secs(1));
    let sampler = Sampler::new(&law.expect("a valid law"));
    let mut state = 0;
    criterion.bench_function("draw a lognormal", |bencher| {
        bencher.iter(|| {
            state = mix64(state);
            sampler.sample(state)
        });
    });
}

criterion_group!(benches, main_scenario, draw);
criterion_main!(benches);
