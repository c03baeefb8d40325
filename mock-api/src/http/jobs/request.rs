//! What a job's query asks for.

use racegate_model::field::{Field, FieldGroup, FieldSet};
use racegate_model::scenario::{ExportRequest, MediaTypeFilter};

use super::desk::{Action, ActionAt, Exports};
use crate::http::error::ApiError;
use crate::http::params::invalid;
use crate::http::wire::job::{ForumFilters, JobsQuery};

/// What the job is to do.
pub(super) fn action_of(query: &JobsQuery) -> Result<Action, ApiError> {
    let at = match (query.action_date, query.action_age) {
        (Some(date), _) => Some(ActionAt::Date(date)),
        (None, age) => age.map(ActionAt::Age),
    };
    let needed = at.ok_or(ApiError::MissingParameter("actionDate"));
    match query.action.as_deref() {
        Some("EXPORT") => {
            let integration = query.integration_id.as_deref();
            if integration.is_none_or(|id| id.trim().is_empty()) {
                let allowed = "the id of an integration, for EXPORT";
                return Err(invalid("integrationId", integration, allowed));
            }
            Ok(Action::Export)
        }
        Some("ARCHIVE") => Ok(Action::Archive(needed?)),
        Some("DELETE") => {
            let exports = match query.clear_export {
                Some(true) => Exports::Cleared,
                None | Some(false) => Exports::Kept,
            };
            Ok(Action::Delete(needed?, exports))
        }
        other => Err(invalid("action", other, "ARCHIVE, DELETE, EXPORT")),
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
