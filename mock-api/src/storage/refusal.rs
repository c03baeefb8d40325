//! What somebody else's S3 says when it refuses: read off the wire, since `object_store` tells
//! status and words in prose only.

use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt as _;
use object_store::client::{HttpError, HttpResponse, HttpResponseBody};
use parking_lot::Mutex;
use racegate_model::ids::RecordingIndex;

/// Bytes of a refusal that are read.
const BODY_MAX: usize = 64 << 10;
/// Bytes of words that are kept.
const WORDS_MAX: usize = 500;

/// A write that did not happen.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Refused {
    /// The organization whose write it was; none of a recording's audio, which is everybody's.
    pub organization: Option<String>,
    /// What was asked for.
    pub method: &'static str,
    /// The bucket.
    pub bucket: String,
    /// The object's key.
    pub key: String,
    /// The recording that it is of, if it is of one.
    pub recording: Option<RecordingIndex>,
    /// The answer's; none if there was no answer.
    pub status: Option<u16>,
    /// What the answer said, or what went wrong.
    pub words: String,
}

tokio::task_local! {
    /// The last refusal that the requests of a step met.
    static HEARD: Heard;
}

/// Status and words of a refusal.
pub(super) type Said = (u16, String);
type Heard = Arc<Mutex<Option<Said>>>;

/// Does `act`; also tells what its requests were refused with last, if its own error does not.
pub(super) async fn listening<T>(act: impl Future<Output = T>) -> (T, Option<Said>) {
    let heard = Heard::default();
    let done = HEARD.scope(Arc::clone(&heard), act).await;
    let said = heard.lock().take();
    (done, said)
}

/// Takes note of an answer that is a refusal, if somebody listens.
pub(super) async fn hear(answer: HttpResponse) -> Result<HttpResponse, HttpError> {
    let status = answer.status();
    let refuses = status.is_client_error() || status.is_server_error();
    let listener = HEARD.try_with(Arc::clone).ok().filter(|_| refuses);
    let Some(heard) = listener else {
        return Ok(answer);
    };
    let (parts, mut body) = answer.into_parts();
    let mut read = BytesMut::new();
    while read.len() < BODY_MAX
        && let Some(frame) = body.frame().await
    {
        if let Some(data) = frame?.data_ref() {
            read.extend_from_slice(data);
        }
    }
    let body = read.freeze();
    let mut words = words_of(&body);
    if words.is_empty() {
        words = status.canonical_reason().unwrap_or_default().to_owned();
    }
    *heard.lock() = Some((status.as_u16(), words));
    Ok(HttpResponse::from_parts(
        parts,
        HttpResponseBody::from(body),
    ))
}

/// Code and message of an S3 error, which may hold what was signed beside them; of what is none of
/// S3's, the text.
fn words_of(body: &Bytes) -> String {
    let text = String::from_utf8_lossy(body);
    let words = match (element(&text, "Code"), element(&text, "Message")) {
        (Some(code), Some(message)) => format!("{code}: {message}"),
        (Some(code), None) => code,
        (None, _) => text.trim().to_owned(),
    };
    cut(words)
}

pub(super) fn cut(mut words: String) -> String {
    words.truncate(words.floor_char_boundary(WORDS_MAX));
    words
}

/// The text of the first element of that name.
fn element(xml: &str, name: &str) -> Option<String> {
    let (_, rest) = xml.split_once(&format!("<{name}>"))?;
    let (text, _) = rest.split_once(&format!("</{name}>"))?;
    let text = text
        .replace("&lt;", "<")
        .replace("&gt;", ">")
        .replace("&quot;", "\"")
        .replace("&apos;", "'");
    Some(text.replace("&amp;", "&"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_words_of_a_refusal_are_code_and_message_and_nothing_that_was_signed() {
        let xml = "<?xml version=\"1.0\"?><Error><Code>SignatureDoesNotMatch</Code>\
            <Message>Not &amp;lt; &quot;yours&quot;.</Message>\
            <StringToSign>AWS4-HMAC-SHA256</StringToSign></Error>";
        let words = words_of(&Bytes::from_static(xml.as_bytes()));
        assert_eq!(words, "SignatureDoesNotMatch: Not &lt; \"yours\".");
        assert_eq!(words_of(&Bytes::from_static(b" no room \n")), "no room");
        let long = Bytes::from("é".repeat(1_000));
        assert_eq!(words_of(&long).len(), WORDS_MAX);
    }
}
