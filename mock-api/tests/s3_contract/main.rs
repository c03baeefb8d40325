//! What S3 clients rely on, held against a store in memory and one in a folder by the same bodies,
//! before and after a restart.

use std::net::Ipv4Addr;

use bytes::Bytes;
use hyper::Method;
use mock_api::storage::{AccessKey, EndpointLimits, S3Endpoint, Store};

#[path = "../signer/mod.rs"]
mod signer;
mod uploads;
use signer::{Answer, End, Framing, Plan, Signer, escaped};

/// Check values of `123456789`, from the catalogue of CRCs (reveng) and FIPS 180, in base64.
const CHECKSUMS: [(&str, &str); 5] = [
    ("crc32", "y/Q5Jg=="),
    ("crc32c", "4waSgw=="),
    ("crc64nvme", "rosUhgp5mIg="),
    ("sha1", "98O8HYCOBHMq32eZZczDTKeuNEE="),
    ("sha256", "FeKw08M4keuw8e9gnsQZQgwg4yDOlMZfvIwzEkSOsiU="),
];
const DIGITS: &str = "123456789";

/// Where objects are kept, and the endpoint in front.
struct World {
    folder: Option<tempfile::TempDir>,
    endpoint: Option<S3Endpoint>,
    store: Option<Store>,
    signer: Signer,
}

fn key(tenant: &str) -> AccessKey {
    AccessKey {
        id: format!("key-{tenant}"),
        secret: format!("secret-{tenant}"),
        bucket: format!("org-{tenant}"),
    }
}

impl World {
    async fn both() -> [Self; 2] {
        let folder = tempfile::tempdir().expect("a temporary folder");
        [Self::new(None).await, Self::new(Some(folder)).await]
    }

    async fn new(folder: Option<tempfile::TempDir>) -> Self {
        let signer = Signer {
            base: String::new(),
            key: key("a"),
            region: "us-east-1",
        };
        let mut world = Self {
            folder,
            endpoint: None,
            store: None,
            signer,
        };
        world.start().await;
        world
    }

    async fn start(&mut self) {
        let store = match &self.folder {
            None => Store::default(),
            Some(folder) => Store::in_folder(1 << 30, folder.path()).expect("the folder is ours"),
        };
        let address = (Ipv4Addr::LOCALHOST, 0).into();
        let keys = [key("a"), key("b")];
        let limits = EndpointLimits::default();
        let endpoint = S3Endpoint::start(address, store.clone(), &keys, limits);
        let endpoint = endpoint.await.expect("a free port");
        self.signer.base = endpoint.url();
        (self.endpoint, self.store) = (Some(endpoint), Some(store));
    }

    /// Stops the server and starts it again, if its objects outlive it.
    async fn restart(&mut self) {
        if self.folder.is_none() {
            return;
        }
        let endpoint = self.endpoint.take().expect("it runs");
        endpoint.shutdown().await;
        self.store = None;
        self.start().await;
    }

    async fn put(&self, key: &str, plan: impl FnOnce(Plan) -> Plan) -> Answer {
        let plan = plan(Plan::new(Method::PUT, at(key)));
        self.signer.send(plan).await
    }

    async fn get(&self, target: &str) -> Answer {
        let plan = Plan::new(Method::GET, target);
        self.signer
            .send(plan.header("x-amz-checksum-mode", "ENABLED"))
            .await
    }

    async fn head(&self, target: &str) -> Answer {
        let plan = Plan::new(Method::HEAD, target);
        self.signer
            .send(plan.header("x-amz-checksum-mode", "ENABLED"))
            .await
    }

    async fn post(&self, target: String, body: String) -> Answer {
        self.signer
            .send(Plan::new(Method::POST, target).body(body))
            .await
    }

    /// Uploads `parts` and lists them as `listed` says; the answer is that of the last request.
    async fn upload(&self, key: &str, kinds: &[(&str, &str)], parts: &[Bytes]) -> Answer {
        let mut plan = Plan::new(Method::POST, format!("{}?uploads", at(key)));
        for (name, value) in kinds {
            plan = plan.header(name, *value);
        }
        let begun = self.signer.send(plan).await;
        assert_eq!(begun.status, 200, "{}", begun.text());
        let id = begun.element("UploadId").expect("an id").to_owned();
        let mut list = String::new();
        for (nth, part) in parts.iter().enumerate() {
            let target = format!("{}?partNumber={}&uploadId={id}", at(key), nth + 1);
            let put = Plan::new(Method::PUT, target).body(part.clone());
            let put = self.signer.send(put).await;
            assert_eq!(put.status, 200, "{}", put.text());
            let etag = put.header("etag").expect("an etag");
            let number = nth + 1;
            list += &format!("<Part><PartNumber>{number}</PartNumber><ETag>{etag}</ETag>");
            for (algorithm, _) in CHECKSUMS {
                if let Some(value) = put.header(&format!("x-amz-checksum-{algorithm}")) {
                    let name = format!("Checksum{}", algorithm.to_uppercase());
                    list += &format!("<{name}>{value}</{name}>");
                }
            }
            list += "</Part>";
        }
        let body = format!("<CompleteMultipartUpload>{list}</CompleteMultipartUpload>");
        self.post(format!("{}?uploadId={id}", at(key)), body).await
    }
}

