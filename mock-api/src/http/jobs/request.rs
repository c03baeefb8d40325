//! What a job's query asks for.

use racegate_model::field::{Field, FieldGroup, FieldSet};
use racegate_model::scenario::{ExportRequest, MediaTypeFilter};

use super::desk::{Action, ActionAt, Exports};
use crate::http::error::ApiError;
use crate::http::mistakes::Mistakes;
use crate::http::wire::job::{ForumFilters, JobsQuery};
use crate::http::wire::words::JobAction;

/// What the job is to do. What one action needs and another may not have is found out here; all of
/// it is said at once.
pub(super) fn action_of(query: &JobsQuery) -> Result<Action, ApiError> {
    let mut mistakes = Mistakes::default();
    let clears = query.clear_export == Some(true);
    if clears && query.action != JobAction::Delete {
        mistakes.invalid("clearExport", "true", "false, unless the action is DELETE");
    }
    let screens = [
        (
            "screenRecordingActionDate",
            query.screen_recording_action_date.is_some(),
        ),
        (
            "screenRecordingActionAge",
            query.screen_recording_action_age.is_some(),
        ),
    ];
    let without_screens = query.include_screen_recordings == Some(false);
    for (field, _) in screens
        .into_iter()
        .filter(|(_, said)| *said && without_screens)
    {
        let allowed = "none, unless includeScreenRecordings is true";
        mistakes.invalid(field, "", allowed);
    }
    if query.conversation_query.is_none() && query.aged_conversation_interval.is_none() {
        mistakes.missing("conversationQuery");
    }
    let at = match (query.action_date, query.action_age) {
        (Some(date), _) => Some(ActionAt::Date(date)),
        (None, age) => age.map(ActionAt::Age),
    };
    let integration = query.integration_id.as_deref().unwrap_or_default();
    let action = match (query.action, at) {
        (JobAction::Export, _) if integration.trim().is_empty() => {
            mistakes.missing("integrationId");
            None
        }
        (JobAction::Export, _) => Some(Action::Export),
        (JobAction::Archive | JobAction::Delete, None) => {
            mistakes.missing("actionDate");
            None
        }
        (JobAction::Archive, Some(at)) => Some(Action::Archive(at)),
        (JobAction::Delete, Some(at)) => {
            let exports = if clears {
                Exports::Cleared
            } else {
                Exports::Kept
            };
            Some(Action::Delete(at, exports))
        }
    };
    match action.filter(|_| mistakes.is_empty()) {
        Some(action) => Ok(action),
        None => Err(ApiError::Mistaken(mistakes)),
    }
}

/// What the job asks for beyond `own`, in the forum threads' words; none if it says nothing.
pub(super) fn asked_of(query: &JobsQuery, own: ExportRequest) -> Option<ExportRequest> {
    let said = [Some(&query.forum), query.filters.as_ref()];
    let said: Vec<&ForumFilters> = said.into_iter().flatten().collect();
    if said.iter().all(|filters| filters.says_nothing()) {
        return None;
    }
    let softphones = |field: &Field| field.group() == Some(FieldGroup::Webrtc);
    let (webrtc, common): (Vec<Field>, Vec<Field>) =
        Field::METADATA.into_iter().partition(softphones);
    let mut request = own;
    for filters in said {
        for (wanted, fields) in [
            (filters.include_metadata, &common),
            (filters.include_webrtc_metadata, &webrtc),
        ] {
            if wanted == Some(true) {
                let fields: FieldSet = fields.iter().copied().collect();
                request.include = request.include.union(fields);
            }
        }
        if let Some(kind) = filters.media_type() {
            request.media_type = Some(media_type(kind));
        }
    }
    Some(request)
}

/// A media type that no call has is no better known than the forum's own WEBCAM.
fn media_type(name: &str) -> MediaTypeFilter {
    if name.eq_ignore_ascii_case("webrtc") {
        MediaTypeFilter::Webrtc
    } else if name.eq_ignore_ascii_case("sip") {
        MediaTypeFilter::Sip
    } else {
        MediaTypeFilter::Webcam
    }
}
