//! Where a client reached this server: how every absolute address of an answer begins.
//!
//! The first of these that there is decides: the public URL that the server was told, `Forwarded`
//! (RFC 7239) and the `X-Forwarded-*` headers of a proxy on this machine, the `Host` of the
//! request. Of what a header says only a scheme, a host and a port are taken over, parsed.

use std::convert::Infallible;
use std::net::{Ipv6Addr, SocketAddr};
use std::str::FromStr;

use axum::extract::FromRequestParts;
use axum::http::header::{FORWARDED, HOST, HeaderMap, HeaderName};
use axum::http::request::Parts;
use axum::http::uri::Authority;
use axum::http::{HeaderValue, Uri};

use super::state::ApiState;

const FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
const FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
const FORWARDED_PORT: HeaderName = HeaderName::from_static("x-forwarded-port");
/// The host of a request that names none, or none that can be read.
const HOST_DEFAULT: &str = "localhost";

/// The other end of a connection, as an extension of its requests.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Peer(pub(crate) SocketAddr);

impl Peer {
    /// Whether it is a program on this machine.
    pub(crate) fn is_local(self) -> bool {
        self.0.ip().to_canonical().is_loopback()
    }
}

/// The URL under which clients reach the server, whatever `Host` they name.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PublicUrl {
    /// Without a slash at its end.
    text: String,
    authority: Authority,
}

impl PublicUrl {
    /// Its host and port.
    pub(super) const fn authority(&self) -> &Authority {
        &self.authority
    }

    /// Its text, without a slash at the end.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

/// What is no public URL.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error(
    "write http:// or https://, a host, and perhaps a port and a path, e.g. https://mock.example"
)]
pub struct NotPublic;

impl FromStr for PublicUrl {
    type Err = NotPublic;

    fn from_str(text: &str) -> Result<Self, NotPublic> {
        let uri: Uri = text.parse().map_err(|_| NotPublic)?;
        let authority = uri.authority().filter(|host| is_address(host));
        let web = matches!(uri.scheme_str(), Some("http" | "https"));
        match authority {
            Some(authority) if web && uri.query().is_none() && !text.contains('#') => Ok(Self {
                text: text.trim_end_matches('/').to_owned(),
                authority: authority.clone(),
            }),
            _ => Err(NotPublic),
        }
    }
}

/// Where the client reached this server.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Origin(String);

impl Origin {
    /// `http://host:port`, or a public URL.
    pub(crate) fn http(&self) -> &str {
        &self.0
    }

    /// The same for WebSockets.
    pub(super) fn websocket(&self) -> String {
        match self.0.strip_prefix("http") {
            Some(rest) => format!("ws{rest}"),
            None => self.0.clone(),
        }
    }

    /// Where a request with that address and those headers came to. Without a peer no proxy is
    /// believed.
    pub(crate) fn of(
        public: Option<&PublicUrl>,
        peer: Option<Peer>,
        uri: &Uri,
        headers: &HeaderMap,
    ) -> Self {
        if let Some(url) = public {
            return Self(url.text.clone());
        }
        let forwarded = if peer.is_some_and(Peer::is_local) {
            Forwarded::of(headers)
        } else {
            Forwarded::default()
        };
        let named = headers.get(HOST).and_then(|host| host.to_str().ok());
        let named = named.or_else(|| uri.authority().map(Authority::as_str));
        let named = named.filter(|host| is_plain(host) || parsed(host).is_some());
        let host = forwarded.host.or(named).unwrap_or(HOST_DEFAULT);
        let scheme = forwarded.scheme.unwrap_or("http");
        let mut origin = String::with_capacity(scheme.len() + "://".len() + host.len());
        for part in [scheme, "://", host] {
            origin.push_str(part);
        }
        if let Some(port) = forwarded.port {
            origin.push_str(&format!(":{port}"));
        }
        Self(origin)
    }
}

impl FromRequestParts<ApiState> for Origin {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, state: &ApiState) -> Result<Self, Infallible> {
        let public = state.config().web.public_url.as_ref();
        let peer = parts.extensions.get().copied();
        Ok(Self::of(public, peer, &parts.uri, &parts.headers))
    }
}

/// What a proxy says of the request that it passed on.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
struct Forwarded<'a> {
    scheme: Option<&'static str>,
    host: Option<&'a str>,
    /// Where the host has no port of its own and the scheme's is another one.
    port: Option<u16>,
}

