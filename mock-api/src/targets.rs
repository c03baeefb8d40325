//! Where the program may connect to: this machine, and the hosts that its user names. Every address
//! from outside passes here before a connection is opened.

use std::collections::BTreeSet;
use std::net::IpAddr;

use axum::http::Uri;

/// The hosts that may be connected to.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Targets {
    /// Beside this machine; in lower case, without brackets.
    remote: BTreeSet<String>,
}

/// Why an address is not connected to. None of them repeats what a URL holds before its host.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum TargetError {
    /// It is no plain HTTP URL with a host.
    #[error("{shown}: write http://HOST:PORT/PATH (TLS is not built in)")]
    NotHttp {
        /// The address, without a user.
        shown: String,
    },
    /// It has a user, or a user and a password.
    #[error("{shown}: a user or a password in an address is not taken; leave it out")]
    UserInfo {
        /// The address, without them.
        shown: String,
    },
    /// Its host is another machine's.
    #[error(
        "{shown}: {host} is not this machine, and nothing else is connected to unless it is allowed by name"
    )]
    Remote {
        /// The address.
        shown: String,
        /// The host, as it is to be allowed.
        host: String,
    },
}

impl TargetError {
    /// The address as it may be shown.
    #[must_use]
    pub fn shown(&self) -> &str {
        match self {
            Self::NotHttp { shown } | Self::UserInfo { shown } | Self::Remote { shown, .. } => {
                shown
            }
        }
    }
}

impl Targets {
    /// This machine only.
    #[must_use]
    pub const fn loopback() -> Self {
        Self {
            remote: BTreeSet::new(),
        }
    }

    /// This machine, and these hosts: names or addresses, without a port.
    #[must_use]
    pub fn with<'a>(hosts: impl IntoIterator<Item = &'a str>) -> Self {
        Self {
            remote: hosts.into_iter().map(bare).collect(),
        }
    }

    /// The address, if it may be connected to.
    ///
    /// # Errors
    /// [`TargetError`]
    pub fn admit(&self, url: &str) -> Result<Uri, TargetError> {
        let shown = without_user(url);
        if shown.len() != url.len() {
            return Err(TargetError::UserInfo { shown });
        }
        let uri = url.parse::<Uri>().ok();
        let uri = uri.filter(|uri| uri.scheme_str() == Some("http"));
        let Some((uri, host)) = uri.and_then(|uri| {
            let host = bare(uri.host()?);
            (!host.is_empty()).then_some((uri, host))
        }) else {
            return Err(TargetError::NotHttp { shown });
        };
        if is_this_machine(&host) || self.remote.contains(&host) {
            Ok(uri)
        } else {
            Err(TargetError::Remote { shown, host })
        }
    }
}

/// Names are not looked up: what a name leads to may change between the look and the connection.
fn is_this_machine(host: &str) -> bool {
    let address = host.parse::<IpAddr>();
    host == "localhost" || address.is_ok_and(|address| address.to_canonical().is_loopback())
}

fn bare(host: &str) -> String {
    host.trim_matches(['[', ']']).to_ascii_lowercase()
}

/// The address as it may be shown: without what stands before an `@`, which is a user, a password
/// or a mistake.
fn without_user(url: &str) -> String {
    let (scheme, rest) = match url.split_once("//") {
        Some((scheme, rest)) => (format!("{scheme}//"), rest),
        None => (String::new(), url),
    };
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (authority, path) = rest.split_at(end);
    let host = authority.rsplit('@').next().unwrap_or_default();
    format!("{scheme}{host}{path}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_machine_and_hosts_that_were_named_are_targets() {
        let targets = Targets::with(["Store.example", "192.0.2.7", "[2001:db8::1]"]);
        for url in [
            "http://127.0.0.1:9/x",
            "http://127.8.8.8/",
            "http://[::1]:80/",
            "http://[::ffff:127.0.0.1]/",
            "http://localhost/",
            "http://LOCALHOST:1/",
            "http://store.EXAMPLE:9000/bucket",
            "http://192.0.2.7/",
            "http://[2001:DB8::1]:1/",
        ] {
            assert!(targets.admit(url).is_ok(), "{url}");
        }
        for url in [
            "http://192.0.2.8/",
            "http://a.store.example/",
            "http://127.0.0.1.example.org/",
            "http://localhost.example.org/",
            "http://2130706433/",
            "http://0.0.0.0/",
            "http://[::]/",
        ] {
            let refused = targets.admit(url).unwrap_err();
            assert!(
                matches!(refused, TargetError::Remote { .. }),
                "{url}: {refused}"
            );
        }
        for url in [
            "https://127.0.0.1/",
            "ftp://127.0.0.1/",
            "127.0.0.1",
            "/x",
            "",
            "?",
            "http://",
        ] {
            let refused = targets.admit(url).unwrap_err();
            assert!(
                matches!(refused, TargetError::NotHttp { .. }),
                "{url}: {refused}"
            );
        }
    }

    #[test]
    fn a_user_is_refused_and_never_repeated() {
        for url in [
            "http://s3cret@127.0.0.1:9/b",
            "http://name:s3cret@127.0.0.1/b",
            "http://s3cret@evil@127.0.0.1/b",
            "https://s3cret@elsewhere/b",
            "//s3cret@127.0.0.1/b",
            "s3cret@127.0.0.1:9",
        ] {
            let refused = Targets::loopback().admit(url).unwrap_err();
            assert!(matches!(refused, TargetError::UserInfo { .. }), "{url}");
            assert!(!refused.to_string().contains("s3cret"), "{refused}");
        }
        let path = "http://127.0.0.1/a@b?c@d";
        assert_eq!(Targets::loopback().admit(path).unwrap(), path);
    }
}
