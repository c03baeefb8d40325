//! What is looked at before the S3 library sees a request, because it leaves it open: the life of a
//! signed address, the region that a signature is for, and the end of a body in chunks.

use std::borrow::Cow;
use std::future::{Ready, ready};

use futures_util::future::{BoxFuture, Either};
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use hyper::body::Incoming;
use hyper::header::{AUTHORIZATION, CONTENT_RANGE, CONTENT_TYPE, HeaderMap, HeaderValue};
use hyper::service::Service;
use hyper::{Method, Request, Response, StatusCode};
use s3s::service::S3Service;
use s3s::{Body, HttpError, S3Error, s3_error};
use sha2::{Digest as _, Sha256};

use super::body;
use super::framing::Framed;
use super::object::hex;
use super::presigned;

/// Bytes of an XML request body at most: 10,000 parts of an upload come to 1.2 MB.
pub(super) const XML_MAX: usize = 2 << 20;

/// The region of every bucket, for which requests are signed.
pub const REGION: &str = "us-east-1";
/// The header that tells a client, whose request was refused, what region to sign for.
const BUCKET_REGION: &str = "x-amz-bucket-region";

/// The S3 service behind that look.
#[derive(Clone)]
pub(super) struct Front(pub(super) S3Service);

type Answer = Result<Response<Body>, HttpError>;

impl Service<Request<Incoming>> for Front {
    type Response = Response<Body>;
    type Error = HttpError;
    type Future = Either<Ready<Answer>, BoxFuture<'static, Answer>>;

    fn call(&self, request: Request<Incoming>) -> Self::Future {
        let query = request.uri().query().unwrap_or_default();
        if let Some(error) = presigned::fault(query) {
            return Either::Left(ready(refusal(error)));
        }
        if let Some(region) = region(request.headers(), query).filter(|region| *region != REGION) {
            return Either::Left(ready(Ok(wrong_region(&region))));
        }
        let service = self.0.clone();
        let head = request.method() == Method::HEAD;
        Either::Right(Box::pin(async move {
            let body = body_of(request).await;
            let mut answer = match body {
                Ok(request) => service.call(request).await?,
                Err(error) => return refusal(error),
            };
            // The library has no status for a part of an object that is not sent.
            if head && answer.headers().contains_key(CONTENT_RANGE) {
                *answer.status_mut() = StatusCode::PARTIAL_CONTENT;
            }
            Ok(answer)
        }))
    }
}

/// The request with its body as the library may have it: watched on its way if it is in chunks,
/// looked at whole if it is XML.
async fn body_of(request: Request<Incoming>) -> Result<Request<Body>, S3Error> {
    if is_chunked(request.headers()) {
        return Ok(request.map(|body| Body::http_body(Framed::new(body))));
    }
    if !is_xml(&request) {
        return Ok(request.map(Body::from));
    }
    let (parts, body) = request.into_parts();
    let whole = Limited::new(body, XML_MAX).collect().await;
    let whole = whole.map_err(|error| match error.downcast_ref::<LengthLimitError>() {
        Some(_) => s3_error!(MaxMessageLengthExceeded, "The request is too long."),
        None => s3_error!(IncompleteBody, "The body broke off: {error}"),
    })?;
    let whole = whole.to_bytes();
    let digest = parts.headers.get("x-amz-content-sha256");
    let digest = digest.filter(|digest| digest.len() == 2 * Sha256::output_size());
    if digest.is_some_and(|digest| *digest != *hex(&Sha256::digest(&whole))) {
        return Err(body::wrong_sha256());
    }
    // The checksums of the request that completes an upload are its object's.
    if has_parameter(parts.uri.query(), "delete") {
        body::check_whole(&parts.headers, &whole)?;
    }
    Ok(Request::from_parts(parts, Body::from(whole)))
}

fn is_xml<B>(request: &Request<B>) -> bool {
    let of_upload = ["delete", "uploadId"];
    request.method() == Method::POST
        && of_upload
            .iter()
            .any(|name| has_parameter(request.uri().query(), name))
}

fn has_parameter(query: Option<&str>, name: &str) -> bool {
    let mut parameters = query.unwrap_or_default().split('&');
    parameters.any(|parameter| parameter.split('=').next() == Some(name))
}

fn refusal(error: S3Error) -> Answer {
    error
        .to_http_response()
        .map_err(|error| HttpError::new(Box::new(error)))
}

/// The answer that names the region: clients sign again for it, which needs an element that the
/// library's errors do not have.
fn wrong_region(region: &str) -> Response<Body> {
    // Only what cannot end the element is repeated.
    let plain = |char: &char| char.is_ascii_alphanumeric() || *char == '-';
    let said: String = region.chars().filter(plain).take(64).collect();
    let text = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error>\
         <Code>AuthorizationHeaderMalformed</Code>\
         <Message>The authorization header is malformed; the region '{said}' is wrong; expecting \
         '{REGION}'</Message><Region>{REGION}</Region></Error>"
    );
    let mut answer = Response::new(Body::from(text));
    *answer.status_mut() = StatusCode::BAD_REQUEST;
    let headers = answer.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/xml"));
    headers.insert(BUCKET_REGION, HeaderValue::from_static(REGION));
    answer
}

/// The region of a signature of version 4, of `ID/DATE/REGION/s3/aws4_request`; what is written
/// otherwise is the library's to refuse.
fn region<'a>(headers: &'a HeaderMap, query: &'a str) -> Option<Cow<'a, str>> {
    let header = headers
        .get(AUTHORIZATION)
        .and_then(|value| value.to_str().ok());
    if let Some(header) = header {
        let (_, credential) = header.split_once("Credential=")?;
        let scope = credential.split(',').next()?.trim();
        return scope_region(scope).map(Cow::Borrowed);
    }
    let said: Vec<(Cow<'_, str>, Cow<'_, str>)> = serde_urlencoded::from_str(query).ok()?;
    let (_, scope) = said.iter().find(|(name, _)| name == "X-Amz-Credential")?;
    Some(Cow::Owned(scope_region(scope)?.to_owned()))
}

fn scope_region(scope: &str) -> Option<&str> {
    let mut parts = scope.rsplit('/');
    let (kind, _service) = (parts.next()?, parts.next()?);
    parts.next().filter(|_| kind == "aws4_request")
}

fn is_chunked(headers: &HeaderMap) -> bool {
    let payload = headers.get("x-amz-content-sha256");
    payload.is_some_and(|payload| payload.as_bytes().starts_with(b"STREAMING-"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_region_is_that_of_the_header_or_of_the_signed_address() {
        let scope = "AK/ID/20260101/eu-west-1/s3/aws4_request";
        let mut headers = HeaderMap::new();
        let none = region(&headers, "X-Amz-Credential=AK");
        assert_eq!(none, None);
        let query = format!("a=b&X-Amz-Credential={}", scope.replace('/', "%2F"));
        assert_eq!(region(&headers, &query).as_deref(), Some("eu-west-1"));
        let header =
            format!("AWS4-HMAC-SHA256 Credential={scope}, SignedHeaders=host, Signature=0");
        headers.insert(AUTHORIZATION, header.parse().unwrap());
        assert_eq!(region(&headers, "").as_deref(), Some("eu-west-1"));
        headers.insert(AUTHORIZATION, "AWS AK:signature".parse().unwrap());
        assert_eq!(region(&headers, &query), None);
    }
}
