"""The S3 endpoint as boto3 sees it. Needs boto3 and a running endpoint:

S3_ENDPOINT     URL of the endpoint, e.g. http://127.0.0.1:9000
S3_ACCESS_KEY   access key of a tenant
S3_SECRET_KEY   its secret
S3_BUCKET       its bucket (the organization id)
S3_OTHER_BUCKET a bucket of another tenant

Exits 0 when all is well; an assertion says what is not.
"""

import datetime
import hashlib
import io
import os
import urllib.error
import urllib.request

import boto3
from boto3.s3.transfer import TransferConfig
from botocore.config import Config
from botocore.exceptions import ClientError

ENDPOINT = os.environ["S3_ENDPOINT"]
BUCKET = os.environ["S3_BUCKET"]
OTHER_BUCKET = os.environ["S3_OTHER_BUCKET"]
PREFIX = "foreign-test/"


def client(secret, region="us-east-1"):
    return boto3.client(
        "s3",
        endpoint_url=ENDPOINT,
        region_name=region,
        aws_access_key_id=os.environ["S3_ACCESS_KEY"],
        aws_secret_access_key=secret,
        config=Config(
            proxies={},
            retries={"total_max_attempts": 1},
            s3={"addressing_style": "path"},
            signature_version="s3v4",
        ),
    )


def code_of(call, *args, **kwargs):
    """The error code with which a call is refused."""
    try:
        call(*args, **kwargs)
    except ClientError as error:
        return error.response["Error"]["Code"]
    raise AssertionError("the call was not refused")


def open_url(url):
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(url) as response:
        return response.read()


def buckets(s3):
    assert [bucket["Name"] for bucket in s3.list_buckets()["Buckets"]] == [BUCKET]
    s3.head_bucket(Bucket=BUCKET)
    s3.create_bucket(Bucket=BUCKET)
    s3.get_bucket_location(Bucket=BUCKET)


def objects(s3):
    key = PREFIX + "year=2026/month=3/a b+ü.opus"
    body = b"0123456789"
    put = s3.put_object(
        Bucket=BUCKET, Key=key, Body=body, ContentType="audio/ogg", Metadata={"clip": "7"}
    )
    assert put["ETag"] == '"%s"' % hashlib.md5(body).hexdigest()
    head = s3.head_object(Bucket=BUCKET, Key=key)
    assert (head["ContentLength"], head["ContentType"]) == (10, "audio/ogg")
    assert head["Metadata"] == {"clip": "7"}
    assert s3.get_object(Bucket=BUCKET, Key=key)["Body"].read() == body
    part = s3.get_object(Bucket=BUCKET, Key=key, Range="bytes=2-4")
    assert part["ResponseMetadata"]["HTTPStatusCode"] == 206
    assert (part["ContentRange"], part["Body"].read()) == ("bytes 2-4/10", b"234")
    assert code_of(s3.get_object, Bucket=BUCKET, Key=key, Range="bytes=10-") == "InvalidRange"
    assert code_of(s3.get_object, Bucket=BUCKET, Key=key + "x") == "NoSuchKey"
    refused = code_of(
        s3.put_object, Bucket=BUCKET, Key=key, Body=body, ContentMD5="1B2M2Y8AsgTpgAmY7PhCfg=="
    )
    assert refused == "BadDigest", refused
    s3.copy_object(
        Bucket=BUCKET, Key=PREFIX + "copy", CopySource={"Bucket": BUCKET, "Key": key}
    )
    assert s3.get_object(Bucket=BUCKET, Key=PREFIX + "copy")["Metadata"] == {"clip": "7"}
    s3.delete_object(Bucket=BUCKET, Key=key)
    assert code_of(s3.head_object, Bucket=BUCKET, Key=key) == "404"


def listing(s3):
    keys = [PREFIX + "list/%02d/é&<x>" % number for number in range(25)]
    for key in keys:
        s3.put_object(Bucket=BUCKET, Key=key, Body=b"x")
    for operation in ("list_objects_v2", "list_objects"):
        paginator = s3.get_paginator(operation)
        pages = paginator.paginate(
            Bucket=BUCKET, Prefix=PREFIX + "list/", PaginationConfig={"PageSize": 10}
        )
        pages = [page["Contents"] for page in pages]
        assert [len(page) for page in pages] == [10, 10, 5], operation
        assert [found["Key"] for page in pages for found in page] == keys, operation
        pages = paginator.paginate(
            Bucket=BUCKET,
            Prefix=PREFIX + "list/",
            Delimiter="/",
            PaginationConfig={"PageSize": 10},
        )
        folders = [found["Prefix"] for page in pages for found in page["CommonPrefixes"]]
        assert folders == [key.rsplit("/", 1)[0] + "/" for key in keys], operation
    refused = code_of(s3.list_objects_v2, Bucket=BUCKET, ContinuationToken="zz")
    assert refused == "InvalidArgument", refused


