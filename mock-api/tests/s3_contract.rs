//! What S3 clients rely on, held against a store in memory and one in a folder by the same bodies,
//! before and after a restart.

use std::net::Ipv4Addr;

use bytes::Bytes;
use hyper::Method;
use mock_api::storage::{AccessKey, EndpointLimits, S3Endpoint, Store};

mod signer;
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
        let folder = tempfile::tempdir().unwrap();
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
            Some(folder) => Store::in_folder(1 << 30, folder.path()).unwrap(),
        };
        let address = (Ipv4Addr::LOCALHOST, 0).into();
        let keys = [key("a"), key("b")];
        let limits = EndpointLimits::default();
        let endpoint = S3Endpoint::start(address, store.clone(), &keys, limits);
        let endpoint = endpoint.await.unwrap();
        self.signer.base = endpoint.url();
        (self.endpoint, self.store) = (Some(endpoint), Some(store));
    }

    /// Stops the server and starts it again, if its objects outlive it.
    async fn restart(&mut self) {
        if self.folder.is_none() {
            return;
        }
        self.endpoint.take().unwrap().shutdown().await;
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
        let id = begun.element("UploadId").unwrap().to_owned();
        let mut list = String::new();
        for (nth, part) in parts.iter().enumerate() {
            let target = format!("{}?partNumber={}&uploadId={id}", at(key), nth + 1);
            let put = Plan::new(Method::PUT, target).body(part.clone());
            let put = self.signer.send(put).await;
            assert_eq!(put.status, 200, "{}", put.text());
            let etag = put.header("etag").unwrap();
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
    let text = headers.map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned()));
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
                        chunks => plan.body(body).chunks(chunks, Some((&header, value))),
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

