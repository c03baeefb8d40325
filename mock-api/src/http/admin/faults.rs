//! Faults: rules that say which requests meet which trouble.
//!
//! A rule fires on the `nth` matching request, for so many times, or by chance; chance is keyed by
//! the run's seed, the rule and the number of the match, so a seed repeats it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use arc_swap::ArcSwap;
use axum::http::{Method, Uri};
use parking_lot::Mutex;
use racegate_model::draws::{Draws, Purpose, Seed};
use racegate_model::ids::TenantIndex;
use racegate_model::time::Probability;

use super::wire::{FaultBody, FaultKind, MatchBody, RuleBody};
use crate::http::error::ApiError;

/// Rules at once.
const RULES_MAX: usize = 1_000;

/// The rules in force.
#[derive(Debug)]
pub(crate) struct Faults {
    seed: Seed,
    rules: ArcSwap<Vec<Arc<Rule>>>,
    /// Held by whoever changes the rules; the next one's id.
    next_id: Mutex<u64>,
}

/// A rule in force.
#[derive(Debug)]
pub(crate) struct Rule {
    pub(crate) id: u64,
    pub(crate) body: RuleBody,
    matcher: Matcher,
    /// Matching requests so far, and those of them that met the fault.
    matched: AtomicU64,
    fired: AtomicU64,
}

/// Which requests are meant. An empty one means all.
#[derive(Clone, Debug, Default)]
pub(crate) struct Matcher {
    method: Option<Method>,
    path: Option<Pattern>,
    tenant: Option<TenantIndex>,
}

/// A path in which `*` stands for any text.
#[derive(Clone, PartialEq, Eq, Debug)]
struct Pattern(Box<str>);

impl Pattern {
    fn matches(&self, text: &str) -> bool {
        let mut parts = self.0.split('*');
        let Some(rest) = text.strip_prefix(parts.next().unwrap_or_default()) else {
            return false;
        };
        let mut rest = rest;
        let mut last = None;
        for part in parts {
            if let Some(middle) = last.replace(part) {
                match rest.find(middle) {
                    Some(at) => rest = &rest[at + middle.len()..],
                    None => return false,
                }
            }
        }
        match last {
            None => rest.is_empty(),
            Some(end) => rest.ends_with(end),
        }
    }
}

impl Matcher {
    /// # Errors
    /// When the body names no known client or no method.
    pub(super) fn new(
        body: &MatchBody,
        client: impl Fn(&str) -> Option<TenantIndex>,
    ) -> Result<Self, ApiError> {
        let method = body.method.as_deref().map(|name| {
            Method::from_bytes(name.to_ascii_uppercase().as_bytes())
                .map_err(|_| ApiError::bad_request(format!("`{name}` is no HTTP method.")))
        });
        let tenant = body.client.as_deref().map(|name| {
            client(name)
                .ok_or_else(|| ApiError::bad_request(format!("There is no client `{name}`.")))
        });
        Ok(Self {
            method: method.transpose()?,
            path: body.path.as_deref().map(|path| Pattern(path.into())),
            tenant: tenant.transpose()?,
        })
    }

    pub(super) fn matches(&self, method: &Method, path: &str, tenant: Option<TenantIndex>) -> bool {
        self.method.as_ref().is_none_or(|wanted| wanted == method)
            && self.path.as_ref().is_none_or(|wanted| wanted.matches(path))
            && self.tenant.is_none_or(|wanted| Some(wanted) == tenant)
    }
}

impl Rule {
    fn fires(&self, seed: Seed) -> bool {
        let matched = self.matched.fetch_add(1, Ordering::Relaxed) + 1;
        let when = &self.body.when;
        if matched <= when.skip {
            return false;
        }
        if let Some(nth) = when.nth
            && matched != nth
        {
            return false;
        }
        if let Some(probability) = when.probability.and_then(Probability::new) {
            let draws = Draws::of_stream(seed, "fault", self.id);
            let nth = u32::try_from(matched & 0xFFFF_FFFF).unwrap_or(0);
            if !probability.occurs(draws.draw_nth(Purpose::Fault, nth)) {
                return false;
            }
        }
        let within = |fired: u64| {
            when.count
                .is_none_or(|count| fired < count)
                .then_some(fired + 1)
        };
        self.fired
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, within)
            .is_ok()
    }

    pub(super) fn counts(&self) -> (u64, u64) {
        (
            self.matched.load(Ordering::Relaxed),
            self.fired.load(Ordering::Relaxed),
        )
    }
}

impl Faults {
    pub(crate) fn new(seed: Seed) -> Self {
        Self {
            seed,
            rules: ArcSwap::default(),
            next_id: Mutex::new(1),
        }
    }

    /// Whether there is no rule at all, which is what a request usually finds.
    pub(crate) fn is_empty(&self) -> bool {
        self.rules.load().is_empty()
    }

