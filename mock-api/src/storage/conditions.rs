//! Conditional requests: `If-Match` and its kin, on reads and on writes.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use s3s::dto::{ETagCondition, Timestamp};
use s3s::{S3Result, s3_error};

use super::object::Object;
use super::store::Condition;

/// What a read asks for.
#[derive(Clone, Copy, Debug)]
pub(super) struct ReadConditions<'a> {
    pub(super) if_match: Option<&'a ETagCondition>,
    pub(super) if_none_match: Option<&'a ETagCondition>,
    pub(super) if_modified_since: Option<&'a Timestamp>,
    pub(super) if_unmodified_since: Option<&'a Timestamp>,
}

impl ReadConditions<'_> {
    /// Whether `object` may be sent; an etag, where one is given, counts more than a date.
    pub(super) fn check(&self, object: &Object) -> S3Result<()> {
        let modified = Timestamp::from(whole_seconds(object.last_modified()));
        let matches = self.if_match.map(|condition| fits(condition, object));
        let untouched = self.if_unmodified_since.map(|since| modified <= *since);
        if matches.or(untouched) == Some(false) {
            return Err(s3_error!(PreconditionFailed));
        }
        let same = self.if_none_match.map(|condition| fits(condition, object));
        let old = self.if_modified_since.map(|since| modified <= *since);
        if same.or(old) == Some(true) {
            return Err(s3_error!(NotModified));
        }
        Ok(())
    }
}

/// The condition of a write; S3 knows no others.
pub(super) fn of_write(
    if_match: Option<ETagCondition>,
    if_none_match: Option<ETagCondition>,
) -> S3Result<Condition> {
    match (if_match, if_none_match) {
        (None, None) => Ok(Condition::Always),
        (None, Some(ETagCondition::Any)) => Ok(Condition::Absent),
        (Some(ETagCondition::Any), None) => Ok(Condition::Exists),
        (Some(ETagCondition::ETag(etag)), None) => Ok(Condition::Matches(etag.into_value())),
        (None, Some(ETagCondition::ETag(_))) | (Some(_), Some(_)) => Err(s3_error!(
            InvalidRequest,
            "A write takes If-Match or If-None-Match: * alone."
        )),
    }
}

fn fits(condition: &ETagCondition, object: &Object) -> bool {
    match condition {
        ETagCondition::Any => true,
        ETagCondition::ETag(etag) => etag.value() == object.etag(),
    }
}

/// An HTTP date has no fractions.
fn whole_seconds(at: SystemTime) -> SystemTime {
    let since = at.duration_since(UNIX_EPOCH).unwrap_or_default();
    UNIX_EPOCH + Duration::from_secs(since.as_secs())
}
