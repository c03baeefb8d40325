#!/usr/bin/env bash
# The S3 endpoint as the `aws` command line sees it. Needs the `aws` command (AWS), curl, and a mock
# whose S3_ENDPOINT, S3_ACCESS_KEY, S3_SECRET_KEY, S3_BUCKET and S3_OTHER_BUCKET are in the
# environment. Exits 0 when all is well; says what is not.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export AWS_ACCESS_KEY_ID=$S3_ACCESS_KEY AWS_SECRET_ACCESS_KEY=$S3_SECRET_KEY
export AWS_CONFIG_FILE=$work/config AWS_PAGER=
export AWS_DEFAULT_REGION=us-east-1 AWS_EC2_METADATA_DISABLED=true AWS_MAX_ATTEMPTS=1
"${AWS:-aws}" configure set default.s3.signature_version s3v4
bucket=s3://$S3_BUCKET/aws-cli

aws() { "${AWS:-aws}" --endpoint-url "$S3_ENDPOINT" "$@"; }
fail() { echo "$*"; exit 1; }

# What is refused, and the code with which it must be.
refused() {
  local code=$1
  shift
  if "$@" > "$work/out" 2> "$work/err"; then fail "not refused: $*"; fi
  grep -q "($code)" "$work/err" || fail "refused otherwise than with $code: $(cat "$work/err")"
}

head -c 20971520 /dev/urandom > "$work/big"
head -c 1000 "$work/big" > "$work/small"

aws s3 cp --quiet "$work/big" "$bucket/big"
aws s3 cp --quiet "$bucket/big" "$work/big-again"
cmp "$work/big" "$work/big-again"
etag=$(aws s3api head-object --bucket "$S3_BUCKET" --key aws-cli/big --query ETag --output text)
case $etag in *-3\"|*-3) ;; *) fail "20 MB were not put in three parts: $etag" ;; esac
echo "ok multipart"

aws s3api get-object --bucket "$S3_BUCKET" --key aws-cli/big --range bytes=1000-1999 \
  "$work/range" > "$work/answer"
cmp --ignore-initial=1000:0 --bytes=1000 "$work/big" "$work/range"
[ "$(wc -c < "$work/range")" -eq 1000 ]
grep -q '"bytes 1000-1999/20971520"' "$work/answer" || fail "$(cat "$work/answer")"
refused InvalidRange aws s3api get-object --bucket "$S3_BUCKET" --key aws-cli/big \
  --range bytes=20971520- "$work/range"
echo "ok range"

# Copies within the bucket, part by part and by one request, which keeps what was said.
aws configure set default.s3.multipart_threshold 8MB
aws s3 cp --quiet "$bucket/big" "$bucket/copied"
aws s3 cp --quiet "$bucket/copied" "$work/copied"
cmp "$work/big" "$work/copied"
aws s3 cp --quiet --content-disposition inline --metadata a=b "$work/small" "$bucket/said"
aws s3 cp --quiet "$bucket/said" "$bucket/said-again"
aws s3api head-object --bucket "$S3_BUCKET" --key aws-cli/said-again --checksum-mode ENABLED \
  > "$work/answer"
for expected in '"ContentDisposition": "inline"' '"a": "b"' '"Checksum'; do
  grep -q -- "$expected" "$work/answer" || fail "no $expected in $(cat "$work/answer")"
done
upload=$(aws s3api create-multipart-upload --bucket "$S3_BUCKET" --key aws-cli/open \
  --query UploadId --output text)
listed=$(aws s3api list-multipart-uploads --bucket "$S3_BUCKET" --query 'Uploads[].UploadId' --output text)
[ "$listed" = "$upload" ] || fail "uploads: $listed"
aws s3api upload-part --bucket "$S3_BUCKET" --key aws-cli/open --upload-id "$upload" --part-number 1 \
  --body "$work/small" --checksum-algorithm CRC32 > /dev/null
listed=$(aws s3api list-parts --bucket "$S3_BUCKET" --key aws-cli/open --upload-id "$upload" \
  --query 'Parts[].Size' --output text)
[ "$listed" = 1000 ] || fail "parts: $listed"
aws s3api abort-multipart-upload --bucket "$S3_BUCKET" --key aws-cli/open --upload-id "$upload"
refused BadDigest aws s3api put-object --bucket "$S3_BUCKET" --key aws-cli/bad --body "$work/small" \
  --checksum-sha256 47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=
refused 404 aws s3api head-object --bucket "$S3_BUCKET" --key aws-cli/bad
echo "ok integrity"

mkdir -p "$work/tree/a b/c"
for name in "a b/ü&<x>.txt" "a b/c/1" "plus+plus" "percent%20"; do
  cp "$work/small" "$work/tree/$name"
done
aws s3 sync --quiet "$work/tree" "$bucket/tree"
[ "$(aws s3 ls --recursive "$bucket/tree/" | wc -l)" -eq 4 ] || fail "not four objects"
aws s3 sync --quiet "$bucket/tree" "$work/tree-again"
diff -r "$work/tree" "$work/tree-again"
[ -z "$(aws s3 sync "$work/tree" "$bucket/tree")" ] || fail "a second sync found work"
echo "ok sync"

# A key is a name, not a path: it leads nowhere.
aws s3api put-object --bucket "$S3_BUCKET" --key "aws-cli/../../etc/passwd" --body "$work/small" \
  > /dev/null
aws s3api get-object --bucket "$S3_BUCKET" --key "aws-cli/../../etc/passwd" "$work/odd" > /dev/null
cmp "$work/small" "$work/odd"
refused NoSuchKey aws s3api get-object --bucket "$S3_BUCKET" --key etc/passwd "$work/odd"
for path in "/$S3_BUCKET/../$S3_OTHER_BUCKET/x" "/../../etc/passwd" "/$S3_BUCKET/%2e%2e/%2e%2e/x"; do
  status=$(curl --silent --path-as-is --output "$work/out" --write-out '%{http_code}' \
    "$S3_ENDPOINT$path")
  [ "$status" -ge 400 ] && [ "$status" -lt 500 ] || fail "$path: $status"
done
echo "ok traversal"

url=$(aws s3 presign "$bucket/tree/plus+plus" --expires-in 60)
curl --silent --fail --output "$work/signed" "$url"
cmp "$work/small" "$work/signed"
flipped=$([ "${url: -1}" = 0 ] && echo 1 || echo 0)
for wrong in "${url%?}$flipped" "${url/tree/trees}" "${url%%\?*}"; do
  status=$(curl --silent --output "$work/out" --write-out '%{http_code}' "$wrong")
  [ "$status" -eq 403 ] || fail "$wrong: $status"
done
echo "ok presign"

AWS_SECRET_ACCESS_KEY=wrong refused SignatureDoesNotMatch aws s3api list-buckets
AWS_ACCESS_KEY_ID=nobody refused InvalidAccessKeyId aws s3api list-buckets
refused AccessDenied aws s3api list-objects-v2 --bucket "$S3_OTHER_BUCKET"
refused NoSuchKey aws s3api get-object --bucket "$S3_BUCKET" --key nothing "$work/odd"
refused NoSuchBucket aws s3api list-objects-v2 --bucket no-such-bucket
AWS_DEFAULT_REGION=eu-west-1 refused AuthorizationHeaderMalformed aws s3api list-buckets
echo "ok refusals"

aws s3 rm --quiet --recursive "$bucket/"
[ -z "$(aws s3 ls --recursive "$bucket/" || true)" ] || fail "something is left"
echo "ok cleanup"
