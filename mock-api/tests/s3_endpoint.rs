//! The S3 endpoint as a foreign client sees it: `object_store` with its own signing and parsing.

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use futures_util::TryStreamExt;
use mock_api::storage::client::{ExportReader, ReadError, ReaderLimits};
use mock_api::storage::layout::{self, RunEpoch};
use mock_api::storage::manifest::{JobManifest, ManifestEntry};
use mock_api::storage::sidecar::{Dialect, SidecarDocument, Truth};
use mock_api::storage::{AccessKey, Attributes, EndpointLimits, S3Endpoint, Store};
use object_store::aws::{AmazonS3, AmazonS3Builder};
use object_store::client::HttpRequestBody;
use object_store::path::Path;
use object_store::signer::Signer;
use object_store::{
    Error, GetOptions, GetRange, MultipartUpload, ObjectStore, ObjectStoreExt, PutMode, RetryConfig,
};
use racegate_model::draws::Seed;
use racegate_model::field::{FieldSet, Kind};
use racegate_model::ids::{ConversationId, RecordingId, RecordingIndex, SessionId};
use racegate_model::time::Timestamp;
use racegate_model::timeline::{Hold, RecordingState, View};

mod transport;
use transport::{Hyper, HyperClient};

fn key(tenant: &str) -> AccessKey {
    AccessKey {
        id: format!("key-{tenant}"),
        secret: format!("secret-{tenant}"),
        bucket: format!("org-{tenant}"),
    }
}

async fn endpoint(store: &Store, limits: EndpointLimits) -> S3Endpoint {
    let address = (Ipv4Addr::LOCALHOST, 0).into();
    S3Endpoint::start(address, store.clone(), &[key("a"), key("b")], limits)
        .await
        .expect("a free port can be bound")
}

fn client(endpoint: &S3Endpoint, key: &AccessKey) -> AmazonS3 {
    AmazonS3Builder::new()
        .with_endpoint(endpoint.url())
        .with_bucket_name(&key.bucket)
        .with_region("us-east-1")
        .with_access_key_id(&key.id)
        .with_secret_access_key(&key.secret)
        .with_allow_http(true)
        .with_retry(RetryConfig {
            max_retries: 0,
            ..RetryConfig::default()
        })
        .with_http_connector(Hyper)
        .build()
        .expect("the settings are right")
}

fn path(key: &str) -> Path {
    Path::parse(key).expect("keys of tests are paths")
}

#[tokio::test]
async fn objects_are_put_read_in_ranges_copied_and_deleted() {
    let store = Store::default();
    let endpoint = endpoint(&store, EndpointLimits::default()).await;
    let client = client(&endpoint, &key("a"));
    let at = path("year=2026/month=3/a b+c&d.opus");
    client.put(&at, "0123456789".into()).await.unwrap();

    let head = client.head(&at).await.unwrap();
    assert_eq!(head.size, 10);
    assert_eq!(
        head.e_tag.as_deref(),
        Some("\"781e5e245d69b566979b86e28d23f2c7\"")
    );
    assert_eq!(
        &client.get(&at).await.unwrap().bytes().await.unwrap()[..],
        b"0123456789"
    );
    assert_eq!(&client.get_range(&at, 2..5).await.unwrap()[..], b"234");
    let suffix = GetOptions {
        range: Some(GetRange::Suffix(3)),
        ..GetOptions::default()
    };
    let suffix = client
        .get_opts(&at, suffix)
        .await
        .unwrap()
        .bytes()
        .await
        .unwrap();
    assert_eq!(&suffix[..], b"789");
    let beyond = GetOptions {
        range: Some(GetRange::Offset(10)),
        ..GetOptions::default()
    };
    assert!(client.get_opts(&at, beyond).await.is_err());

    client.copy(&at, &path("copy")).await.unwrap();
    client.delete(&at).await.unwrap();
    assert!(matches!(
        client.head(&at).await,
        Err(Error::NotFound { .. })
    ));
    assert_eq!(client.head(&path("copy")).await.unwrap().size, 10);
    assert_eq!(store.usage().objects, 1);
}

#[tokio::test]
async fn conditions_are_kept() {
    let store = Store::default();
    let endpoint = endpoint(&store, EndpointLimits::default()).await;
    let client = client(&endpoint, &key("a"));
    let created = client
        .put_opts(&path("k"), "1".into(), PutMode::Create.into())
        .await
        .unwrap();
    let again = client
        .put_opts(&path("k"), "2".into(), PutMode::Create.into())
        .await;
    assert!(matches!(again, Err(Error::AlreadyExists { .. })));
    let unless = GetOptions {
        if_none_match: created.e_tag,
        ..GetOptions::default()
    };
    let unchanged = client.get_opts(&path("k"), unless).await;
    assert!(matches!(unchanged, Err(Error::NotModified { .. })));
}

