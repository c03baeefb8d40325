//! How much memory a long recording takes on its way through storage, by an allocator that counts.

use std::net::Ipv4Addr;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures_util::StreamExt;
use mock_api::clock::Pace;
use mock_api::http::WebAccess;
use mock_api::serve::{Mock, Options, Storage, load_scenario};
use mock_api::storage::{
    AccessKey, EndpointLimits, ExternalBucket, MediaUpload, PART_SIZE_MIN, S3Endpoint, Store, Write,
};
use mock_api::targets::Targets;
use object_store::ObjectStoreExt as _;
use object_store::aws::{AmazonS3, AmazonS3Builder};
use object_store::path::Path;
use peak_alloc::PeakAlloc;
use racegate_model::ids::{RecordingId, RecordingIndex};
use racegate_model::time::Duration;
use serde_json::Value;
use sha2::{Digest, Sha256};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

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
    let AccessKey { id, secret, bucket } = key();
    let url = format!("{endpoint}/{bucket}");
    let bucket = ExternalBucket::at(&url, (id, secret), &Targets::loopback());
    let bucket = bucket.expect("a bucket of this machine");
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

/// A served mock, and the signed address of a recording that is long.
async fn with_a_long_recording() -> (Mock, String) {
    let mock = Mock::start(Options {
        scenario: load_scenario(None, &[]).expect("the built-in scenario is right"),
        clients: Vec::new(),
        host: Ipv4Addr::LOCALHOST.into(),
        port: 0,
        s3_port: 0,
        media_port: None,
        pace: Pace::MANUAL,
        past: Duration::ZERO,
        journal: 10,
        storage: Storage::Memory,
        external: None,
        targets: Targets::loopback(),
        web: WebAccess::default(),
    });
    let mock = mock.await.expect("there are free ports");
    let at = mock.addresses().clone();
    let api = at.api.trim_start_matches("http://");
    let (id, secret) = (&at.clients[0].client_id, &at.clients[0].client_secret);
    let form = format!("grant_type=client_credentials&client_id={id}&client_secret={secret}");
    let token = ask(api, "POST /oauth/token", "x-www-form-urlencoded", &form).await;
    let token = token["access_token"].as_str().expect("a token");
    let added = ask(
        api,
        "POST /__admin/recordings",
        "json",
        r#"{"visible": {}}"#,
    )
    .await;
    let text = |key: &str| added[key].as_str().expect("an id");
    let (conversation, recording) = (text("conversationId"), text("recordingId"));
    let service = mock.server().service();
    let index = RecordingId::parse(recording).and_then(|id| id.index(service.seed()));
    let index = index.expect("it is one of this run");
    let upload = record(service.store());
    service
        .store()
        .complete_media(index, upload)
        .expect("there is room");
    let path = format!("GET /api/v2/conversations/{conversation}/recordings/{recording}");
    let bearer = format!("json\r\nauthorization: Bearer {token}");
    let shown = ask(api, &path, &bearer, "").await;
    let uri = shown["mediaUris"]["0"]["mediaUri"].as_str();
    (mock, uri.expect("an address").to_owned())
}

/// One request on a connection of its own, answered in JSON.
async fn ask(address: &str, line: &str, kind: &str, body: &str) -> Value {
    let mut stream = TcpStream::connect(address).await.expect("it listens");
    let length = body.len();
    let request = format!(
        "{line} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\ncontent-length: {length}\r\n\
         content-type: application/{kind}\r\n\r\n{body}"
    );
    let sent = stream.write_all(request.as_bytes()).await;
    sent.expect("it takes a request");
    let mut answer = String::new();
    let read = stream.read_to_string(&mut answer).await;
    read.expect("it answers");
    let (_, body) = answer.split_once("\r\n\r\n").expect("a head");
    serde_json::from_str(body).unwrap_or_else(|_| panic!("no JSON: {answer}"))
}

/// Reads a head, and after it `wanted` bytes or all of them, a kilobyte at a time. Returns the head,
/// how many bytes came and their digest.
async fn read_slowly(stream: &mut TcpStream, wanted: usize) -> (String, usize, Vec<u8>) {
    let mut head = Vec::with_capacity(1_024);
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.expect("a head"));
    }
    let (mut read, mut digest) = (0, Sha256::new());
    let mut room = [0; 1_024];
    while read < wanted {
        let count = stream.read(&mut room).await.expect("it goes on");
        if count == 0 {
            break;
        }
        digest.update(&room[..count]);
        read += count;
    }
    let head = String::from_utf8(head).expect("ASCII");
    (head.to_lowercase(), read, digest.finalize().to_vec())
}

#[tokio::test]
async fn a_slow_reader_of_a_long_recording_costs_a_few_pieces() {
    let _turn = TURN.lock().await;
    let (mock, uri) = with_a_long_recording().await;
    let (address, path) = uri[7..].split_once('/').expect("a path");
    let get = |head: &str| format!("GET /{path} HTTP/1.1\r\nhost: {address}\r\n{head}\r\n");
    let (whole, range) = (get(""), get("range: bytes=20000000-\r\n"));
    let mut readers = Vec::with_capacity(10);
    let (lengths, held) = peak!({
        let mut lengths = Vec::with_capacity(10);
        for number in 0..10 {
            let mut stream = TcpStream::connect(address).await.expect("it listens");
            let request = if number % 2 == 0 { &whole } else { &range };
            let sent = stream.write_all(request.as_bytes()).await;
            sent.expect("it takes a request");
            let (head, read, _) = read_slowly(&mut stream, 1 << 20).await;
            assert!(read >= 1 << 20);
            let said = head
                .lines()
                .find_map(|line| line.strip_prefix("content-length: "));
            lengths.push(said.and_then(|length| length.parse::<usize>().ok()));
            readers.push(stream);
        }
        lengths
    });
    assert_eq!(lengths[..2], [Some(LENGTH), Some(LENGTH - 20_000_000)]);
    let piece = 16 << 10;
    assert!(held < 10 * 4 * piece, "{held} for ten readers");
    drop(readers);
    let mut stream = TcpStream::connect(address).await.expect("it listens");
    let sent = stream
        .write_all(get("connection: close\r\n").as_bytes())
        .await;
    sent.expect("it takes a request");
    let (_, read, digested) = read_slowly(&mut stream, usize::MAX).await;
    assert_eq!((read, digested), (LENGTH, digest()));
    mock.stop().await;
}
