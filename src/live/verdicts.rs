//! What became of each real session: counted, and held against what its fault was to do.

use std::collections::BTreeMap;

use bytes::Bytes;
use mock_api::ingest::EndReason;
use mock_api::server::{PlatformEvents, Received};
use mock_api::service::Service;
use racegate_media::{PayloadDigest, ogg};
use racegate_model::fault::{FaultPlan, SessionOutcome};
use racegate_model::ids::ConversationId;
use racegate_model::scenario::Workload;
use racegate_model::summary::{FaultSummary, GeneratorSummary};
use racegate_model::time::Duration;
use racegate_model::workload::Call;

use super::softphone::{CallEnd, CallOutcome};

/// A session that ended this much before its time was cut short; what is nearer is lateness.
const CUT: Duration = Duration::from_millis(150);

/// The sessions of a run, once they are over.
#[derive(Debug)]
pub(super) struct Verdicts {
    faults: FaultPlan,
    calls: Vec<(Call, CallOutcome)>,
}

impl Verdicts {
    pub(super) const fn new(faults: FaultPlan) -> Self {
        Self {
            faults,
            calls: Vec::new(),
        }
    }

    /// A session is over, as far as its softphone knows.
    pub(super) fn add(&mut self, call: Call, outcome: CallOutcome) {
        self.calls.push((call, outcome));
    }

    /// The calls of which there is no recording, and how far each came.
    pub(super) fn not_established(&self, service: &Service) -> Vec<(Call, &'static str)> {
        let calls = self.calls.iter();
        let unrecorded = calls.filter(|(call, _)| !service.calls().has_ended(call.index));
        unrecorded
            .map(|(call, outcome)| match &outcome.end {
                CallEnd::NotEstablished { stage, .. } => (*call, stage.as_str()),
                // The phone heard the server's keys, and the server did not like the phone's.
                CallEnd::HungUp | CallEnd::CutOff { .. } => (*call, "handshake"),
            })
            .collect()
    }

    /// Fills in what the sessions' verdicts say of the generator.
    pub(super) fn count(
        &self,
        summary: &mut GeneratorSummary,
        workload: &Workload,
        service: &Service,
        received: &PlatformEvents,
    ) {
        let faults = workload.faults.iter().map(|spec| FaultSummary {
            name: spec.fault.name().to_owned(),
            group: spec.fault.kind().group.name().to_owned(),
            ..FaultSummary::default()
        });
        summary.faults = faults.collect();
        for (call, outcome) in &self.calls {
            let conversation = ConversationId::of(service.seed(), call.index).to_string();
            let seen = received.of(&conversation);
            let struck = self.faults.of(call);
            let differs = seen.is_some_and(|seen| differs(&seen, outcome));
            summary.digest_mismatches += u64::from(differs);
            let Some(struck) = struck else {
                summary.digest_mismatches_unexpected += u64::from(differs);
                continue;
            };
            let seen = outcome_of(call, outcome, service, seen.as_ref());
            let predicted = struck.prediction.outcome;
            let fault = &mut summary.faults[struck.spec];
            fault.sessions += 1;
            count(&mut fault.predicted, predicted);
            count(&mut fault.seen, seen);
            fault.agreed += u64::from(seen == predicted);
            let acted = outcome.acts > 0 || seen != SessionOutcome::Unharmed;
            fault.acted += u64::from(acted);
            if seen != predicted {
                tracing::info!(
                    fault = struck.fault.name(),
                    predicted = predicted.name(),
                    seen = seen.name(),
                    end = ?outcome.end,
                    "a fault did something else"
                );
            }
        }
    }
}

fn count(counts: &mut BTreeMap<String, u64>, outcome: SessionOutcome) {
    *counts.entry(outcome.name().to_owned()).or_insert(0) += 1;
}

/// Whether what was received is no beginning of what was sent: a session that ended early may lack
/// the end, and nothing else.
fn differs(received: &Received, outcome: &CallOutcome) -> bool {
    if received.digest == outcome.digest_sent {
        return false;
    }
    let early = matches!(
        received.reason,
        EndReason::ConsentLost | EndReason::SignallingLost | EndReason::MediaFailed
    );
    let Some(beginning) = usize::try_from(received.packets)
        .ok()
        .and_then(|packets| outcome.payloads.get(..packets))
        .filter(|_| early || matches!(outcome.end, CallEnd::CutOff { .. }))
    else {
        return true;
    };
    let mut digest = PayloadDigest::new();
    beginning.iter().for_each(|payload| digest.update(payload));
    digest.finish() != received.digest
}

