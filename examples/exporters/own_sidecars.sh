#!/usr/bin/env bash
# An exporter without bulk jobs, with curl and aws: it reads the metadata of each recording itself
# until every field is there, and puts it into the bucket as JSON of its own.
#
#   racegate judge examples/exporters/short.toml --exports s3://bucket/own/ -- \
#     bash examples/exporters/own_sidecars.sh
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

token=$(curl --silent --fail --user "$RACEGATE_CLIENT_ID:$RACEGATE_CLIENT_SECRET" \
  --data grant_type=client_credentials "$RACEGATE_LOGIN_URL/oauth/token" |
  sed 's/.*"access_token":"\([^"]*\)".*/\1/')
api() { curl --silent --header "Authorization: Bearer $token" "$@"; }
start=$(date --utc --date='5 minutes ago' +%Y-%m-%dT%H:%M:%S.000Z)

# The conversations that are over, one a line.
ended() {
  local end
  end=$(date --utc --date='5 minutes' +%Y-%m-%dT%H:%M:%S.000Z)
  api --header 'Content-Type: application/json' "$RACEGATE_API_URL/api/v2/analytics/conversations/details/query" \
    --data "{\"interval\": \"$start/$end\", \"paging\": {\"pageSize\": 100, \"pageNumber\": 1}}" |
    python3 -c 'import json, sys
for one in json.load(sys.stdin).get("conversations", []):
    if one.get("conversationEnd"): print(one["conversationId"])'
}

# Whether a recording has all that a manifest must hold.
is_complete() {
  python3 -c 'import json, sys
fields = ["legal_hold_flag", "media_type", "start_time", "end_time"]
one = json.load(open(sys.argv[1]))
one = {**one.get("metadata", {}), **one}
sys.exit(any(one.get(field) is None for field in fields))' "$1"
}

while true; do
  for conversation in $(ended); do
    [ ! -e "$work/$conversation.done" ] || continue
    recording=$(api "$RACEGATE_API_URL/api/v2/conversations/$conversation/recordingmetadata" |
      sed -n 's/^\[{"id":"\([^"]*\)".*/\1/p')
    [ -n "$recording" ] || continue
    api "$RACEGATE_API_URL/api/v2/recordings/recording/$recording" > "$work/$recording.json"
    if is_complete "$work/$recording.json"; then
      "${AWS:-aws}" s3 cp --quiet "$work/$recording.json" "s3://$RACEGATE_BUCKET/own/$recording.json"
      touch "$work/$conversation.done"
    fi
  done
  sleep 1
done
