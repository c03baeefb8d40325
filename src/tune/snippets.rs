//! The recommended schedule as code of other languages.

use racegate_model::schedule::FamilyFit;

/// Code that implements a schedule.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Snippet {
    /// The language and the library.
    pub title: &'static str,
    /// The name of its file.
    pub file: &'static str,
    /// The code.
    pub code: String,
}

/// The schedule in every language.
#[must_use]
pub fn snippets(fit: &FamilyFit) -> Vec<Snippet> {
    let snippet = |title, file, template: &str| Snippet {
        title,
        file,
        code: filled(template, fit),
    };
    vec![
        snippet("Python", "gate.py", PYTHON),
        snippet("Python, tenacity", "gate_tenacity.py", TENACITY),
        snippet("JavaScript", "gate.mjs", JAVASCRIPT),
        snippet("Java, Resilience4j", "Gate.java", JAVA),
        snippet("Go", "gate.go", GO),
        snippet("Rust, backon", "gate.rs", RUST),
    ]
}

/// Puts the parameters into a template, in seconds and in milliseconds.
fn filled(template: &str, fit: &FamilyFit) -> String {
    let family = fit.family;
    let millis = |seconds: f64| format!("{:.0}", seconds * 1e3);
    template
        .replace("@FIRST_MS", &millis(family.first))
        .replace("@GAP_MS", &millis(family.gap))
        .replace("@CAP_MS", &millis(family.cap))
        .replace("@FIRST", &format!("{:.3}", family.first))
        .replace("@GAP", &format!("{:.3}", family.gap))
        .replace("@MULTIPLIER", &format!("{:.4}", family.multiplier))
        .replace("@CAP", &format!("{:.3}", family.cap))
        .replace("@ATTEMPTS", &fit.attempts.to_string())
        .replace("@RETRIES", &fit.attempts.saturating_sub(1).to_string())
}

const PYTHON: &str = r#"import time

FIRST, GAP, MULTIPLIER, CAP, ATTEMPTS = @FIRST, @GAP, @MULTIPLIER, @CAP, @ATTEMPTS


def wait_until_ready(is_ready, sleep=time.sleep):
    """True as soon as is_ready() is; False after the last check. Call it at the session's end."""
    sleep(FIRST)
    gap = GAP
    for attempt in range(ATTEMPTS):
        if is_ready():
            return True
        if attempt + 1 < ATTEMPTS:
            sleep(min(gap, CAP))
            gap = min(gap * MULTIPLIER, CAP)
    return False


# With the Genesys SDK, where `api` is a PureCloudPlatformClientV2.RecordingApi():
#
# def is_ready():
#     recording = api.get_conversation_recording(conversation_id, recording_id)
#     return recording is not None and recording.media_uris is not None
"#;

const TENACITY: &str = r#"import time

from tenacity import Retrying, retry_if_result, stop_after_attempt

FIRST, GAP, MULTIPLIER, CAP, ATTEMPTS = @FIRST, @GAP, @MULTIPLIER, @CAP, @ATTEMPTS


def wait(state):
    # wait_exponential cannot start at GAP with a multiplier of its own, so the gap is written out.
    return min(GAP * MULTIPLIER ** (state.attempt_number - 1), CAP)


def wait_until_ready(is_ready, sleep=time.sleep):
    """True as soon as is_ready() is; False after the last check. Call it at the session's end."""
    sleep(FIRST)
    retrying = Retrying(
        wait=wait,
        stop=stop_after_attempt(ATTEMPTS),
        retry=retry_if_result(lambda ready: not ready),
        retry_error_callback=lambda state: False,
        sleep=sleep,
    )
    return retrying(is_ready)
"#;

const JAVASCRIPT: &str = r#"const FIRST = @FIRST, GAP = @GAP, MULTIPLIER = @MULTIPLIER, CAP = @CAP, ATTEMPTS = @ATTEMPTS;

const pause = (seconds) => new Promise((resolve) => setTimeout(resolve, seconds * 1000));

/** True as soon as isReady() is; false after the last check. Call it at the session's end. */
export async function waitUntilReady(isReady, sleep = pause) {
  await sleep(FIRST);
  let gap = GAP;
  for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
    if (await isReady()) return true;
    if (attempt + 1 < ATTEMPTS) {
      await sleep(Math.min(gap, CAP));
      gap = Math.min(gap * MULTIPLIER, CAP);
    }
  }
  return false;
}
"#;

const JAVA: &str = r#"import io.github.resilience4j.core.IntervalFunction;
import io.github.resilience4j.retry.Retry;
import io.github.resilience4j.retry.RetryConfig;
import java.time.Duration;
import java.util.function.Supplier;

final class Gate {
    private static final Retry RETRY = Retry.of("recording", RetryConfig.<Boolean>custom()
        .maxAttempts(@ATTEMPTS)
        .intervalFunction(IntervalFunction.ofExponentialBackoff(
            Duration.ofMillis(@GAP_MS), @MULTIPLIER, Duration.ofMillis(@CAP_MS)))
        .retryOnResult(ready -> !ready)
        .build());

    /** True as soon as isReady is; false after the last check. Call it at the session's end. */
    static boolean waitUntilReady(Supplier<Boolean> isReady) throws InterruptedException {
        Thread.sleep(@FIRST_MS);
        return Retry.decorateSupplier(RETRY, isReady).get();
    }
}
"#;

const GO: &str = r#"package gate

import "time"

const (
	first      = @FIRST_MS * time.Millisecond
	gap        = @GAP_MS * time.Millisecond
	multiplier = @MULTIPLIER
	longest    = @CAP_MS * time.Millisecond
	attempts   = @ATTEMPTS
)

// WaitUntilReady is true as soon as isReady is, false after the last check. Call it at the
// session's end; sleep is time.Sleep.
func WaitUntilReady(isReady func() bool, sleep func(time.Duration)) bool {
	sleep(first)
	wait := gap
	for attempt := 0; attempt < attempts; attempt++ {
		if isReady() {
			return true
		}
		if attempt+1 < attempts {
			sleep(min(wait, longest))
			wait = min(time.Duration(float64(wait)*multiplier), longest)
		}
	}
	return false
}
"#;

const RUST: &str = r#"use std::time::Duration;

use backon::{ExponentialBuilder, Retryable};

/// Fails after the last check. Call it at the session's end; `check` fails while it is not ready.
async fn wait_until_ready<T, E, F>(check: impl FnMut() -> F) -> Result<T, E>
where
    F: Future<Output = Result<T, E>>,
{
    tokio::time::sleep(Duration::from_millis(@FIRST_MS)).await;
    let backoff = ExponentialBuilder::default()
        .with_min_delay(Duration::from_millis(@GAP_MS))
        .with_factor(@MULTIPLIER)
        .with_max_delay(Duration::from_millis(@CAP_MS))
        .with_max_times(@RETRIES);
    check.retry(backoff).await
}
"#;
