//! Requests with signature version 4, written from AWS's description of it, for what no client can
//! be made to send: wrong checksums, other regions, bodies that end early.

use std::fmt::Write as _;

use bytes::Bytes;
use hmac::{Hmac, KeyInit as _, Mac as _};
use http_body_util::{BodyExt as _, Full};
use hyper::{HeaderMap, Method, Request, StatusCode};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use mock_api::storage::AccessKey;
use sha2::{Digest as _, Sha256};

/// An answer, all of it.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        Some(self.headers.get(name)?.to_str().expect("headers are text"))
    }

    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.body).expect("the body is text")
    }

    /// The text of the first element of that name.
    pub(crate) fn element(&self, name: &str) -> Option<&str> {
        let (_, rest) = self.text().split_once(&format!("<{name}>"))?;
        Some(rest.split_once(&format!("</{name}>"))?.0)
    }

    /// Status and code of a refusal.
    pub(crate) fn refusal(&self) -> (u16, &str) {
        let code = self.element("Code").unwrap_or_default();
        (self.status.as_u16(), code)
    }
}

/// How a request's body is sent.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Framing {
    /// As it is, its digest signed.
    Plain,
    /// In chunks, nothing of it signed, with trailers.
    UnsignedChunks,
    /// In chunks, each of them and the trailers signed.
    SignedChunks,
}

/// Where a body in chunks ends.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum End {
    /// Behind its last chunk and its trailers.
    Whole,
    /// Before the last chunk, which is empty.
    NoLastChunk,
    /// Behind the last chunk, without the trailers that were announced.
    NoTrailer,
}

/// A client that signs.
#[derive(Debug)]
pub(crate) struct Signer {
    pub(crate) base: String,
    pub(crate) key: AccessKey,
    pub(crate) region: &'static str,
}

/// A request, before it is signed.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    method: Method,
    /// Path and query as they are sent: escaped already, the query in order.
    target: String,
    headers: Vec<(String, String)>,
    body: Bytes,
    framing: Framing,
    trailer: Option<(String, String)>,
    end: End,
}

impl Plan {
    pub(crate) fn new(method: Method, target: impl Into<String>) -> Self {
        Self {
            method,
            target: target.into(),
            headers: Vec::new(),
            body: Bytes::new(),
            framing: Framing::Plain,
            trailer: None,
            end: End::Whole,
        }
    }

    pub(crate) fn header(mut self, name: &str, value: impl Into<String>) -> Self {
        self.headers.push((name.to_owned(), value.into()));
        self
    }

    pub(crate) fn body(mut self, body: impl Into<Bytes>) -> Self {
        self.body = body.into();
        self
    }

    pub(crate) fn chunks(mut self, framing: Framing, trailer: Option<(&str, &str)>) -> Self {
        self.framing = framing;
        self.trailer = trailer.map(|(name, value)| (name.to_owned(), value.to_owned()));
        self
    }

    pub(crate) fn ending(mut self, end: End) -> Self {
        self.end = end;
        self
    }
}

impl Signer {
    pub(crate) async fn send(&self, mut plan: Plan) -> Answer {
        let now = jiff::Timestamp::now()
            .strftime("%Y%m%dT%H%M%SZ")
            .to_string();
        let payload = match plan.framing {
            Framing::Plain => hex(&Sha256::digest(&plan.body)),
            Framing::UnsignedChunks => "STREAMING-UNSIGNED-PAYLOAD-TRAILER".to_owned(),
            Framing::SignedChunks if plan.trailer.is_some() => {
                "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER".to_owned()
            }
            Framing::SignedChunks => "STREAMING-AWS4-HMAC-SHA256-PAYLOAD".to_owned(),
        };
        let host = self.base.strip_prefix("http://").expect("plain HTTP");
        plan = plan
            .header("host", host)
            .header("x-amz-date", now.as_str())
            .header("x-amz-content-sha256", payload.as_str());
        if plan.framing != Framing::Plain {
            let length = plan.body.len().to_string();
            plan = plan
                .header("content-encoding", "aws-chunked")
                .header("x-amz-decoded-content-length", length);
        }
        if let Some((name, _)) = plan.trailer.clone() {
            plan = plan.header("x-amz-trailer", name);
        }
        plan.headers.sort();
        let scope = format!("{}/{}/s3/aws4_request", &now[..8], self.region);
        let names: Vec<&str> = plan.headers.iter().map(|(name, _)| name.as_str()).collect();
        let names = names.join(";");
        let signature = self.signature(&plan, &names, &payload, (&now, &scope));
        let credential = format!("{}/{scope}", self.key.id);
        let authorization = format!(
            "AWS4-HMAC-SHA256 Credential={credential}, SignedHeaders={names}, Signature={signature}"
        );
        let body = self.framed(&plan, &signature, (&now, &scope));
        let mut request = Request::builder()
            .method(plan.method)
            .uri(format!("{}{}", self.base, plan.target))
            .header("authorization", authorization);
        for (name, value) in plan.headers {
            request = request.header(name, value);
        }
        let request = request.body(Full::new(body)).expect("a request");
        let client: Client<HttpConnector, Full<Bytes>> =
            Client::builder(TokioExecutor::new()).build_http();
        let answer = client.request(request).await.expect("an answer");
        let (parts, body) = answer.into_parts();
        let body = body.collect().await.expect("a whole answer").to_bytes();
        Answer {
            status: parts.status,
            headers: parts.headers,
            body,
        }
    }