impl<'a> Forwarded<'a> {
    /// The first proxy of a chain met the client; what the others say is passed over.
    fn of(headers: &'a HeaderMap) -> Self {
        let first = headers.get(FORWARDED).and_then(first_of);
        if let Some(element) = first {
            return Self::standard(element);
        }
        let scheme = headers.get(FORWARDED_PROTO).and_then(first_of);
        let host = headers.get(FORWARDED_HOST).and_then(first_of);
        let scheme = scheme.and_then(scheme_of);
        let host = host.filter(|host| parsed(host).is_some());
        let port = headers.get(FORWARDED_PORT).and_then(first_of);
        let port = port.and_then(|port| port.parse::<u16>().ok());
        let has_port = host.is_some_and(|host| parsed(host).is_some_and(|at| at.port().is_some()));
        let usual = if scheme == Some("https") { 443 } else { 80 };
        Self {
            scheme,
            host,
            port: port.filter(|port| host.is_some() && !has_port && ![0, usual].contains(port)),
        }
    }

    /// An element of the header of RFC 7239.
    fn standard(element: &'a str) -> Self {
        let mut found = Self::default();
        for (name, value) in element.split(';').filter_map(|pair| pair.split_once('=')) {
            let value = value.trim();
            let quoted = value
                .strip_prefix('"')
                .and_then(|rest| rest.strip_suffix('"'));
            let value = quoted.unwrap_or(value);
            let name = name.trim();
            if name.eq_ignore_ascii_case("proto") {
                found.scheme = scheme_of(value);
            } else if name.eq_ignore_ascii_case("host") {
                found.host = Some(value).filter(|host| parsed(host).is_some());
            }
        }
        found
    }
}

/// The first element of a list.
fn first_of(header: &HeaderValue) -> Option<&str> {
    Some(header.to_str().ok()?.split(',').next()?.trim())
}

/// The scheme of requests over a connection of that kind.
fn scheme_of(said: &str) -> Option<&'static str> {
    let known = [
        ("http", "http"),
        ("https", "https"),
        ("ws", "http"),
        ("wss", "https"),
    ];
    let known = known
        .iter()
        .find(|(name, _)| said.eq_ignore_ascii_case(name));
    known.map(|(_, scheme)| *scheme)
}

/// A host, with or without a port, as an address may have it.
fn parsed(host: &str) -> Option<Authority> {
    host.parse().ok().filter(is_address)
}

/// Whether it is a name or an address and perhaps a port, without anything of a user.
fn is_address(authority: &Authority) -> bool {
    let host = authority.host();
    let named = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_');
    let bracketed = host
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'));
    let known = match bracketed {
        Some(address) => address.parse::<Ipv6Addr>().is_ok(),
        None => !host.is_empty() && host.bytes().all(named),
    };
    let port = authority.port();
    let whole = authority.as_str().len();
    let counted = authority.host().len() + port.as_ref().map_or(0, |port| port.as_str().len() + 1);
    let valid = |port: &axum::http::uri::Port<&str>| port.as_str().parse::<u16>().is_ok();
    known && whole == counted && port.is_none_or(|port| valid(&port))
}

