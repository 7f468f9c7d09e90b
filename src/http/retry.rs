//! Which failures are worth another try, and after how long.

use std::time::{Duration, SystemTime};

use super::failure::was_connecting;
use crate::job::Job;
use crate::{Error, Result};

const FIRST_DELAY: Duration = Duration::from_millis(100);
const LONGEST_DELAY: Duration = Duration::from_secs(5);
/// A server that asks for a longer pause than this gets no further request.
const LONGEST_RETRY_AFTER: Duration = Duration::from_secs(60);

/// How often to try again, for requests that may be sent twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RetryPolicy {
    /// Tries after the first.
    pub retries: u32,
    /// Whether failures inside of the server may pass: some services answer so for good.
    pub server_errors: bool,
}

impl RetryPolicy {
    /// The pause before try number `tried` + 1, or `None` if `error` is final.
    pub fn delay(&self, error: &Error, tried: u32) -> Option<Duration> {
        if tried > self.retries || !self.is_transient(error) {
            return None;
        }
        let backoff = Self::backoff(tried);
        match retry_after(error) {
            Some(asked) if asked > LONGEST_RETRY_AFTER => None,
            Some(asked) => Some(asked.max(backoff)),
            None => Some(backoff),
        }
    }

    /// The pause before try number `tried` + 1, if nobody asks for another.
    pub fn backoff(tried: u32) -> Duration {
        let backoff = FIRST_DELAY.saturating_mul(1 << (tried - 1).min(16)).min(LONGEST_DELAY);
        // Jitter: many clients that failed together must not come back together.
        backoff.mul_f64(rand::random_range(0.5..1.0))
    }

    fn is_transient(self, error: &Error) -> bool {
        match error {
            // Failures that are not the transport's own, such as being offline, would only come again.
            Error::Transport { source, .. } => was_connecting(&**source).is_some(),
            Error::Timeout { .. } => true,
            Error::Status { status: 500, .. } => self.server_errors,
            Error::Status { status, .. } => matches!(status, 408 | 425 | 429 | 502 | 503 | 504),
            Error::Item { source, .. } => self.is_transient(source),
            Error::Io { .. }
            | Error::Digest { .. }
            | Error::UnsafePath { .. }
            | Error::Invalid { .. }
            | Error::Json { .. }
            | Error::Refused(_)
            | Error::Registry(_)
            | Error::Cancelled => false,
        }
    }

    /// Runs `attempt` until it succeeds, fails for good, or the tries are used up.
    pub async fn run<T, F: Future<Output = Result<T>>>(
        &self,
        job: &Job,
        attempt: impl FnMut() -> F,
    ) -> Result<T> {
        self.run_while(|_| true, job, attempt).await
    }

    /// [`RetryPolicy::run`] as long as `again` holds for the failures.
    pub async fn run_while<T, F: Future<Output = Result<T>>>(
        &self,
        again: impl Fn(&Error) -> bool,
        job: &Job,
        mut attempt: impl FnMut() -> F,
    ) -> Result<T> {
        let mut tried = 0;
        loop {
            let error = match job.race(attempt()).await {
                Ok(value) => return Ok(value),
                Err(error) => error,
            };
            tried += 1;
            let delay = self.delay(&error, tried).filter(|_| again(&error));
            let Some(delay) = delay else { return Err(error) };
            pause(delay, job).await?;
        }
    }
}

/// Waits unless the job is cancelled.
pub(crate) async fn pause(delay: Duration, job: &Job) -> Result<()> {
    job.race(async {
        tokio::time::sleep(delay).await;
        Ok(())
    })
    .await
}

fn retry_after(error: &Error) -> Option<Duration> {
    let Error::Status { headers, .. } = error else { return None };
    let (_, value) = headers.iter().find(|(name, _)| name.eq_ignore_ascii_case("retry-after"))?;
    if let Ok(seconds) = value.trim().parse() {
        return Some(Duration::from_secs(seconds));
    }
    let date = httpdate::parse_http_date(value).ok()?;
    Some(date.duration_since(SystemTime::now()).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(status: u16, headers: &[(&str, &str)]) -> Error {
        Error::Status {
            method: "GET".into(),
            url: "http://host/".into(),
            status,
            reason: String::new(),
            headers: headers.iter().map(|(n, v)| ((*n).into(), (*v).into())).collect(),
            body: String::new(),
        }
    }

    #[test]
    fn delays_grow_and_end() {
        let policy = RetryPolicy { retries: 3, server_errors: false };
        let error = status(503, &[]);
        for (tried, most) in [(1, 100), (2, 200), (3, 400)] {
            let delay = policy.delay(&error, tried).unwrap();
            assert!(delay >= Duration::from_millis(most / 2), "{delay:?}");
            assert!(delay <= Duration::from_millis(most), "{delay:?}");
        }
        assert_eq!(policy.delay(&error, 4), None);
    }

    #[test]
    fn only_transient_failures_are_tried_again() {
        let policy = RetryPolicy { retries: 1, server_errors: false };
        for (code, again) in [(400, false), (404, false), (500, false), (429, true), (502, true)] {
            assert_eq!(policy.delay(&status(code, &[]), 1).is_some(), again, "{code}");
        }
        assert_eq!(policy.delay(&Error::Cancelled, 1), None);
    }

    #[test]
    fn the_server_may_ask_for_a_longer_pause() {
        let policy = RetryPolicy { retries: 1, server_errors: false };
        let asked = status(429, &[("Retry-After", "3")]);
        assert_eq!(policy.delay(&asked, 1), Some(Duration::from_secs(3)));
        let too_long = status(503, &[("retry-after", "3600")]);
        assert_eq!(policy.delay(&too_long, 1), None);
        let past = status(503, &[("retry-after", "Wed, 21 Oct 2015 07:28:00 GMT")]);
        assert!(policy.delay(&past, 1).unwrap() < Duration::from_secs(1));
    }
}