def multipart(s3):
    body = bytes(range(256)) * (12 * 1024 * 4)
    key = PREFIX + "big"
    config = TransferConfig(multipart_threshold=1 << 20, multipart_chunksize=5 << 20)
    s3.upload_fileobj(io.BytesIO(body), BUCKET, key, Config=config)
    assert s3.head_object(Bucket=BUCKET, Key=key)["ETag"].endswith('-3"')
    read = io.BytesIO()
    s3.download_fileobj(BUCKET, key, read, Config=config)
    assert read.getvalue() == body
    upload = s3.create_multipart_upload(Bucket=BUCKET, Key=key)["UploadId"]
    this = {"Bucket": BUCKET, "Key": key, "UploadId": upload}
    part = s3.upload_part(PartNumber=1, Body=b"x", **this)
    listed = {"Parts": [{"PartNumber": 1, "ETag": '"0"'}]}
    refused = code_of(s3.complete_multipart_upload, MultipartUpload=listed, **this)
    assert refused == "InvalidPart", refused
    listed = {"Parts": [{"PartNumber": 1, "ETag": part["ETag"]}]}
    s3.abort_multipart_upload(**this)
    refused = code_of(s3.complete_multipart_upload, MultipartUpload=listed, **this)
    assert refused == "NoSuchUpload", refused


def checksums(s3):
    """What is sent is verified, kept and returned, by every algorithm that botocore computes."""
    for algorithm in ("CRC32", "SHA1", "SHA256"):
        key = PREFIX + "sum/" + algorithm
        field = "Checksum" + algorithm
        put = s3.put_object(Bucket=BUCKET, Key=key, Body=b"123456789", ChecksumAlgorithm=algorithm)
        head = s3.head_object(Bucket=BUCKET, Key=key, ChecksumMode="ENABLED")
        assert put[field] == head[field] and head["ChecksumType"] == "FULL_OBJECT", head
        # botocore verifies what it reads.
        assert s3.get_object(Bucket=BUCKET, Key=key)["Body"].read() == b"123456789"
    for field, right in (
        ("ChecksumCRC32", "y/Q5Jg=="),
        ("ChecksumCRC32C", "4waSgw=="),
        ("ChecksumCRC64NVME", "rosUhgp5mIg="),
        ("ChecksumSHA1", "98O8HYCOBHMq32eZZczDTKeuNEE="),
        ("ChecksumSHA256", "FeKw08M4keuw8e9gnsQZQgwg4yDOlMZfvIwzEkSOsiU="),
    ):
        key = PREFIX + "sum/" + field
        s3.put_object(Bucket=BUCKET, Key=key, Body=b"123456789", **{field: right})
        head = s3.head_object(Bucket=BUCKET, Key=key, ChecksumMode="ENABLED")
        assert head[field] == right, head
        refused = code_of(
            s3.put_object, Bucket=BUCKET, Key=key + "?", Body=b"12345678?", **{field: right}
        )
        assert refused == "BadDigest", refused
        assert code_of(s3.head_object, Bucket=BUCKET, Key=key + "?") == "404"
    attributes = s3.get_object_attributes(
        Bucket=BUCKET,
        Key=PREFIX + "sum/SHA1",
        ObjectAttributes=["ETag", "Checksum", "ObjectSize", "StorageClass"],
    )
    assert attributes["ObjectSize"] == 9 and "ChecksumSHA1" in attributes["Checksum"], attributes


def metadata(s3):
    """System metadata stays; user metadata has a bound."""
    said = {
        "CacheControl": "max-age=60",
        "ContentDisposition": 'attachment; filename="a b.opus"',
        "ContentEncoding": "gzip",
        "ContentLanguage": "de",
        "ContentType": "audio/ogg",
        "Expires": datetime.datetime(2030, 1, 2, tzinfo=datetime.timezone.utc),
    }
    key = PREFIX + "said"
    s3.put_object(Bucket=BUCKET, Key=key, Body=b"x", Metadata={"a": "b"}, **said)
    source = {"Bucket": BUCKET, "Key": key}
    s3.copy_object(Bucket=BUCKET, Key=key + "-copy", CopySource=source)
    upload = s3.create_multipart_upload(Bucket=BUCKET, Key=key + "-parts", **said)["UploadId"]
    this = {"Bucket": BUCKET, "Key": key + "-parts", "UploadId": upload}
    etag = s3.upload_part(PartNumber=1, Body=b"x", **this)["ETag"]
    s3.complete_multipart_upload(
        MultipartUpload={"Parts": [{"PartNumber": 1, "ETag": etag}]}, **this
    )
    for name in (key, key + "-copy", key + "-parts"):
        head = s3.head_object(Bucket=BUCKET, Key=name)
        assert {field: head.get(field) for field in said} == said, head
    refused = code_of(
        s3.put_object, Bucket=BUCKET, Key=key, Body=b"", Metadata={"a": "v" * 2048}
    )
    assert refused == "MetadataTooLarge", refused