#[tokio::test]
async fn listing_walks_pages_and_rolls_up_folders() {
    let store = Store::default();
    let endpoint = endpoint(&store, EndpointLimits::default()).await;
    for number in 0..2_345 {
        let key = format!("f/{number:04} &<é>/x");
        store
            .put("org-a", &key, "x".into(), Attributes::JSON)
            .unwrap();
    }
    let client = client(&endpoint, &key("a"));
    let all: Vec<_> = client.list(Some(&path("f"))).try_collect().await.unwrap();
    assert_eq!(all.len(), 2_345);
    assert!(
        all.windows(2)
            .all(|pair| pair[0].location < pair[1].location)
    );
    let folders = client.list_with_delimiter(Some(&path("f"))).await.unwrap();
    assert_eq!(
        (folders.objects.len(), folders.common_prefixes.len()),
        (0, 2_345)
    );
    let after: Vec<_> = client
        .list_with_offset(None, &all[2_339].location)
        .try_collect()
        .await
        .unwrap();
    assert_eq!(after.len(), 5);
}

#[tokio::test]
async fn an_upload_in_parts_is_joined_and_charged_once() {
    let store = Store::default();
    let endpoint = endpoint(&store, EndpointLimits::default()).await;
    let client = client(&endpoint, &key("a"));
    let body: Vec<u8> = (0..12_u32 << 20)
        .map(|at| ((at * 31) >> 7).to_le_bytes()[0])
        .collect();
    let mut upload = client.put_multipart(&path("big")).await.unwrap();
    for part in body.chunks(5 << 20) {
        upload.put_part(part.to_vec().into()).await.unwrap();
    }
    let result = upload.complete().await.unwrap();
    assert!(result.e_tag.unwrap().ends_with("-3\""));
    let read = client
        .get(&path("big"))
        .await
        .unwrap()
        .bytes()
        .await
        .unwrap();
    assert!(read == body, "the object is what was uploaded");
    assert_eq!(store.usage().bytes, (12 << 20) + 512);

    let mut upload = client.put_multipart(&path("other")).await.unwrap();
    upload.put_part(vec![0; 1 << 20].into()).await.unwrap();
    assert!(store.usage().bytes > 13 << 20);
    upload.abort().await.unwrap();
    assert_eq!(store.usage().bytes, (12 << 20) + 512);

    let mut upload = client.put_multipart(&path("small")).await.unwrap();
    for _ in 0..2 {
        upload.put_part(vec![0; 1024].into()).await.unwrap();
    }
    assert!(
        upload.complete().await.is_err(),
        "only the last part may be small"
    );
}

#[tokio::test]
async fn a_signed_url_opens_one_object_to_anyone() {
    let store = Store::default();
    let endpoint = endpoint(&store, EndpointLimits::default()).await;
    store
        .put("org-a", "k=1", "signed".into(), Attributes::JSON)
        .unwrap();
    let client = client(&endpoint, &key("a"));
    let minute = Duration::from_secs(60);
    let url = client
        .signed_url(hyper::Method::GET, &path("k=1"), minute)
        .await
        .unwrap();
    let (status, body) = fetch(url.as_str()).await;
    assert_eq!((status, body.as_str()), (200, "signed"));
    let (status, body) = fetch(&url.as_str().replace("k%3D1", "k%3D2").replace("k=1", "k=2")).await;
    assert_eq!(status, 403, "{body}");
    let (status, body) = fetch(&format!("{}/org-a/k%3D1", endpoint.url())).await;
    assert_eq!(status, 403, "{body}");
    assert!(body.contains("<Code>AccessDenied</Code>"), "{body}");
}

