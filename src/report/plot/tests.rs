//! Pictures of ordinary and of odd runs.

use racegate_model::summary::{BinCounts, DelaySummary, Summary};

use super::super::sample;
use super::scene::{Scene, text_box};
use super::{PLOTS, canvas};

fn one_point() -> Summary {
    let mut summary = sample::summary();
    summary.gates.truncate(1);
    summary.phases.truncate(1);
    summary.over_time.bins.truncate(1);
    summary.gates[0].added_delay = sample::delays(vec![0.0]);
    summary
}

/// Numbers that no run should have, and names that no one should choose.
fn odd() -> Summary {
    let mut summary = sample::summary();
    let huge = [f64::INFINITY, f64::NAN, -1.0, 1e300];
    for (position, gate) in summary.gates.iter_mut().enumerate() {
        gate.name = format!("a gate with a very long name indeed, number {position}");
        gate.added_delay.p50_s = huge[position % huge.len()];
        gate.added_delay.cdf = vec![(0.0, 0.2), (huge[position % huge.len()], 2.0)];
    }
    summary.gates[1].added_delay = DelaySummary::default();
    summary.gates[2].phases.clear();
    for (position, bin) in summary.over_time.bins.iter_mut().enumerate() {
        bin.metadata_lag_p50_s = huge[position % huge.len()];
        bin.metadata_lag_max_s = 1e300;
        bin.arrivals = u64::MAX;
        let counts = BinCounts {
            settled: 1,
            incomplete: u64::MAX,
            abandoned: 0,
        };
        bin.gates.insert(summary.gates[0].name.clone(), counts);
    }
    summary.over_time.bin_s = 0.0;
    summary.phases[3].end_s = f64::INFINITY;
    summary
}

/// More gates, arms and phases than anyone would run at once.
fn crowded() -> Summary {
    let mut summary = sample::summary();
    let (gates, phases) = (summary.gates.clone(), summary.phases.clone());
    for copy in 0..3 {
        for gate in &gates {
            let mut gate = gate.clone();
            gate.name = format!("{}-{copy}", gate.name);
            for bin in &mut summary.over_time.bins {
                let counts = bin.gates.get("ungated").copied().unwrap_or_default();
                bin.gates.insert(gate.name.clone(), counts);
            }
            summary.gates.push(gate);
        }
        for phase in &phases {
            let mut phase = phase.clone();
            phase.name = format!("{}-{copy}", phase.name);
            summary.phases.push(phase);
        }
    }
    let count = summary.phases.len() as f64;
    for (position, phase) in summary.phases.iter_mut().enumerate() {
        phase.start_s = 104.0 * position as f64 / count;
        phase.end_s = 104.0 * (position as f64 + 1.0) / count;
    }
    summary
}

fn scenes(summary: &Summary) -> impl Iterator<Item = (&'static str, Scene)> {
    PLOTS.iter().map(|plot| (plot.name, (plot.scene)(summary)))
}

fn texts(scene: &Scene) -> Vec<(String, (f64, f64, f64, f64))> {
    let boxes = scene
        .marks
        .iter()
        .filter_map(|mark| Some((format!("{mark:?}"), text_box(mark)?)));
    boxes.collect()
}

#[test]
fn no_text_leaves_the_page_or_covers_another() {
    for summary in [
        sample::summary(),
        sample::empty(),
        one_point(),
        odd(),
        crowded(),
    ] {
        for (name, scene) in scenes(&summary) {
            let texts = texts(&scene);
            for (position, (text, a)) in texts.iter().enumerate() {
                let inside = a.0 >= 0.0 && a.1 >= 0.0 && a.2 <= scene.width && a.3 <= scene.height;
                assert!(inside, "{name}: {text} leaves the page: {a:?}");
                for (other, b) in &texts[position + 1..] {
                    let apart = a.2 <= b.0 || b.2 <= a.0 || a.3 <= b.1 || b.3 <= a.1;
                    assert!(apart, "{name}: {text} covers {other}");
                }
            }
        }
    }
}

#[test]
fn svg_is_well_formed_and_names_every_gate() {
    for summary in [
        sample::summary(),
        sample::empty(),
        one_point(),
        odd(),
        crowded(),
    ] {
        for (name, scene) in scenes(&summary) {
            let svg = canvas::svg(&scene).unwrap();
            assert!(balanced(&svg), "{name}");
        }
    }
    let summary = sample::summary();
    for (name, scene) in scenes(&summary) {
        let svg = canvas::svg(&scene).unwrap();
        for gate in &summary.gates {
            assert!(svg.contains(&gate.name), "{name} lacks {}", gate.name);
        }
    }
}

/// Whether every element that is opened is closed in turn.
fn balanced(svg: &str) -> bool {
    let mut open = Vec::new();
    for tag in svg.split('<').skip(1) {
        let Some((tag, _)) = tag.split_once('>') else {
            return false;
        };
        let name = tag
            .trim_start_matches('/')
            .split_whitespace()
            .next()
            .unwrap_or_default();
        if tag.starts_with('/') {
            if open.pop() != Some(name) {
                return false;
            }
        } else if !tag.ends_with('/') {
            open.push(name);
        }
    }
    open.is_empty()
}

#[test]
fn png_is_twice_the_svg() {
    let (name, scene) = scenes(&odd()).next().unwrap();
    let (svg, png) = (canvas::svg(&scene).unwrap(), canvas::png(&scene).unwrap());
    let side = |at: usize| u32::from_be_bytes(png[at..at + 4].try_into().unwrap());
    assert_eq!(&png[1..4], b"PNG");
    assert_eq!((side(16), side(20)), (2400, 1400), "{name}");
    assert!(svg.starts_with("<svg width=\"1200\" height=\"700\" viewBox="));
}

#[test]
fn paper_is_white_in_the_png_too() {
    let page = canvas::pixels_of(&Scene::new(20.0, 10.0)).unwrap();
    assert_eq!(page.len(), 20 * 10 * 4 * 3);
    assert!(page.iter().all(|channel| *channel == 255));
}
