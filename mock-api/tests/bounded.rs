//! How much memory a long recording takes on its way through storage, by an allocator that counts.

use std::net::Ipv4Addr;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures_util::StreamExt;
use mock_api::storage::{
    AccessKey, EndpointLimits, ExternalBucket, MediaUpload, PART_SIZE_MIN, S3Endpoint, Store, Write,
};
use object_store::ObjectStoreExt as _;
use object_store::aws::{AmazonS3, AmazonS3Builder};
use object_store::path::Path;
use peak_alloc::PeakAlloc;
use racegate_model::ids::RecordingIndex;
use sha2::{Digest, Sha256};

mod transport;
use transport::Hyper;

#[global_allocator]
static ALLOCATED: PeakAlloc = PeakAlloc;

/// One test at a time: they share the allocator.
static TURN: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());

/// As the ingest hands them over.
const PART: usize = 8_200;
/// A call of an hour and a half.
const PARTS: usize = 4_000;
const LENGTH: usize = PART * PARTS;
const RECORDING: RecordingIndex = RecordingIndex(7);
const MIB: usize = 1 << 20;

fn part(number: usize) -> Bytes {
    let bytes = (0..PART).map(|at| (at * 31 + number * 17).to_le_bytes()[0]);
    bytes.collect::<Vec<_>>().into()
}

fn digest() -> Vec<u8> {
    let mut digest = Sha256::new();
    (0..PARTS).for_each(|number| digest.update(part(number)));
    digest.finalize().to_vec()
}

fn key() -> AccessKey {
    AccessKey {
        id: "id".to_owned(),
        secret: "secret".to_owned(),
        bucket: "org".to_owned(),
    }
}

fn client(url: &str) -> AmazonS3 {
    AmazonS3Builder::new()
        .with_endpoint(url)
        .with_bucket_name("org")
        .with_region("us-east-1")
        .with_access_key_id("id")
        .with_secret_access_key("secret")
        .with_allow_http(true)
        .with_http_connector(Hyper)
        .build()
        .expect("a client can be made")
}

/// What `act` allocates beyond what it found, at its highest.
macro_rules! peak {
    ($act:expr) => {{
        let before = ALLOCATED.current_usage();
        ALLOCATED.reset_peak_usage();
        let result = $act;
        (result, ALLOCATED.peak_usage().saturating_sub(before))
    }};
}

fn record(store: &Store) -> MediaUpload {
    let mut upload = store.begin_media();
    for number in 0..PARTS {
        upload.append(&part(number)).expect("there is room");
    }
    upload
}

#[tokio::test]
async fn a_recording_of_thousands_of_parts_is_held_once_and_served_piece_by_piece() {
    let _turn = TURN.lock().await;
    let store = Store::default();
    let (upload, recorded) = peak!(record(&store));
    assert!(recorded < LENGTH + LENGTH / 20, "{recorded}");
    let (done, joined) = peak!({
        store
            .complete_media(RECORDING, upload)
            .expect("it is room that it had");
        store.create_bucket("org").expect("a bucket");
        let write = Write::new(&Arc::default(), Some(RECORDING));
        store.export_media(RECORDING, "org", "a.opus", write)
    });
    assert_eq!(done, Ok(true));
    assert!(joined < MIB, "nothing is joined to export it: {joined}");
    assert_eq!(store.usage().bytes - 2 * 512, LENGTH as u64);

    let address = (Ipv4Addr::LOCALHOST, 0).into();
    let (keys, limits) = ([key()], EndpointLimits::default());
    let endpoint = S3Endpoint::start(address, store.clone(), &keys, limits);
    let endpoint = endpoint.await.expect("a free port");
    let client = client(&endpoint.url());
    let (read, served) = peak!({
        let found = client
            .get(&Path::from("a.opus"))
            .await
            .expect("it is there");
        let mut digest = Sha256::new();
        let mut stream = found.into_stream();
        while let Some(chunk) = stream.next().await {
            digest.update(chunk.expect("it goes on"));
        }
        digest.finalize().to_vec()
    });
    assert_eq!(read, digest());
    assert!(served < 4 * MIB, "nothing is joined to serve it: {served}");
    let etag = store
        .get("org", "a.opus")
        .expect("it is there")
        .etag()
        .len();
    assert_eq!(etag, 32, "it is the digest of all pieces");
}

