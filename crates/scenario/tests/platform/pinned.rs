//! What a release must not change without saying so.

use crate::runs::{run, scenario, text_of};

#[test]
fn the_main_scenario_plans_and_settles_what_it_always_did() {
    let summary = run(&scenario("webrtc-spike", &text_of("webrtc-spike"), None));
    assert_eq!(summary.seed, 42);
    assert_eq!(summary.plan_hash, "8b312d7085e5336d");
    assert_eq!(summary.history_hash.as_deref(), Some("97d616f5e67c822f"));
}
