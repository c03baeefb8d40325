//! What web pages may do here. A page of any origin can make a browser on this machine send
//! requests, open WebSockets, and by a name of its own that resolves to this machine (DNS
//! rebinding) pass for a page of ours. `Host` and `Origin` tell.

use std::net::IpAddr;
use std::str::FromStr;

use axum::extract::{FromRequestParts, Request, State};
use axum::http::header::{HOST, HeaderMap, ORIGIN};
use axum::http::request::Parts;
use axum::http::uri::Authority;
use axum::http::{StatusCode, Uri};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use super::origin::{Peer, PublicUrl};

/// What browsers are told, and let do.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct WebAccess {
    /// Where clients reach this server, for the addresses that it hands out; without it they are
    /// those of a proxy's `Forwarded`, else of the `Host` that a request names.
    pub public_url: Option<PublicUrl>,
    /// Origins whose pages may use the API as its own may.
    pub cors: Vec<CorsOrigin>,
}

/// An origin whose pages may use the API.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum CorsOrigin {
    /// Any one.
    Any,
    /// This one, as browsers write it.
    Exactly(String),
}

/// What is no origin.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("write an origin as browsers do, e.g. http://localhost:3000, or * for any")]
pub struct NotOrigin;

impl FromStr for CorsOrigin {
    type Err = NotOrigin;

    fn from_str(text: &str) -> Result<Self, NotOrigin> {
        if text == "*" {
            return Ok(Self::Any);
        }
        let url: PublicUrl = text.parse().map_err(|_| NotOrigin)?;
        let (scheme, rest) = url.as_str().split_once("://").ok_or(NotOrigin)?;
        if rest != url.authority().as_str() {
            return Err(NotOrigin);
        }
        let usual = if scheme == "https" { ":443" } else { ":80" };
        let rest = rest.strip_suffix(usual).unwrap_or(rest);
        Ok(Self::Exactly(
            format!("{scheme}://{rest}").to_ascii_lowercase(),
        ))
    }
}

impl CorsOrigin {
    fn admits(&self, origin: &str) -> bool {
        match self {
            Self::Any => true,
            Self::Exactly(known) => origin.eq_ignore_ascii_case(known),
        }
    }
}

/// Why a request may not come in.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Foreign {
    /// The name that it used is none of this server's.
    Host,
    /// It is of a page of another origin.
    Page,
}

impl Foreign {
    pub(super) const fn reason(self) -> &'static str {
        match self {
            Self::Host => {
                "The Host is no name of this server: use its loopback address or localhost, or \
                 start it with --public-url."
            }
            Self::Page => {
                "The request is of a web page of another origin: start the server with --cors to \
                 let it in."
            }
        }
    }
}

impl IntoResponse for Foreign {
    fn into_response(self) -> Response {
        (StatusCode::FORBIDDEN, self.reason()).into_response()
    }
}

impl WebAccess {
    /// Whether pages of that origin may use the API.
    pub(super) fn opens_to(&self, origin: &str) -> bool {
        self.cors.iter().any(|known| known.admits(origin))
    }

    /// Refuses a request that does not name this server as its host.
    pub(crate) fn check_host(
        &self,
        peer: Option<Peer>,
        headers: &HeaderMap,
    ) -> Result<(), Foreign> {
        let host = authority_of(headers).ok_or(Foreign::Host)?;
        let public = self.public_url.as_ref().map(PublicUrl::authority);
        // A name could be any site's; over the network, an address is what was called.
        let called = || peer.is_some_and(|peer| !peer.is_local()) && address(host.host()).is_some();
        if is_loopback(host.host()) || public == Some(&host) || called() {
            Ok(())
        } else {
            Err(Foreign::Host)
        }
    }

    /// The same, and refuses pages of other origins that are not let in.
    pub(crate) fn check(&self, peer: Option<Peer>, headers: &HeaderMap) -> Result<(), Foreign> {
        self.check_host(peer, headers)?;
        let Some(origin) = headers.get(ORIGIN) else {
            return Ok(());
        };
        let origin = origin.to_str().map_err(|_| Foreign::Page)?;
        let page = page_of(origin);
        let own = page.as_ref().is_some_and(|page| {
            let public = self.public_url.as_ref().map(PublicUrl::authority);
            is_loopback(page.host())
                || authority_of(headers).as_ref() == Some(page)
                || public == Some(page)
        });
        if own || self.opens_to(origin) {
            Ok(())
        } else {
            Err(Foreign::Page)
        }
    }
}

/// Lets in what is of this machine: no other host's name, no page of another origin.
pub(super) fn is_local(headers: &HeaderMap) -> bool {
    WebAccess::default().check(None, headers).is_ok()
}

/// Shows that a request is of this machine's, or of a page that is let in, by the [`WebAccess`] among
/// its extensions.
pub(crate) struct OwnPage;

impl<S: Sync> FromRequestParts<S> for OwnPage {
    type Rejection = Foreign;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Foreign> {
        let shut = WebAccess::default();
        let web = parts.extensions.get().unwrap_or(&shut);
        let peer = parts.extensions.get().copied();
        web.check(peer, &parts.headers).map(|()| Self)
    }
}