#[tokio::test]
async fn any_key_of_s3_is_kept_with_all_that_was_said_of_it() {
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
    for mut world in World::both().await {
        let mut before = Vec::new();
        for key in &keys {
            let length = key.len();
            let plan = |plan: Plan| {
                plan.body(key.clone())
                    .header("cache-control", "max-age=60")
                    .header("content-disposition", "attachment; filename=\"a b.opus\"")
                    .header("content-encoding", "gzip")
                    .header("content-language", "de")
                    .header("content-type", "text/plain; charset=utf-8")
                    .header("expires", "Wed, 21 Oct 2015 07:28:00 GMT")
                    .header("x-amz-meta-length", length.to_string())
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
            for (name, value) in [
                ("cache-control", "max-age=60"),
                ("content-disposition", "attachment; filename=\"a b.opus\""),
                ("content-encoding", "gzip"),
                ("content-language", "de"),
                ("content-type", "text/plain; charset=utf-8"),
                ("expires", "Wed, 21 Oct 2015 07:28:00 GMT"),
            ] {
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

fn parts() -> [Bytes; 2] {
    [vec![1; 5 << 20].into(), Bytes::from_static(b"tail")]
}

/// Uploads of [`parts`], and the checksum that their object has: by a program of its own, with
/// hashlib, zlib and CRCs from their polynomials.
const UPLOADS: [(&str, &[(&str, &str)], (&str, &str, &str)); 4] = [
    ("default", &[], ("crc64nvme", "KLWEpbLHf9g=", "FULL_OBJECT")),
    (
        "crc32",
        &[("x-amz-checksum-algorithm", "CRC32")],
        ("crc32", "14IOnA==-2", "COMPOSITE"),
    ),
    (
        "sha256",
        &[("x-amz-checksum-algorithm", "SHA256")],
        (
            "sha256",
            "gm6o39vNt69Pc/r4EKY/2NpoxvUg2SUOo+Nic80ECsM=-2",
            "COMPOSITE",
        ),
    ),
    (
        "full",
        &[
            ("x-amz-checksum-algorithm", "CRC32C"),
            ("x-amz-checksum-type", "FULL_OBJECT"),
            ("content-disposition", "inline"),
            ("x-amz-meta-a", "b"),
        ],
        ("crc32c", "r+6cwQ==", "FULL_OBJECT"),
    ),
];
const ETAG: &str = "\"1b5586dcc4c977ad9eb82c917af59a83-2\"";

#[tokio::test]
async fn an_upload_in_parts_is_the_same_object_after_a_restart() {
    for mut world in World::both().await {
        let mut before = Vec::new();
        for (key, kinds, (algorithm, value, scope)) in UPLOADS {
            let done = world.upload(key, kinds, &parts()).await;
            assert_eq!(done.status, 200, "{key}: {}", done.text());
            assert!(done.text().contains(value), "{key}: {}", done.text());
            let read = world.get(&at(key)).await;
            assert_eq!(read.header("etag"), Some(ETAG));
            let header = format!("x-amz-checksum-{algorithm}");
            assert_eq!(read.header(&header), Some(value), "{key}");
            assert_eq!(read.header("x-amz-checksum-type"), Some(scope), "{key}");
            assert_eq!(read.body.len(), (5 << 20) + 4);
            before.push(world.all_of(key).await);
        }
        world.restart().await;
        for ((key, ..), before) in UPLOADS.iter().zip(before) {
            assert_eq!(world.all_of(key).await, before, "{key}");
        }
        let full = world.head(&at("full")).await;
        assert_eq!(full.header("content-disposition"), Some("inline"));
        assert_eq!(full.header("x-amz-meta-a"), Some("b"));
    }
}

impl World {
    async fn attributes(&self, key: &str) -> Answer {
        let plan = Plan::new(Method::GET, format!("{}?attributes", at(key)));
        let all = "ETag,Checksum,ObjectParts,StorageClass,ObjectSize";
        self.signer
            .send(plan.header("x-amz-object-attributes", all))
            .await
    }

    /// All that an object in parts answers, but for its bytes.
    async fn all_of(&self, key: &str) -> (Vec<(String, String)>, Vec<(String, String)>, String) {
        let whole = said(&self.head(&at(key)).await);
        let part = said(&self.head(&format!("{}?partNumber=2", at(key))).await);
        (whole, part, self.attributes(key).await.text().to_owned())
    }

    async fn begin(&self, key: &str, headers: &[(&str, &str)]) -> Answer {
        let plan = Plan::new(Method::POST, format!("{}?uploads", at(key)));
        let add = |plan: Plan, (name, value): &(&str, &str)| plan.header(name, *value);
        self.signer.send(headers.iter().fold(plan, add)).await
    }
}

#[tokio::test]
async fn an_object_is_read_part_by_part() {
    for world in World::both().await {
        world.upload("crc32", UPLOADS[1].1, &parts()).await;
        let part = world.get(&format!("{}?partNumber=2", at("crc32"))).await;
        assert_eq!((part.status.as_u16(), part.text()), (206, "tail"));
        assert_eq!(part.header("x-amz-mp-parts-count"), Some("2"));
        assert_eq!(
            part.header("content-range"),
            Some("bytes 5242880-5242883/5242884")
        );
        assert_eq!(part.header("x-amz-checksum-crc32"), Some("fDe0XQ=="));
        let head = world.head(&format!("{}?partNumber=1", at("crc32"))).await;
        assert_eq!(head.status, 206);
        assert_eq!(head.header("content-length"), Some("5242880"));
        let beyond = world.get(&format!("{}?partNumber=3", at("crc32"))).await;
        assert_eq!(beyond.refusal(), (416, "InvalidPartNumber"));
        world.put("whole", |plan| plan.body(DIGITS)).await;
        let whole = world.get(&format!("{}?partNumber=1", at("whole"))).await;
        assert_eq!((whole.status.as_u16(), whole.text()), (206, DIGITS));
        assert_eq!(whole.header("x-amz-mp-parts-count"), None);
        let beyond = world.head(&format!("{}?partNumber=2", at("whole"))).await;
        assert_eq!(beyond.status, 416);
        let both = Plan::new(Method::GET, format!("{}?partNumber=1", at("whole")));
        let both = world.signer.send(both.header("range", "bytes=0-1")).await;
        assert_eq!(both.refusal(), (400, "InvalidRequest"));
        let range = Plan::new(Method::HEAD, at("whole")).header("range", "bytes=2-4");
        let range = world
            .signer
            .send(range.header("x-amz-checksum-mode", "ENABLED"))
            .await;
        assert_eq!(
            (range.status.as_u16(), range.header("content-length")),
            (206, Some("3"))
        );
        assert_eq!(
            range.header("x-amz-checksum-crc64nvme"),
            None,
            "a range has none"
        );
        let attributes = world.attributes("crc32").await;
        assert_eq!(attributes.element("PartsCount"), Some("2"));
        assert_eq!(attributes.element("ObjectSize"), Some("5242884"));
        assert_eq!(attributes.text().matches("<Part>").count(), 2);
        assert!(
            attributes.text().contains("14IOnA==-2"),
            "{}",
            attributes.text()
        );
    }
}

#[tokio::test]
async fn parts_are_copied_and_uploads_and_their_parts_are_listed() {
    for world in World::both().await {
        world.put("src", |plan| plan.body(vec![7; 5 << 20])).await;
        let begun = world
            .begin("to/copy", &[("x-amz-checksum-algorithm", "SHA1")])
            .await;
        let id = begun.element("UploadId").unwrap().to_owned();
        let copy = async |number: u32, headers: &[(&str, &str)]| {
            let target = format!("{}?partNumber={number}&uploadId={id}", at("to/copy"));
            let plan = Plan::new(Method::PUT, target).header("x-amz-copy-source", "/org-a/src");
            let add = |plan: Plan, (name, value): &(&str, &str)| plan.header(name, *value);
            world.signer.send(headers.iter().fold(plan, add)).await
        };
        let first = copy(1, &[]).await;
        assert_eq!(first.status, 200, "{}", first.text());
        let second = copy(7, &[("x-amz-copy-source-range", "bytes=0-2")]).await;
        for bad in [
            "bytes=0-5242880",
            "bytes=-3",
            "bytes=3-",
            "0-2",
            "bytes=3-2",
        ] {
            let refused = copy(2, &[("x-amz-copy-source-range", bad)]).await;
            assert_eq!(refused.refusal(), (400, "InvalidArgument"), "{bad}");
        }
        let changed = copy(2, &[("x-amz-copy-source-if-match", "\"0\"")]).await;
        assert_eq!(changed.refusal(), (412, "PreconditionFailed"));
        let listed = world
            .get(&format!("{}?max-parts=1&uploadId={id}", at("to/copy")))
            .await;
        assert_eq!(
            listed.element("IsTruncated"),
            Some("true"),
            "{}",
            listed.text()
        );
        assert_eq!(listed.element("NextPartNumberMarker"), Some("1"));
        assert_eq!(listed.element("Size"), Some("5242880"));
        let target = format!("{}?part-number-marker=1&uploadId={id}", at("to/copy"));
        let listed = world.get(&target).await;
        assert_eq!(listed.element("IsTruncated"), Some("false"));
        assert_eq!(listed.element("PartNumber"), Some("7"));
        assert_eq!(listed.element("ETag"), second.element("ETag"));
        // SHA-1 of three bytes of seven, by sha1sum.
        assert_eq!(
            listed.element("ChecksumSHA1"),
            second.element("ChecksumSHA1")
        );
        let list = [(1, &first), (7, &second)].map(|(number, part)| {
            let (etag, sum) = (part.element("ETag"), part.element("ChecksumSHA1"));
            format!(
                "<Part><PartNumber>{number}</PartNumber><ETag>{}</ETag>\
                 <ChecksumSHA1>{}</ChecksumSHA1></Part>",
                etag.unwrap(),
                sum.unwrap()
            )
        });
        let list = format!(
            "<CompleteMultipartUpload>{}</CompleteMultipartUpload>",
            list.concat()
        );
        for key in ["to/b", "to/a", "other"] {
            world.begin(key, &[]).await;
        }
        world.begin("to/a", &[]).await;
        let keys = |answer: &Answer| {
            let rest = answer.text().split("<Key>").skip(1);
            let keys = rest.map(|rest| rest.split_once("</Key>").unwrap().0.to_owned());
            keys.collect::<Vec<_>>()
        };
        let all = world.get("/org-a?uploads").await;
        assert_eq!(keys(&all), ["other", "to/a", "to/a", "to/b", "to/copy"]);
        let page = world.get("/org-a?max-uploads=2&uploads").await;
        assert_eq!(keys(&page), ["other", "to/a"]);
        assert_eq!(page.element("IsTruncated"), Some("true"));
        let (key, id_marker) = (
            page.element("NextKeyMarker"),
            page.element("NextUploadIdMarker"),
        );
        let next = format!(
            "key-marker={}&upload-id-marker={}",
            escaped(key.unwrap()),
            id_marker.unwrap()
        );
        let page = world
            .get(&format!("/org-a?{}&uploads", next.replace('/', "%2F")))
            .await;
        assert_eq!(keys(&page), ["to/a", "to/b", "to/copy"]);
        let folders = world.get("/org-a?delimiter=%2F&uploads").await;
        assert_eq!(keys(&folders), ["other"]);
        assert!(
            folders
                .text()
                .contains("<CommonPrefixes><Prefix>to/</Prefix>"),
            "{}",
            folders.text()
        );
        let prefix = world.get("/org-a?prefix=to%2Fb&uploads").await;
        assert_eq!(keys(&prefix), ["to/b"]);
        let done = world
            .post(format!("{}?uploadId={id}", at("to/copy")), list)
            .await;
        assert_eq!(done.status, 200, "{}", done.text());
        let read = world.get(&at("to/copy")).await;
        assert!(read.body.iter().all(|byte| *byte == 7));
        assert_eq!(read.body.len(), (5 << 20) + 3);
        let gone = world.get(&format!("{}?uploadId={id}", at("to/copy"))).await;
        assert_eq!(gone.refusal(), (404, "NoSuchUpload"));
    }
}

#[tokio::test]
async fn an_upload_holds_its_parts_against_the_checksums_it_began_with() {
    let world = World::new(None).await;
    for (algorithm, scope) in [
        ("CRC64NVME", "COMPOSITE"),
        ("SHA256", "FULL_OBJECT"),
        ("MD5", "COMPOSITE"),
    ] {
        let kinds = [
            ("x-amz-checksum-algorithm", algorithm),
            ("x-amz-checksum-type", scope),
        ];
        let refused = world.begin("k", &kinds).await;
        assert_eq!(
            refused.status,
            400,
            "{algorithm} {scope}: {}",
            refused.text()
        );
    }
    let begun = world
        .begin("k", &[("x-amz-checksum-algorithm", "CRC32")])
        .await;
    assert_eq!(begun.header("x-amz-checksum-algorithm"), Some("CRC32"));
    assert_eq!(begun.header("x-amz-checksum-type"), Some("COMPOSITE"));
    let id = begun.element("UploadId").unwrap().to_owned();
    let put = async |headers: &[(&str, &str)]| {
        let target = format!("{}?partNumber=1&uploadId={id}", at("k"));
        let add = |plan: Plan, (name, value): &(&str, &str)| plan.header(name, *value);
        let plan = Plan::new(Method::PUT, target).body(DIGITS);
        world.signer.send(headers.iter().fold(plan, add)).await
    };
    let other = put(&[("x-amz-checksum-crc32c", "4waSgw==")]).await;
    assert_eq!(other.refusal(), (400, "InvalidRequest"));
    let wrong = put(&[("x-amz-checksum-crc32", "AAAAAA==")]).await;
    assert_eq!(wrong.refusal(), (400, "BadDigest"));
    let etag = put(&[("x-amz-checksum-crc32", "y/Q5Jg==")]).await;
    let etag = etag.header("etag").unwrap().to_owned();
    let complete = async |checksum: &str, headers: &[(&str, &str)]| {
        let body = format!(
            "<CompleteMultipartUpload><Part><PartNumber>1</PartNumber><ETag>{etag}</ETag>{checksum}\
             </Part></CompleteMultipartUpload>"
        );
        let plan = Plan::new(Method::POST, format!("{}?uploadId={id}", at("k"))).body(body);
        let add = |plan: Plan, (name, value): &(&str, &str)| plan.header(name, *value);
        world.signer.send(headers.iter().fold(plan, add)).await
    };
    let listed = "<ChecksumCRC32>y/Q5Jg==</ChecksumCRC32>";
    let missing = complete("", &[]).await;
    assert_eq!(missing.refusal(), (400, "InvalidRequest"));
    let wrong = complete("<ChecksumCRC32>AAAAAA==</ChecksumCRC32>", &[]).await;
    assert_eq!(wrong.refusal(), (400, "InvalidPart"));
    let wrong = complete(listed, &[("x-amz-checksum-crc32", "AAAAAA==")]).await;
    assert_eq!(wrong.refusal(), (400, "BadDigest"));
    let wrong = complete(listed, &[("x-amz-mp-object-size", "10")]).await;
    assert_eq!(wrong.refusal(), (400, "InvalidRequest"));
    assert_eq!(world.head(&at("k")).await.status, 404, "nothing is stored");
    // CRC32 of the CRC32, by zlib.
    let right = [
        ("x-amz-checksum-crc32", "7kxlUA=="),
        ("x-amz-mp-object-size", "9"),
    ];
    let done = complete(listed, &right).await;
    assert_eq!(done.status, 200, "{}", done.text());
    assert_eq!(done.element("ChecksumCRC32"), Some("7kxlUA==-1"));
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