/// Whether the stored file holds what was received: each packet of audio once and in order, with nothing but concealment between. A
/// session without audio has its recording from elsewhere. The file is judged as it is held, in pieces.
fn keeps<'a>(stored: impl IntoIterator<Item = &'a Bytes>, received: &Received) -> bool {
    let mut reader = ogg::Reader::default();
    let mut digest = PayloadDigest::new();
    // Concealment is a packet of one byte; nothing that is said is.
    let mut said = |packet: &[u8]| {
        if packet.len() > 1 {
            digest.update(packet);
        }
    };
    let mut pieces = stored.into_iter();
    let pushed = pieces.try_for_each(|piece| reader.push(piece, &mut said));
    let whole = pushed.and_then(|()| reader.finish());
    whole.is_ok() && (received.packets == 0 || digest.finish() == received.digest)
}

/// What became of a session, from what both ends and storage show.
fn outcome_of(
    call: &Call,
    outcome: &CallOutcome,
    service: &Service,
    received: Option<&Received>,
) -> SessionOutcome {
    let Some(received) = received.filter(|_| service.calls().has_ended(call.index)) else {
        return SessionOutcome::NotEstablished;
    };
    let Some(stored) = service.store().media(call.index) else {
        return SessionOutcome::MediaLost;
    };
    let early = received.ended_at + CUT < call.ended_at();
    match received.reason {
        _ if differs(received, outcome) || !keeps(stored.pieces(), received) => {
            SessionOutcome::Altered
        }
        EndReason::SignallingLost => SessionOutcome::PartialWrite,
        EndReason::ConsentLost => SessionOutcome::ConsentLost,
        EndReason::HungUp
        | EndReason::SetupTimeout
        | EndReason::AnswerRefused
        | EndReason::MediaFailed
        | EndReason::Shutdown => {
            if early {
                SessionOutcome::CutShort
            } else if stored_late(call, service, received) {
                SessionOutcome::MediaLate
            } else {
                SessionOutcome::Unharmed
            }
        }
    }
}

/// Whether the audio came later to storage than any lag of the platform explains.
fn stored_late(call: &Call, service: &Service, received: &Received) -> bool {
    let late = service.storage_of(call);
    let racegate_model::fault::StorageEnd::Late(by) = late else {
        return false;
    };
    let first = service.timelines(racegate_model::ids::ArmIndex(0));
    first
        .get(call.index)
        .is_some_and(|timeline| timeline.media_at.since(received.ended_at) >= by)
}

#[cfg(test)]
mod tests {
    use mock_api::ingest::Kept;
    use racegate_media::ogg::OpusMuxer;

    use super::*;

    fn recording() -> (Vec<u8>, Received) {
        let mut muxer = OpusMuxer::new(3, &[]);
        let mut digest = PayloadDigest::new();
        for number in 0..400_u32 {
            let payload = [&[9 << 3][..], &number.to_le_bytes()].concat();
            digest.update(&payload);
            muxer.push(u64::from(number) * 960, &payload);
        }
        let received = Received {
            packets: 400,
            lost: 0,
            kept: Kept::Whole,
            digest: digest.finish(),
            ended_at: racegate_model::time::Timestamp::ZERO,
            reason: EndReason::HungUp,
        };
        (muxer.finish(), received)
    }

    fn pieces(file: &[u8]) -> Vec<Bytes> {
        file.chunks(100).map(Bytes::copy_from_slice).collect()
    }

    #[test]
    fn a_file_in_pieces_keeps_what_was_received() {
        let (file, received) = recording();
        assert!(keeps(&pieces(&file), &received));
    }

    #[test]
    fn a_file_that_lacks_its_end_or_says_something_else_does_not() {
        let (file, received) = recording();
        assert!(!keeps(&pieces(&file[..file.len() - 1]), &received));
        assert!(!keeps(&pieces(&file)[1..], &received));
        let digest = PayloadDigest::new().finish();
        assert!(!keeps(&pieces(&file), &Received { digest, ..received }));
    }
}
