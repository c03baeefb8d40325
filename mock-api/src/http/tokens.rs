//! Access tokens: opaque, random, bound to a client, and gone after a while.

use std::collections::{BTreeMap, VecDeque};
use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use parking_lot::RwLock;
use racegate_model::time::Timestamp;

use super::clients::ClientIndex;
use super::permissions::Scopes;

/// Tokens that a client may hold at once; a further login drops its oldest.
const TOKENS_PER_CLIENT: usize = 256;
/// Random bytes in a token.
const TOKEN_BYTES: usize = 32;

/// An access token. It is shown by asking for it, never by accident.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Token(Box<str>);

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
    grants: BTreeMap<Token, Grant>,
    by_client: BTreeMap<ClientIndex, VecDeque<Token>>,
}

/// What a token stands for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Grant {
    pub(super) client: ClientIndex,
    pub(super) scopes: Scopes,
    pub(super) expires_at: Timestamp,
}

impl TokenStore {
    /// A new token.
    pub(super) fn grant(&self, grant: Grant) -> Token {
        let mut bytes = [0_u8; TOKEN_BYTES];
        aws_lc_rs::rand::fill(&mut bytes).expect("the system has a source of randomness");
        let token = Token::new(URL_SAFE_NO_PAD.encode(bytes));
        let mut known = self.known.write();
        known.grants.insert(token.clone(), grant);
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

    /// A token is good no more; what it stood for, if it was good.
    pub(super) fn revoke(&self, token: &str) -> Option<Grant> {
        self.known.write().grants.remove(token)
    }

    /// No token of the clients that `meant` holds for is good any more; returns how many were.
    pub(super) fn revoke_all(&self, meant: impl Fn(ClientIndex) -> bool) -> usize {
        let mut known = self.known.write();
        let before = known.grants.len();
        known.grants.retain(|_, grant| !meant(grant.client));
        known.by_client.retain(|client, _| !meant(*client));
        before - known.grants.len()
    }

    /// What a token stands for, if it is good.
    pub(super) fn holder(&self, token: &str, now: Timestamp) -> Option<Grant> {
        let grant = *self.known.read().grants.get(token)?;
        (now < grant.expires_at).then_some(grant)
    }
}

#[cfg(test)]
mod tests {
    use racegate_model::time::Duration;

    use super::*;

    fn grant(life: Duration) -> Grant {
        Grant {
            client: ClientIndex::default(),
            scopes: Scopes::EVERY,
            expires_at: Timestamp::ZERO + life,
        }
    }

    #[test]
    fn a_token_is_its_clients_until_it_expires() {
        let store = TokenStore::default();
        let life = Duration::from_secs(60);
        let token = store.grant(grant(life));
        let just_before = Timestamp::from_nanos(life.as_nanos() - 1);
        assert_eq!(store.holder(token.expose(), just_before), Some(grant(life)));
        assert_eq!(store.holder(token.expose(), Timestamp::ZERO + life), None);
        assert_eq!(store.holder("guess", Timestamp::ZERO), None);
        assert_eq!(format!("{token:?}"), "Token(…)");
    }

    #[test]
    fn a_revoked_token_is_good_no_more() {
        let store = TokenStore::default();
        let token = store.grant(grant(Duration::from_secs(60)));
        store.revoke(token.expose());
        assert_eq!(store.holder(token.expose(), Timestamp::ZERO), None);
    }

    #[test]
    fn logging_in_for_ever_keeps_a_bounded_number() {
        let store = TokenStore::default();
        let first = store.grant(grant(Duration::from_secs(1)));
        for _ in 0..TOKENS_PER_CLIENT {
            store.grant(grant(Duration::from_secs(1)));
        }
        assert_eq!(store.holder(first.expose(), Timestamp::ZERO), None);
        assert_eq!(store.known.read().grants.len(), TOKENS_PER_CLIENT);
    }
}
