//! What the exporter asked of the API, from the mock's journal.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use http_body_util::{BodyExt as _, Empty};
use hyper::body::Bytes;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use parking_lot::Mutex;
use racegate_model::ids::RecordingId;
use racegate_model::time::{Duration as Span, Timestamp};
use serde::Deserialize;
use tokio::task::JoinHandle;

/// How often the journal is read: long before it forgets.
const EVERY: Duration = Duration::from_millis(500);
/// Requests of one page, at most what the journal shows.
const PAGE: usize = 10_000;
/// The path of export jobs; what lies behind it are calls for a job, not for a recording.
const JOBS: &str = "/api/v2/recording/jobs";

/// Calls made for one recording.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) struct Calls {
    /// Reads of it, refused ones included.
    pub(super) made: u32,
    /// Reads answered with 429.
    pub(super) throttled: u32,
    /// Reads that found something still missing.
    pub(super) wasted: u32,
    /// When the last one was answered.
    pub(super) last_at: Timestamp,
}

/// All that was asked.
#[derive(Clone, Debug, Default)]
pub(super) struct Asked {
    /// By recording.
    pub(super) recordings: BTreeMap<RecordingId, Calls>,
    /// Calls for export jobs.
    pub(super) job_calls: u64,
    /// Export jobs made, a POST each.
    pub(super) jobs_made: u64,
    /// Requests in all.
    pub(super) requests: u64,
    /// Answered with 429.
    pub(super) throttled: u64,
    /// Answered with another refusal of the client's own making: 4xx but 404 and 429.
    pub(super) refused: u64,
    /// Requests that the journal forgot before they were read.
    pub(super) forgotten: u64,
    /// The number of the last one read.
    last: Option<u64>,
}

/// Reads the journal in the background.
pub(super) struct Watch {
    asked: Arc<Mutex<Asked>>,
    reader: Arc<Reader>,
    task: JoinHandle<()>,
}

struct Reader {
    client: Client<HttpConnector, Empty<Bytes>>,
    url: String,
    client_id: String,
}

#[derive(Deserialize)]
struct Page {
    requests: Vec<Request>,
    count: usize,
    forgotten: u64,
}

#[derive(Deserialize)]
struct Request {
    sequence: u64,
    at: String,
    method: String,
    target: String,
    status: Option<u16>,
    recordings: Vec<Visible>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Visible {
    recording_id: String,
    complete: bool,
}

impl Watch {
    /// Begins to read what the client asks of the API at `api`.
    pub(super) fn start(api: &str, client_id: &str) -> Self {
        let reader = Arc::new(Reader {
            client: Client::builder(TokioExecutor::new()).build_http(),
            url: format!("{api}/__admin/requests"),
            client_id: client_id.to_owned(),
        });
        let asked = Arc::<Mutex<Asked>>::default();
        let (to, from) = (Arc::clone(&asked), Arc::clone(&reader));
        let task = tokio::spawn(async move {
            let mut tick = tokio::time::interval(EVERY);
            loop {
                tick.tick().await;
                from.read_into(&to).await;
            }
        });
        Self {
            asked,
            reader,
            task,
        }
    }

    /// All that was asked until now.
    pub(super) async fn finish(self) -> Asked {
        self.task.abort();
        // Two readers at once would count a page twice.
        drop(self.task.await);
        self.reader.read_into(&self.asked).await;
        self.asked.lock().clone()
    }
}

impl Reader {
    async fn read_into(&self, asked: &Mutex<Asked>) {
        let after = asked.lock().last;
        match self.page(after).await {
            Ok(page) => asked.lock().add(&page),
            Err(error) => tracing::warn!(%error, "the journal could not be read"),
        }
    }

    async fn page(
        &self,
        after: Option<u64>,
    ) -> Result<Page, Box<dyn std::error::Error + Send + Sync>> {
        let after = after.map_or(String::new(), |after| format!("&after={after}"));
        let url = format!("{}?client={}&limit={PAGE}{after}", self.url, self.client_id);
        let response = self.client.get(url.parse()?).await?;
        let body = response.into_body().collect().await?.to_bytes();
        Ok(serde_json::from_slice(&body)?)
    }
}

impl Asked {
    fn add(&mut self, page: &Page) {
        self.forgotten += page.count.saturating_sub(page.requests.len()) as u64;
        self.forgotten = self.forgotten.max(page.forgotten);
        for request in &page.requests {
            self.last = self.last.max(Some(request.sequence));
            self.count(request);
        }
    }

    fn count(&mut self, request: &Request) {
        let status = request.status.unwrap_or(0);
        self.requests += 1;
        self.throttled += u64::from(status == 429);
        self.refused += u64::from((400..500).contains(&status) && status != 404 && status != 429);
        if request.target.starts_with(JOBS) {
            self.job_calls += 1;
            self.jobs_made += u64::from(request.method == "POST" && status == 202);
            return;
        }
        let at = racegate_scenario::parse_duration(&request.at).unwrap_or(Span::ZERO);
        for seen in &request.recordings {
            let Some(id) = RecordingId::parse(&seen.recording_id) else {
                continue;
            };
            let calls = self.recordings.entry(id).or_default();
            calls.made += 1;
            calls.throttled += u32::from(status == 429);
            calls.wasted += u32::from(status != 429 && !seen.complete);
            calls.last_at = calls.last_at.max(Timestamp::ZERO + at);
        }
    }
}