fn at(key: &str) -> String {
    format!("/org-a/{}", escaped(key))
}

/// Everything that a read says of an object, but for the instant of the answer.
fn said(answer: &Answer) -> Vec<(String, String)> {
    let headers = answer.headers.iter().filter(|(name, _)| *name != "date");
    let text = headers.map(|(name, value)| {
        (
            name.to_string(),
            value.to_str().expect("headers are text").to_owned(),
        )
    });
    text.collect()
}

#[tokio::test]
async fn a_checksum_is_verified_kept_and_returned_however_it_comes() {
    for mut world in World::both().await {
        let mut kept = Vec::new();
        for (algorithm, value) in CHECKSUMS {
            let header = format!("x-amz-checksum-{algorithm}");
            let ways = [
                Framing::Plain,
                Framing::UnsignedChunks,
                Framing::SignedChunks,
            ];
            for way in ways {
                let put = async |key: &str, body: &'static str| {
                    let plan = |plan: Plan| match way {
                        Framing::Plain => plan.body(body).header(&header, value),
                        Framing::UnsignedChunks | Framing::SignedChunks => {
                            plan.body(body).chunks(way, Some((&header, value)))
                        }
                    };
                    world.put(key, plan).await
                };
                let good = format!("good/{algorithm}/{way:?}");
                let answer = put(&good, DIGITS).await;
                assert_eq!(answer.status, 200, "{good}: {}", answer.text());
                assert_eq!(answer.header(&header), Some(value));
                let bad = format!("bad/{algorithm}/{way:?}");
                let answer = put(&bad, "12345678?").await;
                assert_eq!(answer.refusal(), (400, "BadDigest"), "{bad}");
                assert_eq!(world.head(&at(&bad)).await.status, 404, "{bad} is stored");
                let read = world.get(&at(&good)).await;
                assert_eq!(read.text(), DIGITS);
                assert_eq!(read.header(&header), Some(value));
                assert_eq!(read.header("x-amz-checksum-type"), Some("FULL_OBJECT"));
                assert_eq!(
                    read.header("content-encoding"),
                    None,
                    "a coding of the transfer"
                );
                kept.push((at(&good), said(&read)));
            }
        }
        world.restart().await;
        for (target, before) in kept {
            assert_eq!(said(&world.get(&target).await), before, "{target}");
        }
    }
}

#[tokio::test]
async fn a_checksum_that_is_none_or_one_of_several_is_refused() {
    let world = World::new(None).await;
    let crc32 = ("x-amz-checksum-crc32", "y/Q5Jg==");
    let refused = async |headers: &[(&str, &str)]| {
        let plan = |plan: Plan| {
            let add = |plan: Plan, (name, value): &(&str, &str)| plan.header(name, *value);
            headers.iter().fold(plan.body(DIGITS), add)
        };
        let answer = world.put("k", plan).await;
        assert_eq!(world.head(&at("k")).await.status, 404);
        let (status, code) = answer.refusal();
        (status, code.to_owned())
    };
    let invalid = (400, "InvalidRequest".to_owned());
    assert_eq!(refused(&[("x-amz-checksum-crc32", "y/Q5")]).await, invalid);
    assert_eq!(
        refused(&[("x-amz-sdk-checksum-algorithm", "CRC32")]).await,
        invalid
    );
    assert_eq!(
        refused(&[crc32, ("x-amz-checksum-crc32c", "4waSgw==")]).await,
        invalid
    );
    assert_eq!(
        refused(&[crc32, ("x-amz-sdk-checksum-algorithm", "SHA1")]).await,
        invalid
    );
    let md5 = refused(&[("content-md5", "AAAA")]).await;
    assert_eq!(md5, (400, "InvalidDigest".to_owned()));
    let md5 = refused(&[("content-md5", "1B2M2Y8AsgTpgAmY7PhCfg==")]).await;
    assert_eq!(md5, (400, "BadDigest".to_owned()));
    let digest = Plan::new(Method::PUT, at("k"))
        .body("x")
        .chunks(Framing::UnsignedChunks, None);
    let answer = world.signer.send(digest).await;
    assert_eq!(
        answer.refusal(),
        (400, "InvalidRequest"),
        "no trailer is announced"
    );
}