    fn signature(&self, plan: &Plan, names: &str, payload: &str, at: (&str, &str)) -> String {
        let (path, query) = plan.target.split_once('?').unwrap_or((&plan.target, ""));
        // A parameter without a value is signed with an empty one.
        let parameters = query.split('&').filter(|parameter| !parameter.is_empty());
        let mut parameters: Vec<_> = parameters
            .map(|parameter| match parameter.contains('=') {
                true => parameter.to_owned(),
                false => format!("{parameter}="),
            })
            .collect();
        parameters.sort();
        let query = parameters.join("&");
        let mut canonical = format!("{}\n{path}\n{query}\n", plan.method);
        for (name, value) in &plan.headers {
            let _ = writeln!(canonical, "{name}:{value}");
        }
        let _ = write!(canonical, "\n{names}\n{payload}");
        let digest = hex(&Sha256::digest(&canonical));
        self.sign(&["AWS4-HMAC-SHA256", at.0, at.1, &digest], at)
    }

    fn sign(&self, lines: &[&str], (now, _): (&str, &str)) -> String {
        let secret = format!("AWS4{}", self.key.secret);
        let key = [&now[..8], self.region, "s3", "aws4_request"]
            .iter()
            .fold(secret.into_bytes(), |key, text| mac(&key, text.as_bytes()));
        hex(&mac(&key, lines.join("\n").as_bytes()))
    }

    /// The body as it is sent: two chunks, the last one, and the trailers.
    fn framed(&self, plan: &Plan, seed: &str, at: (&str, &str)) -> Bytes {
        if plan.framing == Framing::Plain {
            return plan.body.clone();
        }
        let signed = plan.framing == Framing::SignedChunks;
        let empty = hex(&Sha256::digest(b""));
        let mut previous = seed.to_owned();
        let mut out = Vec::new();
        let half = plan.body.len() / 2;
        let chunks = [&plan.body[..half], &plan.body[half..], &[]];
        let last = if plan.end == End::NoLastChunk { 2 } else { 3 };
        for (nth, chunk) in chunks.into_iter().take(last).enumerate() {
            if chunk.is_empty() && nth < 2 {
                continue;
            }
            out.extend_from_slice(format!("{:x}", chunk.len()).as_bytes());
            if signed {
                let kind = "AWS4-HMAC-SHA256-PAYLOAD";
                let digest = hex(&Sha256::digest(chunk));
                previous = self.sign(&[kind, at.0, at.1, &previous, &empty, &digest], at);
                out.extend_from_slice(format!(";chunk-signature={previous}").as_bytes());
            }
            out.extend_from_slice(b"\r\n");
            out.extend_from_slice(chunk);
            if !chunk.is_empty() {
                out.extend_from_slice(b"\r\n");
            }
        }
        if let Some((name, value)) = plan.trailer.as_ref().filter(|_| plan.end == End::Whole) {
            out.extend_from_slice(format!("{name}:{value}\r\n").as_bytes());
            if signed {
                let kind = "AWS4-HMAC-SHA256-TRAILER";
                let digest = hex(&Sha256::digest(format!("{name}:{value}\n")));
                let signature = self.sign(&[kind, at.0, at.1, &previous, &digest], at);
                out.extend_from_slice(
                    format!("x-amz-trailer-signature:{signature}\r\n").as_bytes(),
                );
            }
        }
        out.extend_from_slice(b"\r\n");
        out.into()
    }
}

fn mac(key: &[u8], text: &[u8]) -> Vec<u8> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("any length will do");
    mac.update(text);
    mac.finalize().into_bytes().to_vec()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// A key as a path has it: every byte but unreserved ones and the slash as `%XX`.
pub(crate) fn escaped(key: &str) -> String {
    key.bytes().fold(String::new(), |mut text, byte| {
        if byte.is_ascii_alphanumeric() || b"-_.~/".contains(&byte) {
            text.push(char::from(byte));
        } else {
            let _ = write!(text, "%{byte:02X}");
        }
        text
    })
}
