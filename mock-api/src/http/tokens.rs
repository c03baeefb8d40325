//! Access tokens: opaque, random, bound to a tenant, and gone after a day.

use std::collections::{BTreeMap, VecDeque};
use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use parking_lot::RwLock;
use racegate_model::ids::TenantIndex;
use racegate_model::time::{Duration, Timestamp};

/// Tokens that a tenant may hold at once; a further login drops its oldest.
const TOKENS_PER_TENANT: usize = 256;
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
    by_tenant: BTreeMap<TenantIndex, VecDeque<Token>>,
}

#[derive(Clone, Copy, Debug)]
struct Grant {
    tenant: TenantIndex,
    expires_at: Timestamp,
}

impl TokenStore {
    /// A new token.
    pub(super) fn grant(&self, tenant: TenantIndex, now: Timestamp, life: Duration) -> Token {
        let mut bytes = [0_u8; TOKEN_BYTES];
        aws_lc_rs::rand::fill(&mut bytes).expect("the system has a source of randomness");
        let token = Token::new(URL_SAFE_NO_PAD.encode(bytes));
        let mut known = self.known.write();
        known.grants.insert(
            token.clone(),
            Grant {
                tenant,
                expires_at: now + life,
            },
        );
        let held = known.by_tenant.entry(tenant).or_default();
        held.push_back(token.clone());
        let dropped = if held.len() > TOKENS_PER_TENANT {
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
    pub(super) fn expire(&self, token: &str) {
        let mut known = self.known.write();
        if let Some(grant) = known.grants.remove(token)
            && let Some(held) = known.by_tenant.get_mut(&grant.tenant)
        {
            held.retain(|held| held.expose() != token);
        }
    }

    /// No token of a tenant, or of anybody, is good any more; returns how many were.
    pub(super) fn expire_all(&self, tenant: Option<TenantIndex>) -> usize {
        let mut known = self.known.write();
        let before = known.grants.len();
        let stays = |of: TenantIndex| tenant.is_some_and(|tenant| tenant != of);
        known.grants.retain(|_, grant| stays(grant.tenant));
        known.by_tenant.retain(|of, _| stays(*of));
        before - known.grants.len()
    }

    /// Whose token that is.
    pub(super) fn tenant(&self, token: &str, now: Timestamp) -> Option<TenantIndex> {
        let grant = *self.known.read().grants.get(token)?;
        (now < grant.expires_at).then_some(grant.tenant)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_its_tenants_until_it_expires() {
        let store = TokenStore::default();
        let life = Duration::from_secs(60);
        let token = store.grant(TenantIndex(3), Timestamp::ZERO, life);
        let just_before = Timestamp::from_nanos(life.as_nanos() - 1);
        assert_eq!(
            store.tenant(token.expose(), just_before),
            Some(TenantIndex(3))
        );
        assert_eq!(store.tenant(token.expose(), Timestamp::ZERO + life), None);
        assert_eq!(store.tenant("guess", Timestamp::ZERO), None);
        assert_eq!(format!("{token:?}"), "Token(…)");
    }

    #[test]
    fn logging_in_for_ever_keeps_a_bounded_number() {
        let store = TokenStore::default();
        let first = store.grant(TenantIndex(0), Timestamp::ZERO, Duration::from_secs(1));
        for _ in 0..TOKENS_PER_TENANT {
            store.grant(TenantIndex(0), Timestamp::ZERO, Duration::from_secs(1));
        }
        assert_eq!(store.tenant(first.expose(), Timestamp::ZERO), None);
        assert_eq!(store.known.read().grants.len(), TOKENS_PER_TENANT);
    }
}