#[tokio::test]
async fn a_signed_url_is_good_for_a_second_to_a_week() {
    let store = Store::default();
    let endpoint = endpoint(&store, EndpointLimits::default()).await;
    store
        .put("org-a", "k", "signed".into(), Attributes::JSON)
        .unwrap();
    let client = client(&endpoint, &key("a"));
    let signed = async |seconds: u64| {
        let life = Duration::from_secs(seconds);
        let (get, key) = (hyper::Method::GET, path("k"));
        let url = client.signed_url(get, &key, life).await;
        url.unwrap().to_string()
    };
    let week = signed(604_800).await;
    assert_eq!(fetch(&week).await.0, 200);
    let beyond = signed(604_801).await;
    let none = signed(0).await;
    let said = |life: &str| week.replace("X-Amz-Expires=604800", &format!("X-Amz-Expires={life}"));
    for (url, about) in [
        (beyond, "less than a week"),
        (none, "at least 1 second"),
        (said("-1"), "non-negative"),
        (said("soon"), "should be a number"),
        (said(""), "should be a number"),
    ] {
        let (status, body) = fetch(&url).await;
        assert_eq!(status, 400, "{url}: {body}");
        let code = "<Code>AuthorizationQueryParametersError</Code>";
        assert!(body.contains(code) && body.contains(about), "{body}");
    }
    let (status, body) = fetch(&said("604799")).await;
    assert_eq!(status, 403, "its life is signed: {body}");
}

async fn fetch(url: &str) -> (u16, String) {
    use http_body_util::BodyExt as _;
    let executor = hyper_util::rt::TokioExecutor::new();
    let client: HyperClient = hyper_util::client::legacy::Client::builder(executor).build_http();
    let request = hyper::Request::get(url)
        .body(HttpRequestBody::empty())
        .expect("the endpoint answers");
    let response = client.request(request).await.expect("the endpoint answers");
    let status = response.status().as_u16();
    let body = response
        .into_body()
        .collect()
        .await
        .expect("the endpoint answers")
        .to_bytes();
    (
        status,
        String::from_utf8(body.to_vec()).expect("the endpoint answers"),
    )
}

#[tokio::test]
async fn strangers_and_other_tenants_are_refused() {
    let store = Store::default();
    let endpoint = endpoint(&store, EndpointLimits::default()).await;
    store
        .put("org-b", "k", "b's".into(), Attributes::JSON)
        .unwrap();
    store
        .put("org-a", "k", "a's".into(), Attributes::JSON)
        .unwrap();
    let refused = |error| matches!(error, Error::PermissionDenied { .. });
    for stranger in [
        AccessKey {
            secret: "wrong".to_owned(),
            ..key("b")
        },
        AccessKey {
            id: "nobody".to_owned(),
            ..key("b")
        },
        AccessKey {
            bucket: "org-b".to_owned(),
            ..key("a")
        },
    ] {
        let client = client(&endpoint, &stranger);
        assert!(
            refused(client.get(&path("k")).await.unwrap_err()),
            "{stranger:?}"
        );
        assert!(refused(
            client.put(&path("x"), "x".into()).await.unwrap_err()
        ));
        assert!(refused(client.delete(&path("k")).await.unwrap_err()));
        let listed: Result<Vec<_>, _> = client.list(None).try_collect().await;
        listed.unwrap_err();
    }
    let nowhere = AccessKey {
        bucket: "not-a-bucket".to_owned(),
        ..key("a")
    };
    let nowhere = client(&endpoint, &nowhere).get(&path("k")).await;
    assert!(matches!(nowhere, Err(Error::NotFound { .. })));
    assert_eq!(store.usage().objects, 2);
}

#[tokio::test]
async fn a_full_store_and_a_long_body_are_refused_with_numbers() {
    let store = Store::new(1 << 20);
    let limits = EndpointLimits {
        body: 64 << 10,
        ..EndpointLimits::default()
    };
    let endpoint = endpoint(&store, limits).await;
    let client = client(&endpoint, &key("a"));
    let long = client
        .put(&path("k"), vec![0; 65 << 10].into())
        .await
        .unwrap_err();
    assert!(format!("{long:?}").contains("EntityTooLarge"), "{long:?}");
    let mut put = 0;
    let full = loop {
        match client
            .put(&path(&put.to_string()), vec![0; 60 << 10].into())
            .await
        {
            Ok(_) => put += 1,
            Err(error) => break error,
        }
    };
    assert_eq!(put, 16);
    let told = format!("{full:?}");
    assert!(
        told.contains("QuotaExceeded") && told.contains("of 1048576 bytes"),
        "{told}"
    );
    assert_eq!(store.usage().bytes, 16 * ((60 << 10) + 512));
}

#[tokio::test]
async fn a_shutdown_waits_for_what_is_under_way_and_frees_the_port() {
    let store = Store::default();
    let endpoint = endpoint(&store, EndpointLimits::default()).await;
    let client = client(&endpoint, &key("a"));
    client.put(&path("k"), "x".into()).await.unwrap();
    let address = endpoint.local_addr();
    tokio::time::timeout(Duration::from_secs(4), endpoint.shutdown())
        .await
        .unwrap();
    assert!(client.get(&path("k")).await.is_err());
    let limits = EndpointLimits::default();
    S3Endpoint::start(address, store, &[key("a")], limits)
        .await
        .unwrap();
}

