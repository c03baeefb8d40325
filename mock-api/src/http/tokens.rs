//! Access tokens: opaque, random, bound to a client, and gone after a while. Each has a rate limit
//! of its own: a second token of the same client is a second bucket.

use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::sync::Arc;

use axum::http::HeaderValue;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use parking_lot::{Mutex, RwLock};
use racegate_model::org::{RateLimiter, RateUsage, Throttled};
use racegate_model::scenario::RateLimit;
use racegate_model::time::Timestamp;

use super::clients::ClientIndex;

/// Tokens that a client may hold at once; a further login drops its oldest.
const TOKENS_PER_CLIENT: usize = 256;
/// What a token without a limit is told that it may do.
const UNLIMITED: u64 = 2_147_483_647;
/// Random bytes in a token.
const TOKEN_BYTES: usize = 32;

/// An access token. It is shown by asking for it, never by accident.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Token(Arc<str>);

impl Token {
    /// A token that somebody granted.
    pub(super) fn new(text: String) -> Self {
        Self(text.into())
    }

    /// The token itself.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(…)")
    }
}

impl std::borrow::Borrow<str> for Token {
    fn borrow(&self) -> &str {
        &self.0
    }
}

/// The tokens in use.
#[derive(Debug, Default)]
pub(super) struct TokenStore {
    known: RwLock<Known>,
}

#[derive(Debug, Default)]
struct Known {
    grants: BTreeMap<Token, Arc<Session>>,
    by_client: BTreeMap<ClientIndex, VecDeque<Token>>,
}

/// What a token stands for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Grant {
    pub(super) client: ClientIndex,
    pub(super) expires_at: Timestamp,
    /// Calls that the token may make.
    pub(super) limit: Option<RateLimit>,
}

/// A token in use.
#[derive(Debug)]
pub(super) struct Session {
    pub(super) grant: Grant,
    /// The limit, as a header says it.
    pub(super) allowed: HeaderValue,
    limiter: Mutex<RateLimiter>,
}

impl Session {
    /// Counts a call against the token's limit; also says how much of that is used then.
    pub(super) fn admit(&self, now: Timestamp) -> (Result<(), Throttled>, Option<RateUsage>) {
        let mut limiter = self.limiter.lock();
        (limiter.admit(now), limiter.usage(now))
    }
}

impl TokenStore {
    /// A new token.
    pub(super) fn grant(&self, grant: Grant) -> Token {
        let mut bytes = [0_u8; TOKEN_BYTES];
        aws_lc_rs::rand::fill(&mut bytes).expect("the system has a source of randomness");
        let token = Token::new(URL_SAFE_NO_PAD.encode(bytes));
        let mut known = self.known.write();
        let session = Session {
            grant,
            allowed: grant.limit.map_or(UNLIMITED, |limit| limit.calls).into(),
            limiter: Mutex::new(RateLimiter::new(grant.limit)),
        };
        known.grants.insert(token.clone(), Arc::new(session));
        let held = known.by_client.entry(grant.client).or_default();
        held.push_back(token.clone());
        let dropped = if held.len() > TOKENS_PER_CLIENT {
            held.pop_front()
        } else {
            None
        };
        if let Some(dropped) = dropped {
            known.grants.remove(&dropped);
        }
        token
    }

    /// A token is good no more.
    pub(super) fn revoke(&self, token: &str) {
        self.known.write().grants.remove(token);
    }

    /// No token of the clients that `meant` holds for is good any more; returns how many were.
    pub(super) fn revoke_all(&self, meant: impl Fn(ClientIndex) -> bool) -> usize {
        let mut known = self.known.write();
        let before = known.grants.len();
        known
            .grants
            .retain(|_, session| !meant(session.grant.client));
        known.by_client.retain(|client, _| !meant(*client));
        before - known.grants.len()
    }

    /// The tokens of the clients that `meant` holds for have not been used yet.
    pub(super) fn renew_limits(&self, meant: impl Fn(ClientIndex) -> bool) {
        let known = self.known.read();
        for session in known.grants.values().filter(|s| meant(s.grant.client)) {
            *session.limiter.lock() = RateLimiter::new(session.grant.limit);
        }
    }

    /// What a token stands for, if it is good.
    pub(super) fn holder(&self, token: &str, now: Timestamp) -> Option<Arc<Session>> {
        let session = Arc::clone(self.known.read().grants.get(token)?);
        (now < session.grant.expires_at).then_some(session)
    }
}

#[cfg(test)]
mod tests {
    use racegate_model::time::Duration;

    use super::*;

    fn held(store: &TokenStore, token: &str, now: Timestamp) -> Option<Grant> {
        store.holder(token, now).map(|session| session.grant)
    }

    fn grant(life: Duration) -> Grant {
        Grant {
            client: ClientIndex::default(),
            expires_at: Timestamp::ZERO + life,
            limit: Some(RateLimit {
                calls: 2,
                window: Duration::from_secs(60),
            }),
        }
    }

    #[test]
    fn a_token_is_its_clients_until_it_expires() {
        let store = TokenStore::default();
        let life = Duration::from_secs(60);
        let token = store.grant(grant(life));
        let just_before = Timestamp::from_nanos(life.as_nanos() - 1);
        assert_eq!(held(&store, token.expose(), just_before), Some(grant(life)));
        assert_eq!(held(&store, token.expose(), Timestamp::ZERO + life), None);
        assert_eq!(held(&store, "guess", Timestamp::ZERO), None);
        assert_eq!(format!("{token:?}"), "Token(…)");
    }

    #[test]
    fn each_token_of_a_client_has_a_limit_of_its_own() {
        let store = TokenStore::default();
        let session = |token: &Token| {
            let session = store.holder(token.expose(), Timestamp::ZERO);
            session.expect("the token is good")
        };
        let life = Duration::from_secs(60);
        let (one, two) = (store.grant(grant(life)), store.grant(grant(life)));
        let (one, two) = (session(&one), session(&two));
        let admitted: Vec<bool> = (0..3)
            .map(|_| one.admit(Timestamp::ZERO).0.is_ok())
            .collect();
        assert_eq!(admitted, [true, true, false]);
        let (admitted, usage) = two.admit(Timestamp::ZERO);
        assert!(admitted.is_ok());
        assert_eq!(usage.map(|usage| (usage.used, usage.allowed)), Some((1, 2)));
    }

    #[test]
    fn a_revoked_token_is_good_no_more() {
        let store = TokenStore::default();
        let token = store.grant(grant(Duration::from_secs(60)));
        store.revoke(token.expose());
        assert_eq!(held(&store, token.expose(), Timestamp::ZERO), None);
    }

    #[test]
    fn logging_in_for_ever_keeps_a_bounded_number() {
        let store = TokenStore::default();
        let first = store.grant(grant(Duration::from_secs(1)));
        for _ in 0..TOKENS_PER_CLIENT {
            store.grant(grant(Duration::from_secs(1)));
        }
        assert_eq!(held(&store, first.expose(), Timestamp::ZERO), None);
        assert_eq!(store.known.read().grants.len(), TOKENS_PER_CLIENT);
    }
}
