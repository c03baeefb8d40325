//! The read that exporters poll for, answered without the router: finding its route, decoding what
//! varies in it and a boxed future for each layer take a quarter of the instructions of an answer.
//! Whatever is not exactly that read goes to the router, and is answered by the same functions.

use axum::body::Body;
use axum::http::{Method, Request, Response, StatusCode, Uri};
use axum::response::IntoResponse as _;

use super::error::ApiError;
use super::gateway::{Caller, Entry};
use super::origin::{Origin, Peer};
use super::recordings;
use super::state::ApiState;

const CONVERSATION: &str = "/api/v2/conversations/";
const RECORDING: &str = "/recordings/";
/// Characters of an id.
const ID: usize = 36;

/// The answer and who asked, if this is a `GET` of one recording without parameters.
pub(super) fn answer<B>(
    state: &ApiState,
    (peer, request): (Peer, &Request<B>),
) -> Option<(Response<Body>, Option<Caller>)> {
    if request.method() != Method::GET {
        return None;
    }
    let (uri, headers) = (request.uri(), request.headers());
    let ids = ids(uri)?;
    let (mut entry, judged) = Entry::judge(state, uri, headers);
    let answer = judged.and_then(|()| {
        let public = state.config().web.public_url.as_ref();
        let caller = entry.caller.ok_or(ApiError::AuthenticationRequired)?;
        let origin = Origin::of(public, Some(peer), uri, headers);
        recordings::one_plainly(state, caller, &origin, ids)
    });
    let mut response = match answer {
        Ok(Some(json)) => return Some((entry.shown(json), entry.caller)),
        Ok(None) => StatusCode::ACCEPTED.into_response(),
        Err(error) => error.into_response(),
    };
    entry.finish(&mut response);
    Some((response, entry.caller))
}

/// The ids of the conversation and of the recording; none if the address is another one, or must be
/// decoded first.
fn ids(uri: &Uri) -> Option<(&str, &str)> {
    if uri.query().is_some() {
        return None;
    }
    let rest = uri.path().strip_prefix(CONVERSATION)?;
    let (conversation, rest) = rest.split_at_checked(ID)?;
    let recording = rest.strip_prefix(RECORDING)?;
    let plain = |id: &str| id.bytes().all(|b| b.is_ascii_hexdigit() || b == b'-');
    (recording.len() == ID && plain(conversation) && plain(recording))
        .then_some((conversation, recording))
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: &str = "ba69ec90-eb4f-4b3f-972e-dec3dfa3bb85";
    const OTHER: &str = "369EAE0B-0ca1-4db0-be10-d45f346a0e97";

    fn found(address: &str) -> Option<(String, String)> {
        let uri: Uri = address.parse().unwrap();
        ids(&uri).map(|(one, other)| (one.to_owned(), other.to_owned()))
    }

    #[test]
    fn only_the_plain_address_of_a_recording_needs_no_router() {
        let plain = format!("/api/v2/conversations/{ONE}/recordings/{OTHER}");
        let both = Some((ONE.to_owned(), OTHER.to_owned()));
        assert_eq!(found(&plain), both);
        assert_eq!(found(&format!("http://localhost:1{plain}")), both);
        for other in [
            format!("{plain}?maxWaitMs=1"),
            format!("{plain}?"),
            format!("{plain}/"),
            format!("{plain}/annotations"),
            plain.replace("recordings", "recordingmetadata"),
            plain.replace("conversations", "conversationz"),
            plain.replacen("ba", "%62%61", 1),
            plain.replacen("ba", "%6", 1),
            format!("/api/v2/conversations/{ONE}/recordings"),
            format!("/api/v2/conversations/{}é/recordings/{OTHER}", &ONE[1..]),
        ] {
            assert_eq!(found(&other), None, "{other}");
        }
    }
}
