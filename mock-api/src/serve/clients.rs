//! The clients of a served mock, each an organization of its own.

use std::collections::BTreeSet;
use std::str::FromStr;

use racegate_model::draws::Seed;
use racegate_model::ids::{ArmIndex, TenantIndex};

use crate::service::{Credentials, TenantConfig};

/// Clients of a mock that is told of none.
const DEFAULT: [&str; 2] = ["client-1", "client-2"];
/// Clients at most: each has a platform of its own.
const CLIENTS_MAX: usize = 256;

/// A client that a mock is told of.
#[derive(Clone, PartialEq, Eq)]
pub struct Client {
    id: String,
    secret: Option<String>,
}

/// Why there is no such client.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum ClientError {
    /// The id cannot be one.
    #[error("`{id}` is no client id: write 1 to 64 letters, digits, `.`, `_` or `-`")]
    Id {
        /// The text.
        id: String,
    },
    /// The secret cannot be one; it is not repeated.
    #[error("the secret of client `{id}` has 8 to 256 printable characters without spaces")]
    Secret {
        /// Whose.
        id: String,
    },
    /// A client was named twice.
    #[error("client `{id}` is named twice")]
    Twice {
        /// Which.
        id: String,
    },
    /// There are too many.
    #[error("there are at most {CLIENTS_MAX} clients")]
    TooMany,
}

impl std::fmt::Debug for Client {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Client")
            .field("id", &self.id)
            .finish_non_exhaustive()
    }
}

/// `ID` or `ID:SECRET`.
impl FromStr for Client {
    type Err = ClientError;

    fn from_str(text: &str) -> Result<Self, ClientError> {
        let (id, secret) = match text.split_once(':') {
            Some((id, secret)) => (id, Some(secret)),
            None => (text, None),
        };
        let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
        if !(1..=64).contains(&id.len()) || !id.bytes().all(fits) {
            return Err(ClientError::Id { id: id.to_owned() });
        }
        let good = |secret: &str| {
            (8..=256).contains(&secret.len()) && secret.bytes().all(|byte| byte.is_ascii_graphic())
        };
        if secret.is_some_and(|secret| !good(secret)) {
            return Err(ClientError::Secret { id: id.to_owned() });
        }
        Ok(Self {
            id: id.to_owned(),
            secret: secret.map(str::to_owned),
        })
    }
}

/// Where secrets come from that nobody chose.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Secrets {
    /// From the seed: the same again, for scripts on this machine.
    OfSeed,
    /// From the system, where others can reach the mock.
    Random,
}

/// The tenants of `clients`, or of the default ones: each on an arm of its own.
pub(super) fn tenants(
    clients: &[Client],
    seed: Seed,
    secrets: Secrets,
) -> Result<Vec<TenantConfig>, ClientError> {
    let default = DEFAULT.map(|id| Client {
        id: id.to_owned(),
        secret: None,
    });
    let clients = if clients.is_empty() {
        &default
    } else {
        clients
    };
    if clients.len() > CLIENTS_MAX {
        return Err(ClientError::TooMany);
    }
    let mut ids = BTreeSet::new();
    let mut tenants = Vec::with_capacity(clients.len());
    for (index, client) in (0..).zip(clients) {
        if !ids.insert(&client.id) {
            return Err(ClientError::Twice {
                id: client.id.clone(),
            });
        }
        let derived = TenantConfig::derived(seed, TenantIndex(index), ArmIndex(index), &client.id);
        let secret = match (&client.secret, secrets) {
            (Some(secret), _) => secret.clone(),
            (None, Secrets::OfSeed) => derived.credentials.client_secret.clone(),
            (None, Secrets::Random) => random(),
        };
        tenants.push(TenantConfig {
            credentials: Credentials {
                client_id: client.id.clone(),
                client_secret: secret,
            },
            ..derived
        });
    }
    Ok(tenants)
}

fn random() -> String {
    let mut bytes = [0_u8; 16];
    aws_lc_rs::rand::fill(&mut bytes).expect("the system has a source of randomness");
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clients_are_told_by_id_and_secret() {
        let given: Vec<Client> = ["a", "b:s3cret:with-colon"]
            .map(|text| text.parse().unwrap())
            .into();
        let tenants = tenants(&given, Seed(1), Secrets::OfSeed).unwrap();
        assert_eq!(tenants[1].credentials.client_secret, "s3cret:with-colon");
        assert_eq!(tenants[0].credentials.client_secret.len(), 32);
        assert_ne!(tenants[0].organization, tenants[1].organization);
    }

    #[test]
    fn a_bad_client_is_refused_without_repeating_its_secret() {
        for text in [
            "",
            ":secret-secret",
            "a b",
            "a/b:secret-secret",
            &"x".repeat(65),
        ] {
            assert!(matches!(
                text.parse::<Client>(),
                Err(ClientError::Id { .. })
            ));
        }
        let error = "a:short".parse::<Client>().unwrap_err();
        assert!(!error.to_string().contains("short"), "{error}");
        let twice = [("a").parse().unwrap(), ("a").parse().unwrap()];
        let error = tenants(&twice, Seed(1), Secrets::OfSeed).unwrap_err();
        assert_eq!(error, ClientError::Twice { id: "a".into() });
        assert!(!format!("{:?}", "a:secret-secret".parse::<Client>()).contains("secret-"));
    }

    #[test]
    fn secrets_of_a_seed_repeat_and_random_ones_do_not() {
        let secret = |secrets| {
            let tenants = tenants(&[], Seed(9), secrets).unwrap();
            tenants[0].credentials.client_secret.clone()
        };
        assert_eq!(secret(Secrets::OfSeed), secret(Secrets::OfSeed));
        assert_ne!(secret(Secrets::Random), secret(Secrets::Random));
    }
}
