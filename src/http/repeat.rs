//! Requests that are sent until they succeed.

use reqwest::Url;

use super::client::Http;
use super::record::counted;
use super::retry::Tries;
use crate::job::Job;
use crate::{Error, Result};

impl Http {
    /// The tries of a request to `url`.
    pub(crate) fn tries<'a>(&self, url: &Url, job: &'a Job) -> Tries<'a> {
        Tries::new(self.retry, self.idle_limit, url, &self.call, job).preparing(self.is_preparing)
    }

    /// Sends a request to `url` until `attempt` succeeds, fails for good, the tries are used up, or
    /// `again` does not hold for a failure.
    pub(crate) async fn repeat<T, F: Future<Output = Result<T>>>(
        &self,
        url: &Url,
        again: impl Fn(&Error) -> bool,
        job: &Job,
        mut attempt: impl FnMut() -> F,
    ) -> Result<T> {
        let mut tries = self.tries(url, job);
        loop {
            let begin = async {
                tries.begin().await;
                Ok(())
            };
            job.race(begin).await?;
            match job.race(counted(tries.number(), attempt())).await {
                Err(error) if again(&error) => tries.failed(error).await?,
                other => return other.inspect(|_| tries.answered()),
            }
        }
    }
}
