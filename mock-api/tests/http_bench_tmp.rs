#![allow(missing_docs, clippy::unwrap_used, clippy::print_stdout, dead_code, unreachable_pub)]
use mock_api::service::{ServiceConfig, TenantConfig};
use mock_api::storage::layout::RunEpoch;
#[path = "http/platform.rs"]
mod platform;
#[path = "http/support.rs"]
mod support;
use mock_api::http::ApiClient;
use mock_api::http::wire::truth_of_call;
use racegate_model::field::Kind;
use racegate_model::scenario::ReadPath;
use racegate_model::timeline::Hold;
use std::time::Instant;
use support::*;

fn cpu() -> f64 {
    let t = std::fs::read_to_string("/proc/self/stat").unwrap();
    let f: Vec<&str> = t.rsplit(')').next().unwrap().split_whitespace().collect();
    (f[11].parse::<f64>().unwrap() + f[12].parse::<f64>().unwrap()) / 100.0
}
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bench_multi() { run("multi").await }
#[tokio::test]
async fn bench_single() { run("single").await }
async fn run(name: &str) {
    let mut spec = platform::platform();
    spec.api.rate_limit = Some(racegate_model::scenario::RateLimit { calls: 1 << 40, window: racegate_model::time::Duration::from_secs(60) });
    let world = World::start(spec).await;
    let client = ApiClient::connect(world.client_config(0)).await.unwrap();
    let call = world.end_call(1, Kind::Webrtc, Hold::Held);
    let truth = truth_of_call(SEED, EPOCH, &call);
    for round in 0..3 {
        let n = 30_000;
        let (begin, c) = (Instant::now(), cpu());
        for _ in 0..n {
            let racegate_model::exporter::Reply::Done(b) = client.recording(recording(1), ReadPath::Primary).await else { panic!() };
            std::hint::black_box(b.view(&truth));
        }
        println!("{name} {round} sequential: {:.1} us wall, {:.1} us cpu", begin.elapsed().as_secs_f64() * 1e6 / n as f64, (cpu() - c) * 1e6 / n as f64);
        let (begin, c) = (Instant::now(), cpu());
        let mut set = tokio::task::JoinSet::new();
        for _ in 0..32 {
            let client = client.clone();
            let truth = truth.clone();
            set.spawn(async move {
                for _ in 0..3000 {
                    let racegate_model::exporter::Reply::Done(b) = client.recording(recording(1), ReadPath::Primary).await else { panic!() };
                    std::hint::black_box(b.view(&truth));
                }
            });
        }
        while set.join_next().await.is_some() {}
        let n = 96_000;
        println!("{name} {round} 32 tasks: {:.1} us wall, {:.1} us cpu", begin.elapsed().as_secs_f64() * 1e6 / n as f64, (cpu() - c) * 1e6 / n as f64);
    }
}