/// A layer for doors that only pages of this server's, or let in, may use.
pub(crate) async fn own_pages_only(
    State(web): State<WebAccess>,
    request: Request,
    next: Next,
) -> Response {
    let peer = request.extensions().get().copied();
    match web.check(peer, request.headers()) {
        Ok(()) => next.run(request).await,
        Err(foreign) => foreign.into_response(),
    }
}

/// A layer for doors that pages of any origin may use, though not under a name of theirs.
pub(crate) async fn any_page(
    State(web): State<WebAccess>,
    request: Request,
    next: Next,
) -> Response {
    let peer = request.extensions().get().copied();
    match web.check_host(peer, request.headers()) {
        Ok(()) => next.run(request).await,
        Err(foreign) => foreign.into_response(),
    }
}

fn authority_of(headers: &HeaderMap) -> Option<Authority> {
    headers.get(HOST)?.to_str().ok()?.parse().ok()
}

/// Host and port of a page's origin.
fn page_of(origin: &str) -> Option<Authority> {
    origin.parse::<Uri>().ok()?.authority().cloned()
}

fn is_loopback(host: &str) -> bool {
    host.eq_ignore_ascii_case("localhost") || address(host).is_some_and(|ip| ip.is_loopback())
}

fn address(host: &str) -> Option<IpAddr> {
    let bare = host
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'));
    bare.unwrap_or(host).parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(host: &str, origin: Option<&str>) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(HOST, host.parse().unwrap());
        if let Some(origin) = origin {
            headers.insert(ORIGIN, origin.parse().unwrap());
        }
        headers
    }

    #[test]
    fn only_this_machine_is_local() {
        let table = [
            ("127.0.0.1:80", None, true),
            ("localhost", Some("http://localhost:3000"), true),
            ("[::1]:80", None, true),
            ("racegate.example:80", None, false),
            ("127.0.0.1.example", None, false),
            ("127.0.0.1:80", Some("https://racegate.example"), false),
            ("127.0.0.1:80", Some("null"), false),
        ];
        for (host, origin, expected) in table {
            assert_eq!(
                is_local(&headers(host, origin)),
                expected,
                "{host} {origin:?}"
            );
        }
        assert!(!is_local(&HeaderMap::new()));
    }

    #[test]
    fn a_door_is_open_to_its_own_host_and_pages_and_to_those_let_in() {
        let web = WebAccess {
            public_url: Some("https://mock.example".parse().unwrap()),
            cors: vec!["http://app.example:3000/".parse().unwrap()],
        };
        let near = Some(Peer("127.0.0.1:9".parse().unwrap()));
        let far = Some(Peer("192.0.2.1:9".parse().unwrap()));
        let table = [
            (near, "127.0.0.1:7070", None, Ok(())),
            (
                near,
                "localhost:7070",
                Some("http://127.0.0.1:7070"),
                Ok(()),
            ),
            (near, "mock.example", Some("https://mock.example"), Ok(())),
            (near, "localhost", Some("http://app.example:3000"), Ok(())),
            (
                near,
                "localhost",
                Some("http://app.example"),
                Err(Foreign::Page),
            ),
            (
                near,
                "localhost",
                Some("https://evil.example"),
                Err(Foreign::Page),
            ),
            (near, "localhost", Some("null"), Err(Foreign::Page)),
            (
                near,
                "evil.example",
                Some("http://evil.example"),
                Err(Foreign::Host),
            ),
            (near, "evil.example", None, Err(Foreign::Host)),
            (near, "192.0.2.7:7070", None, Err(Foreign::Host)),
            (far, "192.0.2.7:7070", Some("http://192.0.2.7:7070"), Ok(())),
            (
                far,
                "192.0.2.7:7070",
                Some("http://192.0.2.8"),
                Err(Foreign::Page),
            ),
            (far, "evil.example", None, Err(Foreign::Host)),
        ];
        for (peer, host, origin, expected) in table {
            let met = web.check(peer, &headers(host, origin));
            assert_eq!(met, expected, "{peer:?} {host} {origin:?}");
        }
        assert_eq!(web.check(near, &HeaderMap::new()), Err(Foreign::Host));
    }

    #[test]
    fn an_origin_is_written_as_browsers_write_it() {
        let exactly = |text: &str| Ok(CorsOrigin::Exactly(text.to_owned()));
        assert_eq!("*".parse(), Ok(CorsOrigin::Any));
        assert_eq!(
            "http://Localhost:3000".parse(),
            exactly("http://localhost:3000")
        );
        assert_eq!(
            "https://a.example:443/".parse(),
            exactly("https://a.example")
        );
        for bad in [
            "a.example",
            "null",
            "",
            "https://a.example/x",
            "https://a,https://b",
            "https://*",
        ] {
            assert_eq!(bad.parse::<CorsOrigin>(), Err(NotOrigin), "{bad}");
        }
    }
}
