//! An S3 of somebody else's in place of our own: here that of a second mock.

use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex};

use mock_api::storage::{ExternalBucket, ListQuery, Write};
use mock_api::targets::Targets;
use racegate_model::ids::RecordingIndex;
use serde_json::Value;
use wiremock::matchers::{method, path_regex};
use wiremock::{Mock, MockServer, Request, Respond, ResponseTemplate};

use crate::product::Product;
use crate::support::{Answer, Http};

fn bucket_of(mock: &Product) -> ExternalBucket {
    let at = mock.mock.addresses();
    let client = &at.clients[0];
    let keys = (client.client_id.clone(), client.client_secret.clone());
    let url = format!("{}/{}", at.s3, client.bucket);
    ExternalBucket::at(&url, keys, &Targets::loopback()).expect("a bucket of this machine")
}

/// GET of an address that needs no keys.
async fn fetch(url: &str) -> Answer {
    let rest = url.strip_prefix("http://").expect("an http address");
    let (host, path) = rest.split_once('/').expect("a path");
    let http = Http {
        address: host.parse().expect("an address"),
        token: None,
    };
    let head = format!("host: {host}\r\n");
    http.send_to_host("GET", &format!("/{path}"), &head, "")
        .await
}

#[tokio::test]
async fn everything_is_in_the_other_bucket_and_nothing_is_here() {
    let other = Product::start(&[]).await;
    let bucket = bucket_of(&other);
    let mock = Product::start_elsewhere(bucket.clone()).await;
    let at = mock.mock.addresses();
    assert_eq!(
        (at.s3.as_str(), at.clients[1].bucket.as_str()),
        (bucket.endpoint(), bucket.bucket())
    );
    let api = mock.client(0).await;
    let added = mock.add(r#"{"visible": {}}"#).await;
    let exported = mock.export(&api, &added).await;
    assert_eq!(exported["state"], "FULFILLED", "{exported}");
    let store = mock.mock.server().service().store();
    store.settled().await;
    let there = other.mock.server().service().store();
    let all = there
        .list(bucket.bucket(), &ListQuery::of_prefix(""))
        .expect("a page");
    let mut names: Vec<String> = all
        .objects
        .iter()
        .map(|found| found.0.to_string())
        .collect();
    names.sort();
    let raw = names.iter().filter(|name| name.starts_with("recordings/"));
    assert!(raw.count() > 0, "{names:?}");
    names.retain(|name| !name.starts_with("recordings/"));
    let organization = mock.organization(0);
    let audio = names
        .iter()
        .find(|name| name.ends_with(".opus"))
        .expect("audio");
    assert!(audio.starts_with(&organization), "{names:?}");
    assert!(
        names.contains(&format!("{audio}_metadata.json")),
        "{names:?}"
    );
    assert!(
        names.iter().any(|name| name.contains("manifest")),
        "{names:?}"
    );
    assert_eq!(names.len(), 3, "{names:?}");
    let here = store
        .list(&organization, &ListQuery::of_prefix(""))
        .expect("a page");
    assert!(here.objects.is_empty());
    assert_eq!(store.usage().bytes, 0, "no audio stays here");
}

#[tokio::test]
async fn audio_has_an_address_there_that_needs_no_keys_and_cannot_be_bent() {
    let other = Product::start(&[]).await;
    let mock = Product::start_elsewhere(bucket_of(&other)).await;
    let api = mock.client(0).await;
    let added = mock.add(r#"{"visible": {}}"#).await;
    mock.mock.server().service().store().settled().await;
    let path = added.metadata().replace("recordingmetadata", "recordings");
    let uri = |shown: &Value| {
        shown["mediaUris"]["0"]["mediaUri"]
            .as_str()
            .map(str::to_owned)
    };
    let url = uri(&api.get(&path).await.json()).expect("an address");
    assert!(url.starts_with(&other.mock.addresses().s3), "{url}");
    let audio = fetch(&url).await;
    assert_eq!(
        (audio.status, audio.header("content-type")),
        (200, Some("audio/ogg; codecs=opus"))
    );
    assert!(audio.text.starts_with("OggS"));
    let bent = fetch(&url.replace("X-Amz-Expires=3600", "X-Amz-Expires=3601")).await;
    assert_eq!(bent.status, 403, "{url}");
    let named = api
        .get(&format!("{path}?download=true&fileName=call%201.ogg"))
        .await;
    let saved = fetch(&uri(&named.json()).expect("an address")).await;
    assert_eq!(
        (saved.status, saved.header("content-disposition")),
        (200, Some("attachment; filename=\"call 1.ogg\""))
    );
}

#[tokio::test]
async fn a_long_recording_is_there_under_its_number_alone_and_one_that_is_given_up_is_not() {
    let other = Product::start(&[]).await;
    let bucket = bucket_of(&other);
    let mock = Product::start_elsewhere(bucket.clone()).await;
    let store = mock.mock.server().service().store();
    let part = bytes::Bytes::from(vec![7; 1 << 20]);
    let mut uploads = [store.begin_media(), store.begin_media()];
    for _ in 0..12 {
        for upload in &mut uploads {
            upload.append(&part).expect("there is room");
        }
    }
    let [kept, given_up] = uploads;
    drop(given_up);
    let recording = RecordingIndex(1_000_000);
    store.complete_media(recording, kept).expect("it is taken");
    let write = Write::new(&Arc::default(), Some(recording));
    assert_eq!(
        store.export_media(recording, bucket.bucket(), "long.opus", write),
        Ok(true)
    );
    store.settled().await;
    assert_eq!(store.usage().bytes, 0);
    let there = other.mock.server().service().store();
    let found = |prefix: &str| {
        let query = ListQuery::of_prefix(prefix);
        let page = there.list(bucket.bucket(), &query).expect("a page");
        let objects = page.objects.into_iter();
        objects
            .map(|(key, object)| (key.to_string(), object.size()))
            .collect::<Vec<_>>()
    };
    assert!(found("recordings/growing/").is_empty());
    let length = 12 << 20;
    let own = "recordings/1000000.ogg".to_owned();
    assert_eq!(found("recordings/1000000"), [(own, length)]);
    let exported = there.get(bucket.bucket(), "long.opus").expect("the export");
    assert_eq!(exported.size(), length);
    assert!(exported.body().iter().all(|byte| *byte == 7));
    let read = store.read_media(recording).await.expect("it can be read");
    assert_eq!(read.remaining(), length);
    let read = read.joined().await.expect("it goes on");
    assert!(read.len() as u64 == length && read.iter().all(|byte| *byte == 7));
}

/// An S3 that takes everything but what `refusing` answers.
async fn hostile(pattern: &str, refusing: impl Respond + 'static) -> (MockServer, ExternalBucket) {
    let server = MockServer::start().await;
    let copied = "<CopyObjectResult><ETag>\"1\"</ETag></CopyObjectResult>";
    Mock::given(method("PUT"))
        .and(path_regex(pattern))
        .respond_with(refusing)
        .with_priority(1)
        .mount(&server)
        .await;
    Mock::given(method("PUT"))
        .respond_with(
            ResponseTemplate::new(200)
                .insert_header("etag", "\"1\"")
                .set_body_string(copied),
        )
        .with_priority(9)
        .mount(&server)
        .await;
    let keys = ("theirs".to_owned(), "secret".to_owned());
    let url = format!("{}/bucket", server.uri());
    let bucket = ExternalBucket::at(&url, keys, &Targets::loopback());
    (server, bucket.expect("a bucket of this machine"))
}

/// The manifest that was put there.
async fn manifest(server: &MockServer) -> Value {
    let requests = server.received_requests().await.expect("they are recorded");
    let last = requests
        .iter()
        .rfind(|request| request.url.path().ends_with("manifest.json"))
        .expect("a manifest");
    serde_json::from_slice(&last.body).expect("JSON")
}

#[tokio::test]
async fn a_recording_that_the_other_bucket_refuses_is_a_failed_one_of_its_job() {
    for pattern in ["_metadata.json$", "[.]opus$"] {
        let (server, bucket) = hostile(pattern, ResponseTemplate::new(403)).await;
        let mock = Product::start_elsewhere(bucket).await;
        let api = mock.client(0).await;
        let added = mock.add(r#"{"visible": {}}"#).await;
        let job = mock.export(&api, &added).await;
        assert_eq!(
            (&job["state"], &job["totalFailedRecordings"]),
            (&"FULFILLED".into(), &1.into()),
            "{pattern}: {job}"
        );
        assert_eq!(job["totalProcessedRecordings"], 0, "{pattern}: {job}");
        let failed = job["failedRecordings"].as_str().expect("a path");
        let failed = api.get(failed).await.json();
        assert_eq!(
            failed["entities"][0]["recording"]["id"], added.recording,
            "{failed}"
        );
        let manifest = manifest(&server).await;
        assert_eq!(manifest["recordings"], serde_json::json!([]), "{pattern}");
        assert_eq!(
            manifest["failedRecordings"][0]["recordingId"],
            added.recording
        );
    }
}

/// Answers once it is told to.
struct Held(Mutex<Receiver<()>>);

impl Respond for Held {
    fn respond(&self, _: &Request) -> ResponseTemplate {
        let released = self.0.lock().expect("nobody panics").recv();
        ResponseTemplate::new(if released.is_ok() { 200 } else { 500 })
            .insert_header("etag", "\"1\"")
    }
}

#[tokio::test]
async fn a_job_is_not_done_before_the_other_bucket_has_everything() {
    let (release, held) = channel();
    let (_server, bucket) = hostile("_metadata.json$", Held(Mutex::new(held))).await;
    let mock = Product::start_elsewhere(bucket).await;
    let api = mock.client(0).await;
    let added = mock.add(r#"{"visible": {}}"#).await;
    let job = mock.begin_export(&api, &added).await;
    for _ in 0..3 {
        let shown = api.get(&job).await.json();
        assert_eq!(shown["state"], "PROCESSING", "{shown}");
        assert_eq!(shown["percentProgress"], 0, "{shown}");
    }
    release.send(()).expect("it is waited for");
    let done = mock.done(&api, &job).await;
    assert_eq!(
        (&done["state"], &done["totalProcessedRecordings"]),
        (&"FULFILLED".into(), &1.into()),
        "{done}"
    );
}

#[tokio::test]
async fn what_the_other_bucket_refuses_is_in_the_journal_with_its_words() {
    let words = "<Error><Code>AccessDenied</Code><Message>Not your bucket &amp; key.</Message>\
                 <StringToSign>s3cr3t</StringToSign></Error>";
    let refusing = ResponseTemplate::new(403).set_body_string(words);
    let (_server, bucket) = hostile("_metadata.json$", refusing).await;
    let mock = Product::start_elsewhere(bucket).await;
    let api = mock.client(1).await;
    let added = mock.add(r#"{"visible": {}}"#).await;
    mock.export(&api, &added).await;
    let client = &mock.mock.addresses().clients[1].client_id;
    let path = format!("/requests?client={client}&status=403");
    let journal = mock.admin("GET", &path, "").await;
    assert_eq!(journal["count"], 1, "{journal}");
    let refused = &journal["requests"][0];
    let key = refused["storage"]["key"].as_str().expect("a key");
    assert!(key.starts_with(&mock.organization(1)) && key.ends_with("_metadata.json"));
    assert_eq!(refused["method"], "PUT");
    assert_eq!(refused["target"], format!("/bucket/{key}"));
    assert_eq!(
        refused["storage"]["words"],
        "AccessDenied: Not your bucket & key."
    );
    assert_eq!(refused["recordings"][0]["recordingId"], added.recording);
    assert!(!journal.to_string().contains("s3cr3t"), "{journal}");
    mock.admin("DELETE", &format!("/requests?client={client}"), "")
        .await;
    assert_eq!(mock.admin("GET", &path, "").await["count"], 0);
}

#[tokio::test]
async fn audio_that_the_other_bucket_refuses_is_nobodys_in_the_journal() {
    let (_server, bucket) = hostile("/recordings/", ResponseTemplate::new(507)).await;
    let mock = Product::start_elsewhere(bucket).await;
    let added = mock.add(r#"{"visible": {}}"#).await;
    mock.mock.server().service().store().settled().await;
    let journal = mock.admin("GET", "/requests?status=507", "").await;
    let refused = &journal["requests"][0];
    assert_eq!(refused["client"], Value::Null, "{journal}");
    assert_eq!(refused["storage"]["words"], "Insufficient Storage");
    assert_eq!(refused["recordings"][0]["recordingId"], added.recording);
}

/// Until a job is over, whatever else is under way.
async fn over(api: &Http, job: &str) -> Value {
    loop {
        let shown = api.get(job).await.json();
        if shown["state"] != "PROCESSING" {
            return shown;
        }
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn one_clients_slow_bucket_keeps_no_other_client_waiting_and_its_jobs_hold_their_slots() {
    let never = ResponseTemplate::new(200).set_delay(std::time::Duration::from_secs(3_600));
    let (server, bucket) = hostile("^/none/", ResponseTemplate::new(500)).await;
    let mock = Product::start_elsewhere(bucket).await;
    let slow = format!("^/bucket/{}/", mock.organization(0));
    Mock::given(method("PUT"))
        .and(path_regex(slow))
        .respond_with(never)
        .with_priority(1)
        .mount(&server)
        .await;
    let (first, second) = (mock.client(0).await, mock.client(1).await);
    let mut added = Vec::new();
    for _ in 0..8 {
        added.push(mock.add(r#"{"visible": {}}"#).await);
    }
    let stuck = [
        mock.begin_export(&first, &added[0]).await,
        mock.begin_export(&first, &added[1]).await,
    ];
    for added in &added {
        let job = mock.begin_export(&second, added).await;
        let done = over(&second, &job).await;
        assert_eq!(done["state"], "FULFILLED", "{done}");
        assert_eq!(done["totalProcessedRecordings"], 1, "{done}");
    }
    for job in &stuck {
        assert_eq!(first.get(job).await.json()["state"], "PROCESSING");
    }
    let query = crate::support::export_of(std::slice::from_ref(&added[2].conversation));
    let third = first.json("POST", "/api/v2/recording/jobs", &query).await;
    assert_eq!(third.status, 429, "both slots are held: {}", third.text);
}
