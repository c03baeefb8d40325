//! How long an address that was signed beforehand may be good for, which the S3 library leaves open:
//! a second at least and a week at most, as S3 has it.

use std::borrow::Cow;

use hyper::StatusCode;
use s3s::{S3Error, S3ErrorCode};

/// A week.
const EXPIRES_MAX: u64 = 604_800;

/// What is wrong with the life that a query says, if it says one.
pub(super) fn fault(query: &str) -> Option<S3Error> {
    let code = S3ErrorCode::Custom("AuthorizationQueryParametersError".into());
    let mut error = S3Error::with_message(code, reason(query)?);
    error.set_status_code(StatusCode::BAD_REQUEST);
    Some(error)
}

fn reason(query: &str) -> Option<&'static str> {
    let said: Vec<(Cow<'_, str>, Cow<'_, str>)> = serde_urlencoded::from_str(query).ok()?;
    let (_, life) = said.iter().find(|(name, _)| name == "X-Amz-Expires")?;
    match life.parse::<i128>() {
        Err(_) => Some("X-Amz-Expires should be a number"),
        Ok(..0) => Some("X-Amz-Expires must be non-negative"),
        Ok(0) => Some("X-Amz-Expires must be at least 1 second"),
        Ok(seconds) if seconds > i128::from(EXPIRES_MAX) => Some(
            "X-Amz-Expires must be less than a week (in seconds); that is, the given \
             X-Amz-Expires must be less than 604800 seconds",
        ),
        Ok(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_good_for_a_second_to_a_week() {
        for good in [
            "",
            "x=1",
            "X-Amz-Expires=1",
            "X-Amz-Expires=604800",
            "x-amz-expires=0",
        ] {
            assert_eq!(reason(good), None, "{good}");
        }
        for (bad, about) in [
            ("604801", "less than a week"),
            ("99999999999999999999", "less than a week"),
            ("0", "at least 1"),
            ("-1", "non-negative"),
            ("soon", "a number"),
            ("", "a number"),
            ("1.5", "a number"),
        ] {
            let said = reason(&format!("a=%20&X-Amz-Expires={bad}&b")).unwrap();
            assert!(said.contains(about), "{bad}: {said}");
        }
    }
}
