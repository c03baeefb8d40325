//! Uploads in parts, and what is read of them afterwards.

use bytes::Bytes;
use hyper::Method;

use crate::signer::{Answer, Plan, escaped};
use crate::{DIGITS, World, at, said};

fn parts() -> [Bytes; 2] {
    [vec![1; 5 << 20].into(), Bytes::from_static(b"tail")]
}

/// A key, the headers with which its upload begins, and its checksum: algorithm, value and type.
type Uploaded = (
    &'static str,
    &'static [(&'static str, &'static str)],
    (&'static str, &'static str, &'static str),
);

/// Uploads of [`parts`], and the checksum that their object has: by a program of its own, with
/// hashlib, zlib and CRCs from their polynomials.
const UPLOADS: [Uploaded; 4] = [
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

    pub(super) async fn begin(&self, key: &str, headers: &[(&str, &str)]) -> Answer {
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
async fn parts_are_copied_and_listed() {
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
async fn uploads_under_way_are_listed_page_by_page() {
    for world in World::both().await {
        world.begin("to/copy", &[]).await;
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