/// A name or IPv4 address, with or without a port: what hosts usually are, told without a parser.
fn is_plain(host: &str) -> bool {
    let (name, port) = host.split_once(':').unwrap_or((host, "80"));
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    let named = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-');
    !name.is_empty() && name.bytes().all(named) && (1..=4).contains(&port.len()) && digits(port)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NEAR: &str = "127.0.0.1:1";
    const FAR: &str = "192.0.2.1:1";

    fn origin(peer: &str, headers: &[(&str, &str)]) -> String {
        let mut map = HeaderMap::new();
        map.insert(HOST, HeaderValue::from_static("127.0.0.1:7070"));
        for (name, value) in headers {
            let name: HeaderName = name.parse().unwrap();
            map.insert(name, HeaderValue::from_str(value).unwrap());
        }
        let peer = Some(Peer(peer.parse().unwrap()));
        Origin::of(None, peer, &Uri::from_static("/"), &map).0
    }

    #[test]
    fn a_proxy_on_this_machine_says_where_clients_reached_it() {
        let table: [(&[(&str, &str)], &str); 12] = [
            (&[], "http://127.0.0.1:7070"),
            (&[("x-forwarded-proto", "https")], "https://127.0.0.1:7070"),
            (&[("x-forwarded-proto", "WSS")], "https://127.0.0.1:7070"),
            (
                &[
                    ("x-forwarded-proto", "https"),
                    ("x-forwarded-host", "mock.example"),
                ],
                "https://mock.example",
            ),
            (
                &[
                    ("x-forwarded-proto", "https, http"),
                    ("x-forwarded-host", "a.example, b"),
                    ("x-forwarded-port", "8443, 80"),
                ],
                "https://a.example:8443",
            ),
            (
                &[
                    ("x-forwarded-proto", "https"),
                    ("x-forwarded-host", "a.example"),
                    ("x-forwarded-port", "443"),
                ],
                "https://a.example",
            ),
            (
                &[
                    ("x-forwarded-host", "a.example:81"),
                    ("x-forwarded-port", "82"),
                ],
                "http://a.example:81",
            ),
            (&[("x-forwarded-port", "82")], "http://127.0.0.1:7070"),
            (
                &[(
                    "forwarded",
                    "for=192.0.2.9;Host=\"[::1]:8443\";proto=https, host=x",
                )],
                "https://[::1]:8443",
            ),
            (&[("forwarded", "proto=https")], "https://127.0.0.1:7070"),
            (
                &[
                    ("forwarded", "host=a.example;proto=https"),
                    ("x-forwarded-host", "b.example"),
                ],
                "https://a.example",
            ),
            (&[("forwarded", "by=x")], "http://127.0.0.1:7070"),
        ];
        for (headers, expected) in table {
            assert_eq!(origin(NEAR, headers), expected, "{headers:?}");
            assert_eq!(origin(FAR, headers), "http://127.0.0.1:7070", "{headers:?}");
        }
    }

    #[test]
    fn what_no_address_can_have_is_never_taken_over() {
        for bad in [
            "a b",
            "a/b",
            "a\"b",
            "u@a",
            "a?b",
            "a#b",
            "a\\b",
            "",
            "<x>",
            "a:b",
            "a:99999",
            ":80",
            "a;b",
            "javascript:x",
            "[::1",
            "a%0d%0ab",
        ] {
            for header in ["x-forwarded-host", "host"] {
                let seen = origin(NEAR, &[(header, bad)]);
                let safe = ["http://127.0.0.1:7070", "http://localhost"];
                assert!(
                    safe.contains(&seen.as_str()),
                    "{header}: {bad:?} gave {seen}"
                );
            }
            let element = format!("host=\"{bad}\";proto=\"{bad}\"");
            assert_eq!(
                origin(NEAR, &[("forwarded", &element)]),
                "http://127.0.0.1:7070",
                "{bad}"
            );
            let seen = origin(
                NEAR,
                &[("x-forwarded-proto", bad), ("x-forwarded-port", bad)],
            );
            assert_eq!(seen, "http://127.0.0.1:7070", "{bad}");
        }
    }

    #[test]
    fn a_public_url_goes_before_every_header() {
        let url: PublicUrl = "https://mock.example/genesys/".parse().unwrap();
        let mut headers = HeaderMap::new();
        headers.insert(FORWARDED_HOST, HeaderValue::from_static("other"));
        let peer = Some(Peer(NEAR.parse().unwrap()));
        let origin = Origin::of(Some(&url), peer, &Uri::from_static("/"), &headers);
        assert_eq!(origin.http(), "https://mock.example/genesys");
        assert_eq!(origin.websocket(), "wss://mock.example/genesys");
        for bad in [
            "mock.example",
            "ftp://a",
            "https://u@a",
            "https://a?b",
            "/x",
            "https://a#b",
        ] {
            assert_eq!(bad.parse::<PublicUrl>(), Err(NotPublic), "{bad}");
        }
    }

    #[test]
    fn a_plain_host_is_told_from_one_that_needs_a_parser() {
        for host in ["127.0.0.1:80", "localhost", "a-b.example:6553"] {
            assert!(is_plain(host), "{host}");
            assert!(parsed(host).is_some());
        }
        for host in [
            "", ":80", "a:", "a:b", "a@b", "[::1]:80", "a b", "a:123456", "a\"b",
        ] {
            assert!(!is_plain(host), "{host}");
        }
    }
}