fn truth(index: u64) -> Truth {
    let (seed, index) = (Seed(5), RecordingIndex(index));
    let epoch = RunEpoch::from_unix_millis(1_772_874_000_000);
    Truth {
        conversation: ConversationId::of(seed, index),
        recording: RecordingId::of(seed, index),
        kind: Kind::Webrtc,
        hold: Hold::Held,
        start_time: epoch.wall_time(Timestamp::from_nanos(1_000_000_000)),
        end_time: epoch.wall_time(Timestamp::from_nanos(9_000_000_000)),
        session: SessionId::of(seed, index),
        client_ip: IpAddr::V4(Ipv4Addr::LOCALHOST),
        media_digest: None,
    }
}

/// Recordings with an even index are complete, the others empty.
fn view(index: u64) -> View {
    let even = index.is_multiple_of(2);
    View {
        present: if even {
            FieldSet::METADATA
        } else {
            FieldSet::EMPTY
        },
        null: FieldSet::EMPTY,
        wrong: FieldSet::EMPTY,
        state: RecordingState::Completed,
    }
}

const SNAPSHOT_AT: Timestamp = Timestamp::from_nanos(12_345_678_901);
const LOST: u64 = 7;

/// Writes an export of 40 recordings, but for the sidecar of one.
fn export(store: &Store) -> JobManifest {
    let epoch = RunEpoch::from_unix_millis(1_772_874_000_000);
    let entry = |index| {
        let truth = truth(index);
        let (conversation, recording) = (truth.conversation, truth.recording);
        let media = layout::media_key("org-a", truth.start_time, conversation, recording);
        let sidecar_key = layout::sidecar_key(&media);
        let document = SidecarDocument {
            organization: "org-a",
            dialect: Dialect::Forum,
            truth: &truth,
            view: view(index),
            snapshot_at: SNAPSHOT_AT,
            epoch,
        };
        if index != LOST {
            let put = store.put("org-a", &sidecar_key, document.to_json(), Attributes::JSON);
            put.expect("there is room");
        }
        ManifestEntry {
            conversation,
            recording,
            media_key: None,
            sidecar_key,
        }
    };
    let manifest = JobManifest {
        job: "job".to_owned(),
        organization: "org-a".to_owned(),
        snapshot_at: SNAPSHOT_AT,
        media_read_at: None,
        recordings: (0..40).map(entry).collect(),
        failed: Vec::new(),
    };
    let key = layout::manifest_key("org-a", "job");
    let put = store.put("org-a", &key, manifest.to_json(epoch), Attributes::JSON);
    put.expect("there is room");
    manifest
}

#[tokio::test]
async fn an_export_reads_back_over_the_network() {
    let store = Store::default();
    let endpoint = endpoint(&store, EndpointLimits::default()).await;
    let manifest = export(&store);
    let reader = ExportReader::new(&endpoint.url(), &key("a"), ReaderLimits::default()).unwrap();
    let read = reader.read_manifest("org-a", "job").await.unwrap();
    assert_eq!(read, manifest);
    let known = |recording: RecordingId| Some(truth(recording.index(Seed(5))?.0));
    let sidecars = reader.read_sidecars(&read, known).await;
    assert_eq!(sidecars.len(), 40);
    for (index, (entry, read)) in (0..).zip(read.recordings.iter().zip(&sidecars)) {
        assert_eq!(entry.recording, read.recording);
        match &read.sidecar {
            Ok(sidecar) => {
                assert_eq!(sidecar.view, view(index));
                assert_eq!(sidecar.snapshot_at, SNAPSHOT_AT);
            }
            Err(error) => {
                assert_eq!(index, LOST);
                assert!(matches!(error, ReadError::NotFound { .. }), "{error:?}");
            }
        }
    }
    let listed = reader.list("org-a/jobs", 10).await.unwrap();
    assert_eq!(listed, [layout::manifest_key("org-a", "job")]);
    let stranger = AccessKey {
        secret: "wrong".to_owned(),
        ..key("a")
    };
    let reader = ExportReader::new(&endpoint.url(), &stranger, ReaderLimits::default()).unwrap();
    let refused = reader.read_manifest("org-a", "job").await.unwrap_err();
    assert!(matches!(refused, ReadError::Forbidden { .. }));
}