/// An S3 that keeps nothing: it tells how long each body was, and the digest of all of them.
#[derive(Default)]
struct Sink {
    bodies: Vec<usize>,
    digest: Sha256,
    requests: Vec<String>,
}

async fn sink(State(sink): State<Arc<Mutex<Sink>>>, request: Request) -> Response {
    let (head, body) = request.into_parts();
    let query = head.uri.query().unwrap_or_default();
    let what = match (head.method.as_str(), query) {
        ("POST", query) if query.starts_with("uploads") => "begin",
        ("POST", query) if query.starts_with("delete") => "delete",
        ("POST", _) => "complete",
        ("PUT", _) if head.headers.contains_key("x-amz-copy-source") => "copy",
        ("PUT", _) => "part",
        _ => "other",
    };
    let line = format!("{what} {}", head.uri.path());
    let audio = what == "part";
    let length = swallow(body, audio.then_some(&sink)).await;
    let mut sink = sink.lock().expect("nobody panicked");
    if audio {
        sink.bodies.push(length);
    }
    if sink.requests.last() != Some(&line) {
        sink.requests.push(line);
    }
    let xml = match what {
        "begin" => "<R><UploadId>u</UploadId></R>",
        "complete" => "<R><ETag>e</ETag></R>",
        "delete" => "<R></R>",
        _ => "<R><ETag>e</ETag><LastModified>2026-01-01T00:00:00Z</LastModified></R>",
    };
    ([("etag", "e")], xml).into_response()
}

async fn swallow(body: Body, into: Option<&Arc<Mutex<Sink>>>) -> usize {
    let mut stream = body.into_data_stream();
    let mut length = 0;
    while let Some(chunk) = stream.next().await {
        let chunk = chunk.expect("a body goes on");
        length += chunk.len();
        if let Some(sink) = into {
            sink.lock().expect("nobody panicked").digest.update(&chunk);
        }
    }
    length
}

#[tokio::test]
async fn a_recording_goes_to_an_external_s3_as_it_comes_and_no_more_than_parts_are_held() {
    let _turn = TURN.lock().await;
    let sunk = Arc::<Mutex<Sink>>::default();
    let listener = tokio::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await;
    let listener = listener.expect("a free port");
    let endpoint = format!("http://{}", listener.local_addr().expect("an address"));
    let routes = Router::new().fallback(sink).with_state(Arc::clone(&sunk));
    let server = tokio::spawn(axum::serve(listener, routes).into_future());
    let bucket = ExternalBucket {
        endpoint,
        key: key(),
    };
    let store = Store::elsewhere(&bucket).expect("a client");
    let part_size = usize::try_from(PART_SIZE_MIN).expect("it is small");
    let ((), held) = peak!({
        let mut upload = store.begin_media();
        for number in 0..PARTS {
            upload.append(&part(number)).expect("there is room");
            // As fast as the other side takes it: the ingest is slower by far.
            if store.usage().bytes >= 2 * PART_SIZE_MIN {
                store.settled().await;
            }
        }
        assert_eq!(upload.bytes(), LENGTH as u64);
        store
            .complete_media(RECORDING, upload)
            .expect("it is taken");
        store.settled().await;
    });
    assert!(held < 4 * part_size, "{held} of {LENGTH}");
    assert_eq!(store.usage().bytes, 0);
    assert_eq!(store.media_length(RECORDING), Some(LENGTH as u64));
    let sink = sunk.lock().expect("nobody panicked");
    let (last, others) = sink.bodies.split_last().expect("there were parts");
    assert!(
        others.iter().all(|length| *length == part_size),
        "{others:?}"
    );
    assert!(*last <= part_size && others.len() * part_size + last == LENGTH);
    assert_eq!(sink.digest.clone().finalize().to_vec(), digest());
    assert_eq!(
        sink.requests,
        [
            "begin /org/recordings/growing/0.ogg",
            "part /org/recordings/growing/0.ogg",
            "complete /org/recordings/growing/0.ogg",
            "copy /org/recordings/7.ogg",
            "delete /org",
        ]
    );
    drop(sink);
    server.abort();
}