#[tokio::test]
async fn a_body_in_chunks_that_ends_early_stores_nothing() {
    let world = World::new(None).await;
    let trailer = Some(("x-amz-checksum-crc32", "y/Q5Jg=="));
    for (framing, trailer, end, expected) in [
        (
            Framing::UnsignedChunks,
            trailer,
            End::NoLastChunk,
            "IncompleteBody",
        ),
        (
            Framing::SignedChunks,
            trailer,
            End::NoLastChunk,
            "IncompleteBody",
        ),
        (
            Framing::SignedChunks,
            None,
            End::NoLastChunk,
            "IncompleteBody",
        ),
        (
            Framing::UnsignedChunks,
            trailer,
            End::NoTrailer,
            "MalformedTrailerError",
        ),
        (
            Framing::SignedChunks,
            trailer,
            End::NoTrailer,
            "MalformedTrailerError",
        ),
    ] {
        let plan = |plan: Plan| plan.body(DIGITS).chunks(framing, trailer).ending(end);
        let answer = world.put("k", plan).await;
        assert_eq!(answer.refusal(), (400, expected), "{framing:?} {end:?}");
        assert_eq!(world.head(&at("k")).await.status, 404);
        let answer = world.put("k", |plan| plan_of(plan, framing, trailer)).await;
        assert_eq!(answer.status, 200, "{framing:?}: {}", answer.text());
        assert_eq!(world.get(&at("k")).await.text(), DIGITS);
        world.signer.send(Plan::new(Method::DELETE, at("k"))).await;
    }
}

fn plan_of(plan: Plan, framing: Framing, trailer: Option<(&str, &str)>) -> Plan {
    plan.body(DIGITS).chunks(framing, trailer)
}

/// Headers that a put says and reads repeat.
const SAID: [(&str, &str); 6] = [
    ("cache-control", "max-age=60"),
    ("content-disposition", "attachment; filename=\"a b.opus\""),
    ("content-encoding", "gzip"),
    ("content-language", "de"),
    ("content-type", "text/plain; charset=utf-8"),
    ("expires", "Wed, 21 Oct 2015 07:28:00 GMT"),
];

/// Keys that are hard to keep as files: long ones, such as lead elsewhere, and such as mean something.
fn hard_keys() -> Vec<String> {
    let mut keys = [
        "a", "a/", "a/b", "a//b", "//", ".", "..", "../x", "a/../b", "%", "%2e%2e",
    ]
    .map(str::to_owned)
    .to_vec();
    keys.extend(
        [
            " ",
            " a b ",
            "a+b",
            "é",
            "日本/語",
            "x.json",
            "x.opus",
            "%long",
            "%lock",
        ]
        .map(str::to_owned),
    );
    keys.extend([
        "k".repeat(240),
        "k".repeat(1024),
        "é".repeat(100),
        "é".repeat(512),
    ]);
    keys.extend([
        "%".repeat(300),
        " ".repeat(1024),
        "a/".repeat(512),
        "é/".repeat(341),
        "/".repeat(1024),
    ]);
    keys
}

#[tokio::test]
async fn any_key_of_s3_is_kept_with_all_that_was_said_of_it() {
    let keys = hard_keys();
    for mut world in World::both().await {
        let mut before = Vec::new();
        for key in &keys {
            let length = key.len();
            let plan = |plan: Plan| {
                let add = |plan: Plan, (name, value): (&str, &str)| plan.header(name, value);
                let plan = SAID.into_iter().fold(plan.body(key.clone()), add);
                plan.header("x-amz-meta-length", length.to_string())
            };
            let put = world.put(key, plan).await;
            assert_eq!(put.status, 200, "{key:?}: {}", put.text());
            let read = world.get(&at(key)).await;
            assert_eq!(read.text(), key);
            before.push(said(&read));
        }
        let listed = world.get("/org-a?list-type=2").await.text().to_owned();
        assert_eq!(listed.matches("<Key>").count(), keys.len());
        world.restart().await;
        for (key, before) in keys.iter().zip(&before) {
            let read = world.get(&at(key)).await;
            assert_eq!(
                (read.text(), &said(&read)),
                (key.as_str(), before),
                "{key:?}"
            );
            for (name, value) in SAID {
                assert_eq!(read.header(name), Some(value), "{key:?}");
            }
            assert_eq!(
                read.header("x-amz-meta-length"),
                Some(&*key.len().to_string())
            );
        }
        assert_eq!(world.get("/org-a?list-type=2").await.text(), listed);
        for key in &keys {
            world.signer.send(Plan::new(Method::DELETE, at(key))).await;
        }
        world.restart().await;
        let listed = world.get("/org-a?list-type=2").await;
        assert_eq!(
            listed.text().matches("<Key>").count(),
            0,
            "{}",
            listed.text()
        );
    }
}

