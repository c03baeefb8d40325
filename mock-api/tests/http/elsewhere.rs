//! An S3 of somebody else's in place of our own: here that of a second mock.

use mock_api::storage::{AccessKey, ExternalBucket, ListQuery};
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