def parts(s3):
    """Uploads and their parts are listed, copied and read one by one."""
    key = PREFIX + "parts"
    s3.put_object(Bucket=BUCKET, Key=key + "-source", Body=bytes(6 << 20))
    upload = s3.create_multipart_upload(Bucket=BUCKET, Key=key, ChecksumAlgorithm="SHA256")
    this = {"Bucket": BUCKET, "Key": key, "UploadId": upload["UploadId"]}
    open_uploads = s3.list_multipart_uploads(Bucket=BUCKET, Prefix=PREFIX)["Uploads"]
    assert [found["UploadId"] for found in open_uploads] == [this["UploadId"]], open_uploads
    source = {"Bucket": BUCKET, "Key": key + "-source"}
    first = s3.upload_part_copy(
        PartNumber=1, CopySource=source, CopySourceRange="bytes=0-5242879", **this
    )["CopyPartResult"]
    second = s3.upload_part(PartNumber=2, Body=b"tail", ChecksumAlgorithm="SHA256", **this)
    listed = s3.list_parts(**this)["Parts"]
    assert [(part["PartNumber"], part["Size"]) for part in listed] == [(1, 5 << 20), (2, 4)]
    complete = [
        {"PartNumber": 1, "ETag": first["ETag"], "ChecksumSHA256": first["ChecksumSHA256"]},
        {"PartNumber": 2, "ETag": second["ETag"], "ChecksumSHA256": second["ChecksumSHA256"]},
    ]
    done = s3.complete_multipart_upload(MultipartUpload={"Parts": complete}, **this)
    assert done["ChecksumSHA256"].endswith("-2") and done["ChecksumType"] == "COMPOSITE", done
    part = s3.get_object(Bucket=BUCKET, Key=key, PartNumber=2)
    assert (part["Body"].read(), part["PartsCount"]) == (b"tail", 2)
    head = s3.head_object(Bucket=BUCKET, Key=key, PartNumber=1)
    assert head["ContentLength"] == 5 << 20, head
    refused = code_of(s3.get_object, Bucket=BUCKET, Key=key, PartNumber=3)
    assert refused == "InvalidPartNumber", refused
    assert "Uploads" not in s3.list_multipart_uploads(Bucket=BUCKET, Prefix=PREFIX)


def presigned(s3):
    s3.put_object(Bucket=BUCKET, Key=PREFIX + "signed", Body=b"signed")
    target = {"Bucket": BUCKET, "Key": PREFIX + "signed"}
    url = s3.generate_presigned_url("get_object", Params=target, ExpiresIn=60)
    assert open_url(url) == b"signed"
    for wrong in (url.replace("foreign-test", "foreign-tesu"), url.split("?")[0]):
        try:
            open_url(wrong)
            raise AssertionError("the URL was not refused")
        except urllib.error.HTTPError as error:
            assert error.code == 403, error.code


def refusals(s3):
    stranger = client("wrong")
    assert code_of(stranger.list_buckets) == "SignatureDoesNotMatch"
    assert code_of(stranger.get_object, Bucket=BUCKET, Key="k") == "SignatureDoesNotMatch"
    assert code_of(s3.list_objects_v2, Bucket=OTHER_BUCKET) == "AccessDenied"
    assert code_of(s3.list_objects_v2, Bucket="no-such-bucket") == "NoSuchBucket"
    assert code_of(s3.get_object, Bucket="no-such-bucket", Key="k") == "NoSuchBucket"
    elsewhere = client(os.environ["S3_SECRET_KEY"], region="eu-west-1")
    refused = code_of(elsewhere.list_buckets)
    assert refused == "AuthorizationHeaderMalformed", refused
    assert code_of(s3.get_object, Bucket=OTHER_BUCKET, Key="k") == "AccessDenied"
    source = {"Bucket": OTHER_BUCKET, "Key": "k"}
    refused = code_of(s3.copy_object, Bucket=BUCKET, Key="k", CopySource=source)
    assert refused == "AccessDenied", refused
    assert code_of(s3.put_bucket_tagging, Bucket=BUCKET, Tagging={"TagSet": []}) == (
        "NotImplemented"
    )


def cleanup(s3):
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket=BUCKET, Prefix=PREFIX)
    for page in pages:
        found = [{"Key": entry["Key"]} for entry in page.get("Contents", [])]
        if found:
            s3.delete_objects(Bucket=BUCKET, Delete={"Objects": found})
    assert s3.list_objects_v2(Bucket=BUCKET, Prefix=PREFIX)["KeyCount"] == 0


def main():
    s3 = client(os.environ["S3_SECRET_KEY"])
    steps = (buckets, objects, checksums, metadata, listing, multipart, parts)
    for step in steps + (presigned, refusals, cleanup):
        step(s3)
        print("ok", step.__name__)


if __name__ == "__main__":
    main()
