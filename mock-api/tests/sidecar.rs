//! Sidecars: whatever a snapshot saw is written, and is read back as exactly that.

use std::net::{IpAddr, Ipv4Addr};

use mock_api::storage::layout::RunEpoch;
use mock_api::storage::sidecar::{self, Dialect, SidecarDocument, SidecarError, Truth};
use proptest::prelude::*;
use racegate_model::draws::Seed;
use racegate_model::field::{Field, FieldSet, Kind};
use racegate_model::ids::{ConversationId, RecordingId, RecordingIndex, SessionId};
use racegate_model::time::Timestamp;
use racegate_model::timeline::{Hold, RecordingState, View};
use serde_json::{Value, json};

const FIELDS: [Field; 7] = [
    Field::LegalHoldFlag,
    Field::MediaType,
    Field::StartTime,
    Field::EndTime,
    Field::WebrtcSessionId,
    Field::ClientIp,
    Field::Media,
];

fn truth(index: u64, kind: Kind, hold: Hold, digest: Option<&str>) -> Truth {
    let epoch = RunEpoch::from_unix_millis(1_772_874_000_123);
    let (seed, index) = (Seed(11), RecordingIndex(index));
    Truth {
        conversation: ConversationId::of(seed, index),
        recording: RecordingId::of(seed, index),
        kind,
        hold,
        start_time: epoch.wall_time(Timestamp::from_nanos(index.0 * 1_000_000)),
        end_time: epoch.wall_time(Timestamp::from_nanos((index.0 + 5_000) * 1_000_000)),
        session: SessionId::of(seed, index),
        client_ip: IpAddr::V4(Ipv4Addr::new(127, 0, 0, 9)),
        media_digest: digest.map(str::to_owned),
    }
}

/// The view in which each field is absent (0), null (1), true (2) or false (3).
fn view(fates: &[u8], state: RecordingState) -> View {
    let empty = FieldSet::EMPTY;
    let mut view = View {
        present: empty,
        null: empty,
        wrong: empty,
        state,
    };
    for (field, fate) in FIELDS.into_iter().zip(fates) {
        match fate {
            0 => {}
            1 => view.null.insert(field),
            fate => {
                view.present.insert(field);
                if *fate == 3 {
                    view.wrong.insert(field);
                }
            }
        }
    }
    view
}

/// What a reader makes of `view` in a sidecar of `truth`: a null counts as false, so it is wrong
/// unless the true value is `false`.
fn read_back(mut view: View, truth: &Truth) -> View {
    for field in FIELDS {
        let says_false = field == Field::LegalHoldFlag && truth.hold == Hold::Free;
        if view.null.contains(field) && !says_false {
            view.wrong.insert(field);
        }
    }
    view
}

fn written(truth: &Truth, view: View, dialect: Dialect, at: u64) -> bytes::Bytes {
    let epoch = RunEpoch::from_unix_millis(1_772_874_000_123);
    let snapshot_at = Timestamp::from_nanos(at);
    let organization = "org-1";
    SidecarDocument {
        organization,
        dialect,
        truth,
        view,
        snapshot_at,
        epoch,
    }
    .to_json()
}

#[test]
fn every_combination_of_fields_reads_back_as_written() {
    for code in 0..4_u32.pow(7) {
        let fates: Vec<u8> = (0..7)
            .map(|nth| ((code >> (2 * nth)) & 3).to_le_bytes()[0])
            .collect();
        let kind = if code % 2 == 0 {
            Kind::Webrtc
        } else {
            Kind::Sip
        };
        let hold = if code % 3 == 0 {
            Hold::Held
        } else {
            Hold::Free
        };
        let truth = truth(
            u64::from(code),
            kind,
            hold,
            (code % 5 == 0).then_some("sha256:1"),
        );
        let view = view(&fates, RecordingState::Completed);
        let parsed = sidecar::parse(&written(&truth, view, Dialect::Forum, 7), &truth).unwrap();
        assert_eq!(parsed.view, read_back(view, &truth), "{fates:?}");
    }
}