#[tokio::test]
async fn refusals_are_those_by_which_clients_decide() {
    let mut world = World::new(None).await;
    let code = |answer: &Answer| {
        let (status, code) = answer.refusal();
        (status, code.to_owned())
    };
    for (target, status, expected) in [
        ("/org-a/none", 404, "NoSuchKey"),
        ("/no-such-bucket/k", 404, "NoSuchBucket"),
        ("/no-such-bucket?list-type=2", 404, "NoSuchBucket"),
        ("/no-such-bucket?uploads", 404, "NoSuchBucket"),
        ("/org-b/k", 403, "AccessDenied"),
        ("/org-b?list-type=2", 403, "AccessDenied"),
        ("/org-a/k?uploadId=none", 404, "NoSuchUpload"),
    ] {
        let answer = world.get(target).await;
        assert_eq!(code(&answer), (status, expected.to_owned()), "{target}");
    }
    let foreign = world
        .signer
        .send(Plan::new(Method::PUT, "/no-such-bucket"))
        .await;
    assert_eq!(
        code(&foreign).1,
        "AccessDenied",
        "a key makes no buckets of others"
    );
    let copy = async |source: &str| {
        let plan = |plan: Plan| plan.header("x-amz-copy-source", source);
        world.put("copy", plan).await
    };
    assert_eq!(code(&copy("/no-such-bucket/k").await).1, "NoSuchBucket");
    assert_eq!(code(&copy("/org-b/k").await).1, "AccessDenied");
    assert_eq!(code(&copy("/org-a/none").await).1, "NoSuchKey");
    world.put("copy", |plan| plan.body("x")).await;
    assert_eq!(
        code(&copy("/org-a/copy").await).1,
        "InvalidRequest",
        "a copy onto itself"
    );
    world.signer.region = "eu-west-1";
    for plan in [
        Plan::new(Method::GET, at("copy")),
        Plan::new(Method::HEAD, "/org-a"),
    ] {
        let answer = world.signer.send(plan).await;
        assert_eq!(answer.status, 400);
        assert_eq!(answer.header("x-amz-bucket-region"), Some("us-east-1"));
    }
    let answer = world.get(&at("copy")).await;
    assert_eq!(code(&answer).1, "AuthorizationHeaderMalformed");
    assert_eq!(answer.element("Region"), Some("us-east-1"));
    world.signer.region = "us-east-1";
    let head = world.head("/org-a").await;
    assert_eq!(head.header("x-amz-bucket-region"), Some("us-east-1"));
}

#[tokio::test]
async fn user_metadata_has_two_kilobytes_at_most() {
    let world = World::new(None).await;
    let half = "v".repeat(1023);
    let put = async |last: &str| {
        let plan = |plan: Plan| {
            let plan = plan.header("x-amz-meta-a", half.as_str());
            plan.header("x-amz-meta-b", format!("{}{last}", &half))
        };
        let answer = world.put("k", plan).await;
        (answer.status.as_u16(), answer.refusal().1.to_owned())
    };
    assert_eq!(put("").await.0, 200);
    assert_eq!(put("x").await, (400, "MetadataTooLarge".to_owned()));
    let metadata = ("x-amz-meta-a", "v".repeat(2048));
    let begun = world.begin("k", &[(metadata.0, metadata.1.as_str())]).await;
    assert_eq!(begun.refusal(), (400, "MetadataTooLarge"));
}

#[tokio::test]
async fn xml_that_is_not_what_was_signed_or_said_does_nothing() {
    let world = World::new(None).await;
    world.put("k", |plan| plan.body("x")).await;
    let delete = "<Delete><Object><Key>k</Key></Object></Delete>";
    for (name, value, expected) in [
        ("x-amz-checksum-crc32", "AAAAAA==", "BadDigest"),
        ("x-amz-checksum-crc32", "AAAA", "InvalidRequest"),
        ("content-md5", "1B2M2Y8AsgTpgAmY7PhCfg==", "BadDigest"),
        ("content-md5", "AAAA", "InvalidDigest"),
    ] {
        let plan = Plan::new(Method::POST, "/org-a?delete").body(delete);
        let answer = world.signer.send(plan.header(name, value)).await;
        assert_eq!(answer.refusal(), (400, expected), "{name}: {value}");
        assert_eq!(world.head(&at("k")).await.status, 200);
    }
    // CRC32 by zlib.
    let plan = Plan::new(Method::POST, "/org-a?delete").body(delete);
    let plan = plan.header("x-amz-checksum-crc32", "A8uZRQ==");
    assert_eq!(world.signer.send(plan).await.status, 200);
    assert_eq!(world.head(&at("k")).await.status, 404);
}
