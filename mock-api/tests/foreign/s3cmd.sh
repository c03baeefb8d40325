#!/usr/bin/env bash
# The S3 endpoint as s3cmd sees it. Needs s3cmd and a mock whose S3_ENDPOINT, S3_ACCESS_KEY,
# S3_SECRET_KEY and S3_BUCKET are in the environment. Exits 0 when all is well; says what is not.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
host=${S3_ENDPOINT#http://}
cat > "$work/config" <<END
[default]
access_key = $S3_ACCESS_KEY
secret_key = $S3_SECRET_KEY
host_base = $host
host_bucket = $host
bucket_location = us-east-1
use_https = False
signature_v2 = False
END
s3cmd() { command s3cmd --config "$work/config" --no-progress --quiet "$@"; }
said() { command s3cmd --config "$work/config" --no-progress "$@"; }
fail() { echo "$*"; exit 1; }
at=s3://$S3_BUCKET/s3cmd

head -c 12582912 /dev/urandom > "$work/big"
mkdir -p "$work/tree/a b"
for name in "a b/ü&<x>" "plus+plus" "percent%20"; do echo "$name" > "$work/tree/$name"; done
s3cmd put --multipart-chunk-size-mb=5 "$work/big" "$at/big"
s3cmd get "$at/big" "$work/big-again"
cmp "$work/big" "$work/big-again"
s3cmd sync "$work/tree/" "$at/tree/"
s3cmd sync "$at/tree/" "$work/again/"
diff -r "$work/tree" "$work/again"
echo "ok put, get, sync"

s3cmd put --add-header="Cache-Control: max-age=60" --add-header="x-amz-meta-a: b" "$work/tree/plus+plus" "$at/said"
s3cmd cp "$at/said" "$at/copied"
s3cmd modify --add-header="Content-Disposition: inline" "$at/copied"
said info "$at/copied" > "$work/info"
grep -q "x-amz-meta-a: *b" "$work/info" || fail "$(cat "$work/info")"
s3cmd mv "$at/copied" "$at/moved"
[ "$(said ls "$at/" | wc -l)" -eq 4 ] || fail "$(said ls "$at/")"
echo "ok copy, modify, move"

[ -z "$(said multipart "s3://$S3_BUCKET" | grep s3cmd || true)" ] || fail "$(said multipart "s3://$S3_BUCKET")"
s3cmd del --recursive --force "$at/"
[ -z "$(said ls --recursive "$at/")" ] || fail "something is left"
if said get "$at/none" "$work/none" 2> "$work/log"; then fail "got what is not there"; fi
grep -q "404\|NoSuchKey\|does not exist" "$work/log" || fail "$(cat "$work/log")"
echo "ok uploads, cleanup, refusals"