proptest! {
    #[test]
    fn a_snapshot_reads_back_whatever_the_recording(
        fates in prop::collection::vec(0_u8..4, 7),
        index in 0_u64..1 << 40,
        at in any::<u64>(),
        completed in any::<bool>(),
    ) {
        let truth = truth(index, Kind::Webrtc, Hold::Free, None);
        let state =
            if completed { RecordingState::Completed } else { RecordingState::Processing };
        let view = view(&fates, state);
        let parsed = sidecar::parse(&written(&truth, view, Dialect::Forum, at), &truth).unwrap();
        prop_assert_eq!(parsed.view, read_back(view, &truth));
        prop_assert_eq!(parsed.snapshot_at, Timestamp::from_nanos(at));
    }

    #[test]
    fn garbage_is_an_error_value(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let truth = truth(1, Kind::Sip, Hold::Free, None);
        prop_assert!(sidecar::parse(&bytes, &truth).is_err());
    }

    #[test]
    fn a_damaged_sidecar_never_panics(at in 0_usize..900, byte in any::<u8>()) {
        let truth = truth(1, Kind::Webrtc, Hold::Held, Some("d"));
        let view = view(&[2; 7], RecordingState::Completed);
        let mut bytes = written(&truth, view, Dialect::Forum, 1).to_vec();
        let length = bytes.len();
        bytes[at % length] = byte;
        drop(sidecar::parse(&bytes, &truth));
        drop(sidecar::parse(&bytes[..at % length], &truth));
    }
}

#[test]
fn the_real_dialect_has_the_real_keys_only() {
    let truth = truth(1, Kind::Webrtc, Hold::Held, None);
    let view = view(&[2; 7], RecordingState::Completed);
    let document: Value =
        serde_json::from_slice(&written(&truth, view, Dialect::Genesys, 1_500_000_000)).unwrap();
    let expected = json!({
        "organizationId": "org-1",
        "conversationId": truth.conversation.to_string(),
        "recordingId": truth.recording.to_string(),
        "mediaType": "Call",
        "provider": "edge",
        "userIds": [],
        "initialDirection": "inbound",
        "startTime": "2026-03-07T09:00:00.124+0000",
        "endTime": "2026-03-07T09:00:05.124+0000",
        "durationMs": 5000,
        "fileState": "AVAILABLE",
        "snapshotAt": "2026-03-07T09:00:01.623+0000",
        "snapshotAtNanos": 1_500_000_000,
    });
    assert_eq!(document, expected);
    let parsed = sidecar::parse(document.to_string().as_bytes(), &truth).unwrap();
    let known = [
        Field::MediaType,
        Field::StartTime,
        Field::EndTime,
        Field::Media,
    ];
    assert_eq!(parsed.view.present, known.into_iter().collect());
    assert!(parsed.view.wrong.is_empty() && parsed.view.null.is_empty());
}

#[test]
fn the_forum_dialect_writes_values_nulls_and_nothing() {
    let truth = truth(1, Kind::Webrtc, Hold::Held, None);
    let view = view(&[2, 1, 0, 2, 3, 2, 0], RecordingState::Completed);
    let document: Value =
        serde_json::from_slice(&written(&truth, view, Dialect::Forum, 1)).unwrap();
    assert_eq!(document["legal_hold_flag"], true);
    assert_eq!(document["media_type"], Value::Null);
    assert_eq!(document["mediaType"], Value::Null);
    assert!(document.as_object().unwrap().contains_key("media_type"));
    for absent in ["start_time", "startTime", "durationMs"] {
        assert!(document.get(absent).is_none(), "{absent}");
    }
    assert_eq!(document["client_ip"], "127.0.0.9");
    assert_eq!(document["fileState"], "UPLOADING");
    assert_eq!(document["state"], "COMPLETED");
}

#[test]
fn what_is_no_sidecar_of_the_recording_is_refused() {
    let mine = truth(1, Kind::Webrtc, Hold::Held, Some("d"));
    let view = view(&[2; 7], RecordingState::Completed);
    let bytes = written(&mine, view, Dialect::Forum, 1);
    let other = sidecar::parse(&bytes, &truth(2, Kind::Webrtc, Hold::Held, None));
    assert!(matches!(other, Err(SidecarError::OtherRecording { .. })));
    let long = vec![b' '; sidecar::SIDECAR_MAX + 1];
    assert!(matches!(
        sidecar::parse(&long, &mine),
        Err(SidecarError::TooLong { .. })
    ));
    let text = String::from_utf8(bytes.to_vec()).unwrap();
    let untimed = text.replace("snapshotAtNanos", "other");
    let untimed = sidecar::parse(untimed.as_bytes(), &mine);
    assert!(matches!(untimed, Err(SidecarError::NoSnapshot)));
    let typed = text.replace("\"legal_hold_flag\":true", "\"legal_hold_flag\":\"true\"");
    let typed = sidecar::parse(typed.as_bytes(), &mine).unwrap();
    assert_eq!(typed.view.wrong, FieldSet::EMPTY.with(Field::LegalHoldFlag));
    let swapped = text.replace("\"mediaDigest\":\"d\"", "\"mediaDigest\":\"e\"");
    let swapped = sidecar::parse(swapped.as_bytes(), &mine).unwrap();
    assert_eq!(swapped.view.wrong, FieldSet::EMPTY.with(Field::Media));
}
