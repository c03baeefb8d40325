#!/usr/bin/env bash
# The S3 endpoint as rclone sees it. Needs rclone and a mock whose S3_ENDPOINT, S3_ACCESS_KEY,
# S3_SECRET_KEY and S3_BUCKET are in the environment. Exits 0 when all is well; says what is not.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export RCLONE_CONFIG=$work/none RCLONE_CONFIG_MOCK_TYPE=s3 RCLONE_CONFIG_MOCK_PROVIDER=Minio
export RCLONE_CONFIG_MOCK_ENDPOINT=$S3_ENDPOINT RCLONE_CONFIG_MOCK_REGION=us-east-1
export RCLONE_CONFIG_MOCK_ACCESS_KEY_ID=$S3_ACCESS_KEY RCLONE_CONFIG_MOCK_SECRET_ACCESS_KEY=$S3_SECRET_KEY
export RCLONE_RETRIES=1 RCLONE_LOW_LEVEL_RETRIES=1
at=mock:$S3_BUCKET/rclone
unset AWS_CA_BUNDLE # rclone cannot take it over, and nothing here speaks TLS
fail() { echo "$*"; exit 1; }
touch "$work/none"

mkdir -p "$work/tree/a b"
head -c 12582912 /dev/urandom > "$work/tree/big"
for name in "a b/ü&<x>" "plus+plus" "percent%20" "dot."; do echo "$name" > "$work/tree/$name"; done
rclone copy --s3-upload-cutoff 5M --s3-chunk-size 5M "$work/tree" "$at/tree"
rclone check --download "$work/tree" "$at/tree" 2> "$work/log" || fail "$(cat "$work/log")"
grep -q "0 differences found" "$work/log" || fail "$(cat "$work/log")"
rclone sync "$at/tree" "$work/again"
diff -r "$work/tree" "$work/again"
echo "ok copy, check, sync"

# On the server's side: by one request, and part by part.
rclone copyto "$at/tree/plus+plus" "$at/side/plus"
rclone copyto --s3-copy-cutoff 5M "$at/tree/big" "$at/side/big"
rclone cat "$at/side/big" | cmp - "$work/tree/big"
rclone moveto "$at/side/plus" "$at/side/moved"
[ "$(rclone lsf -R --files-only "$at/side" | sort | tr '\n' ' ')" = "big moved " ] || fail "$(rclone lsf "$at/side")"
echo "ok copies of the server"

rclone copyto --header-upload "Content-Disposition: inline" --metadata-set a=b "$work/tree/dot." "$at/said" 2>/dev/null \
  || rclone copyto --header-upload "Content-Disposition: inline" "$work/tree/dot." "$at/said"
rclone backend cleanup "$at" -o max-age=0s
[ "$(rclone backend list-multipart-uploads "$at" | tr -d '[:space:]')" = "{\"$S3_BUCKET\":[]}" ] \
  || fail "$(rclone backend list-multipart-uploads "$at")"
echo "ok uploads under way"

rclone purge "$at"
[ -z "$(rclone lsf "$at" 2>/dev/null)" ] || fail "something is left"
echo "ok cleanup"
