//! An S3 of somebody else's in place of our own: here that of a second mock.

use mock_api::storage::{AccessKey, ExternalBucket, ListQuery};
use racegate_model::ids::RecordingIndex;
use serde_json::Value;

use crate::product::Product;
use crate::support::{Answer, Http};

fn bucket_of(mock: &Product) -> ExternalBucket {
    let at = mock.mock.addresses();
    ExternalBucket {
        endpoint: at.s3,
        key: AccessKey {
            id: at.clients[0].client_id.clone(),
            secret: at.clients[0].client_secret.clone(),
            bucket: at.clients[0].bucket.clone(),
        },
    }
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
        (&at.s3, &at.clients[1].bucket),
        (&bucket.endpoint, &bucket.key.bucket)
    );
    let api = mock.client(0).await;
    let added = mock.add(r#"{"visible": {}}"#).await;
    let exported = mock.export(&api, &added).await;
    assert_eq!(exported["state"], "FULFILLED", "{exported}");
    let store = mock.mock.server().service().store();
    store.settled().await;
    let there = other.mock.server().service().store();
    let all = there
        .list(&bucket.key.bucket, &ListQuery::of_prefix(""))
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
    assert_eq!(
        store.export_media(recording, &bucket.key.bucket, "long.opus"),
        Ok(true)
    );
    store.settled().await;
    assert_eq!(store.usage().bytes, 0);
    let there = other.mock.server().service().store();
    let found = |prefix: &str| {
        let query = ListQuery::of_prefix(prefix);
        let page = there.list(&bucket.key.bucket, &query).expect("a page");
        let objects = page.objects.into_iter();
        objects
            .map(|(key, object)| (key.to_string(), object.size()))
            .collect::<Vec<_>>()
    };
    assert!(found("recordings/growing/").is_empty());
    let length = 12 << 20;
    let own = "recordings/1000000.ogg".to_owned();
    assert_eq!(found("recordings/1000000"), [(own, length)]);
    let exported = there
        .get(&bucket.key.bucket, "long.opus")
        .expect("the export");
    assert_eq!(exported.size(), length);
    assert!(exported.body().iter().all(|byte| *byte == 7));
    let read = store.read_media(recording).await.expect("it can be read");
    assert_eq!(read.len() as u64, length);
}