    /// The fault that a request meets, and the rule's id.
    pub(crate) fn meet(
        &self,
        method: &Method,
        uri: &Uri,
        tenant: Option<TenantIndex>,
    ) -> Option<(u64, FaultBody)> {
        let of_requests = |rule: &&Arc<Rule>| {
            rule.body.fault.kind != FaultKind::DuplicateDelivery
                && rule.matcher.matches(method, uri.path(), tenant)
        };
        let rules = self.rules.load();
        let rule = rules
            .iter()
            .filter(of_requests)
            .find(|rule| rule.fires(self.seed))?;
        Some((rule.id, rule.body.fault.clone()))
    }

    /// How often a delivery to `path` of a tenant's subscriber is made.
    pub(crate) fn deliveries(&self, path: &str, tenant: TenantIndex) -> u32 {
        let rules = self.rules.load();
        let of_deliveries = |rule: &&Arc<Rule>| {
            rule.body.fault.kind == FaultKind::DuplicateDelivery
                && rule.matcher.matches(&Method::POST, path, Some(tenant))
        };
        let rule = rules
            .iter()
            .filter(of_deliveries)
            .find(|rule| rule.fires(self.seed));
        rule.map_or(1, |rule| 1 + rule.body.fault.copies.unwrap_or(1))
    }

    pub(super) fn add(&self, body: RuleBody, matcher: Matcher) -> Result<Arc<Rule>, ApiError> {
        let mut next_id = self.next_id.lock();
        let mut rules = Vec::clone(&self.rules.load());
        if rules.len() >= RULES_MAX {
            return Err(ApiError::TooMany("fault rules"));
        }
        let rule = Arc::new(Rule {
            id: *next_id,
            body,
            matcher,
            matched: AtomicU64::new(0),
            fired: AtomicU64::new(0),
        });
        *next_id += 1;
        rules.push(Arc::clone(&rule));
        self.rules.store(Arc::new(rules));
        Ok(rule)
    }

    pub(super) fn all(&self) -> Arc<Vec<Arc<Rule>>> {
        self.rules.load_full()
    }

    /// Ends the rules that `ended` holds for; returns how many.
    pub(super) fn remove(&self, ended: impl Fn(&Rule) -> bool) -> usize {
        let changing = self.next_id.lock();
        let mut rules = Vec::clone(&self.rules.load());
        let before = rules.len();
        rules.retain(|rule| !ended(rule));
        let removed = before - rules.len();
        self.rules.store(Arc::new(rules));
        drop(changing);
        removed
    }

    /// Whether a rule is of one tenant only.
    pub(super) fn is_of(rule: &Rule, tenant: TenantIndex) -> bool {
        rule.matcher.tenant == Some(tenant)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::admin::wire::WhenBody;

    fn faults(when: WhenBody) -> Faults {
        let faults = Faults::new(Seed(1));
        let body = RuleBody {
            matching: MatchBody::default(),
            when,
            fault: FaultBody::of(FaultKind::Hang),
        };
        faults.add(body, Matcher::default()).unwrap();
        faults
    }

    fn met(faults: &Faults, requests: u64) -> Vec<u64> {
        let uri = Uri::from_static("/x");
        (1..=requests)
            .filter(|_| faults.meet(&Method::GET, &uri, None).is_some())
            .collect()
    }

    #[test]
    fn a_rule_fires_on_the_requests_that_it_names() {
        let nth = faults(WhenBody {
            nth: Some(3),
            ..WhenBody::default()
        });
        assert_eq!(met(&nth, 6), [3]);
        let some = faults(WhenBody {
            skip: 2,
            count: Some(2),
            ..WhenBody::default()
        });
        assert_eq!(met(&some, 9), [3, 4]);
        assert_eq!(met(&faults(WhenBody::default()), 3), [1, 2, 3]);
    }

    #[test]
    fn chance_repeats_itself_for_a_seed_and_has_its_rate() {
        let when = WhenBody {
            probability: Some(0.25),
            ..WhenBody::default()
        };
        let first = met(&faults(when.clone()), 4_000);
        assert_eq!(first, met(&faults(when), 4_000));
        // Four standard deviations of a binomial.
        assert!(first.len().abs_diff(1_000) < 110, "{}", first.len());
    }

    #[test]
    fn a_star_stands_for_any_text() {
        let table = [
            ("/a/*/c", "/a/b/c", true),
            ("/a/*/c", "/a//c", true),
            ("/a/*/c", "/a/b/c/d", false),
            ("/a/*", "/a/b/c", true),
            ("*", "", true),
            ("/a", "/a", true),
            ("/a", "/ab", false),
            ("*b*", "abc", true),
            ("*b*b", "ab", false),
            ("a*a", "a", false),
            ("/*/x/*/y", "/1/x/2/x/3/y", true),
        ];
        for (pattern, text, expected) in table {
            assert_eq!(
                Pattern(pattern.into()).matches(text),
                expected,
                "{pattern} {text}"
            );
        }
    }
}
