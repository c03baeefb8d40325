//! What goes over HTTP is what the timeline says: for any view, on either read path, as our client
//! reads it.

use std::sync::Arc;

use proptest::prelude::*;
use racegate_model::draws::Seed;
use racegate_model::exporter::Reply;
use racegate_model::field::{Field, FieldSet, Kind};
use racegate_model::ids::{ArmIndex, ConversationId, RecordingId, RecordingIndex, TenantIndex};
use racegate_model::scenario::ReadPath;
use racegate_model::time::Timestamp;
use racegate_model::timeline::{FieldClock, Hold, STAGES_MAX, StageTimes, Timeline};
use tokio::net::TcpListener;

use super::wire::truth_of_timeline;
use super::{ApiClient, ApiConfig, ApiState, ClientConfig, Server, serve};
use crate::clock::RunClock;
use crate::service::{Service, ServiceConfig, TenantConfig};
use crate::storage::Store;
use crate::storage::layout::RunEpoch;

/// The same platform as in the tests from outside.
#[path = "../../tests/http/platform.rs"]
pub(crate) mod platform;

const SEED: Seed = Seed(7);
const EPOCH: RunEpoch = RunEpoch::from_unix_millis(1_772_874_000_000);

/// An instant that has come or never comes: nothing changes while a case is looked at.
fn instant() -> impl Strategy<Value = Timestamp> {
    prop_oneof![Just(Timestamp::ZERO), Just(Timestamp::NEVER)]
}

fn clocks() -> impl Strategy<Value = FieldClock> {
    (instant(), instant(), instant()).prop_map(|(null_at, value_at, index_at)| FieldClock {
        null_at,
        value_at,
        index_at,
    })
}

fn timelines() -> impl Strategy<Value = Timeline> {
    let fields = proptest::array::uniform6(clocks());
    let wrong = proptest::sample::subsequence(Field::METADATA.to_vec(), 0..=Field::METADATA_COUNT);
    let kinds = (any::<bool>(), any::<bool>());
    (0_u64..10_000, kinds, instant(), instant(), fields, wrong).prop_map(
        |(index, (webrtc, held), media_at, state_at, fields, wrong)| Timeline {
            recording: RecordingIndex(index),
            tenant: None,
            region: racegate_model::timeline::Region::First,
            kind: if webrtc { Kind::Webrtc } else { Kind::Sip },
            hold: if held { Hold::Held } else { Hold::Free },
            started_at: Timestamp::ZERO,
            ended_at: Timestamp::ZERO,
            media_at,
            state_at,
            submitted_at: Timestamp::ZERO,
            written_at: Timestamp::ZERO,
            fields,
            stages: [StageTimes::NONE; STAGES_MAX],
            false_fields: wrong.into_iter().collect::<FieldSet>(),
            null_fields: FieldSet::EMPTY,
            lost_cause: None,
            hold_cause: None,
            index_cause: None,
            later: None,
            revisions: Vec::new(),
        },
    )
}

async fn served() -> (Service, RunClock, Server, ApiClient) {
    let config = platform::service_config(SEED, EPOCH, platform::platform());
    let (service, _news) = Service::new(config, Store::default());
    let clock = RunClock::start();
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let state = ApiState::new(service.clone(), clock, ApiConfig::new(EPOCH));
    let server = serve(listener, state).expect("a listener has an address");
    let tenant = service
        .tenant(TenantIndex(0))
        .expect("the fixture has a tenant");
    let credentials = tenant.config().credentials.clone();
    let config = ClientConfig::new(server.url(), credentials, SEED, EPOCH);
    let client = ApiClient::connect(config).await.expect("the server is up");
    (service, clock, server, client)
}

#[test]
fn a_view_survives_the_way_over_http() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let (service, clock, _server, client) = runtime.block_on(served());
    let mut runner = proptest::test_runner::TestRunner::default();
    let outcome = runner.run(&timelines(), |timeline| {
        service
            .timelines(ArmIndex(0))
            .set(Arc::new(timeline.clone()));
        let truth = truth_of_timeline(SEED, EPOCH, &timeline);
        let recording = RecordingId::of(SEED, timeline.recording);
        let conversation = ConversationId::of(SEED, timeline.recording);
        for path in [ReadPath::Primary, ReadPath::Index] {
            let seen = runtime.block_on(client.recording(recording, path));
            let expected = timeline.view(clock.now(), path);
            prop_assert_eq!(seen.map(|body| body.view(&truth)), Reply::Done(expected));
        }
        let seen = runtime.block_on(client.recording_metadata(conversation, recording));
        let expected = timeline.view(clock.now(), ReadPath::Primary);
        prop_assert_eq!(seen.map(|body| body.view(&truth)), Reply::Done(expected));
        Ok(())
    });
    outcome.unwrap();
}
