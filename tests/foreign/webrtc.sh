#!/usr/bin/env bash
# Softphones and servers that nobody here wrote: Chromium calls from the softphone page, Chromium and
# aiortc call the WHIP door, all of them on either stack, and aiortc is called through its own door.
# Installs by name what it needs and fails loudly when it cannot. Pictures stay in the folder named by
# WEBRTC_PICTURES, if it is set.
set -euo pipefail
cd "$(dirname "$0")/../.."
work=$(mktemp -d)
server=""
# shellcheck disable=SC2317
clean() {
  exec 3>&- 4>&- || true
  [ -z "$server" ] || kill "$server" 2>/dev/null || true
  rm -rf "$work"
}
trap clean EXIT

echo "-- installing"
missing=()
command -v chromium >/dev/null || missing+=(chromium)
command -v ffmpeg >/dev/null || missing+=(ffmpeg)
command -v opusinfo >/dev/null || missing+=(opus-tools)
command -v npm >/dev/null || missing+=(nodejs npm)
if [ ${#missing[@]} -gt 0 ]; then
  sudo=""
  [ "$(id -u)" -eq 0 ] || sudo=sudo
  $sudo apt-get update -qq
  $sudo apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
fi
cp tests/foreign/webrtc/*.mjs "$work/"
(cd "$work" && npm install --silent --no-fund --no-audit playwright-core@1)
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check aiortc aiohttp

cargo build --quiet -p mock-api --example softphone
cargo build --quiet
target=$(cargo metadata --format-version 1 --no-deps | python3 -c 'import json,sys; print(json.load(sys.stdin)["target_directory"])')

# A recording is Opus, of about the right length, and no program complains of it.
judge() {
  local file=$1 shortest=$2 longest=$3 complaints
  complaints=$(ffprobe -v warning -show_entries format=duration -of csv=p=0 "$file" 2>&1 >"$work/duration")
  [ -z "$complaints" ] || { echo "ffprobe: $complaints"; exit 1; }
  complaints=$(ffmpeg -v error -i "$file" -f null - 2>&1)
  [ -z "$complaints" ] || { echo "ffmpeg: $complaints"; exit 1; }
  opusinfo "$file" > "$work/opusinfo" 2>&1 || { cat "$work/opusinfo"; exit 1; }
  if grep -qi warning "$work/opusinfo"; then cat "$work/opusinfo"; exit 1; fi
  python3 - "$(cat "$work/duration")" "$shortest" "$longest" <<'PY'
import sys
length, shortest, longest = map(float, sys.argv[1:])
assert shortest <= length <= longest, f"{length} s, not {shortest} to {longest}"
print(f"recording of {length} s, no complaint")
PY
}

# The mock with the media on that stack.
open_doors() {
  rm -f "$work/stdin" "$work/env"
  mkfifo "$work/stdin"
  "$target/debug/examples/softphone" "$1" < "$work/stdin" > "$work/env" &
  server=$!
  exec 3> "$work/stdin"
  until grep -q READY "$work/env"; do kill -0 "$server"; read -rt 0.1 <> <(:) || true; done
  # shellcheck disable=SC1091
  source "$work/env"
}

close_doors() {
  exec 3>&-
  wait "$server"
  server=""
  tail -1 "$work/env"
}

# The page signals over its WebSocket, where the server offers.
from_the_page() {
  local beeps
  node "$work/chromium.mjs" "$SOFTPHONE_URL" "$work/chromium.ogg" "$work/page.png" 2>"$work/node.log" \
    || { cat "$work/node.log"; exit 1; }
  judge "$work/chromium.ogg" 5.5 12
  # The fake device beeps twice a second.
  beeps=$(ffmpeg -v info -i "$work/chromium.ogg" -af silencedetect=noise=-35dB:d=0.1 -f null - 2>&1 | grep -c silence_end)
  [ "$beeps" -ge 9 ] || { echo "only $beeps beeps"; exit 1; }
  echo "$beeps beeps"
  ffmpeg -v error -y -i "$work/chromium.ogg" -lavfi showspectrumpic=s=900x320:scale=log "$work/spectrogram.png"
  if [ -n "${WEBRTC_PICTURES:-}" ]; then
    mkdir -p "$WEBRTC_PICTURES"
    cp "$work/page.png" "$work/spectrogram.png" "$WEBRTC_PICTURES/"
  fi
}

trickling() {
  node "$work/chromium_whip.mjs" "$SOFTPHONE_URL" "$WHIP_URL" "$work/chromium_whip.ogg" 2>"$work/node.log" \
    || { cat "$work/node.log"; exit 1; }
  judge "$work/chromium_whip.ogg" 4.5 12
}

aiortc() {
  local loudness
  "$work/venv/bin/python" tests/foreign/webrtc/whip_client.py "$WHIP_URL" "$work/whip.ogg" "$2" "$1"
  judge "$work/whip.ogg" "$(($2 - 1))" "$(($2 + 1))"
  loudness=$(ffmpeg -i "$work/whip.ogg" -af astats=measure_perchannel=none -f null - 2>&1 | sed -n 's/.*RMS level dB: //p')
  python3 -c "assert -30 < float('$loudness') < -10, '$loudness'"
  echo "a tone of $loudness dB"
}

# What no offer is, as a program that knows HTTP meets it.
refusal() {
  local status
  status=$(curl --silent --output "$work/problem" --write-out '%{http_code}' \
    --header 'Content-Type: application/sdp' --data "$1" "$WHIP_URL")
  grep -q '"detail":"the session description' "$work/problem" && [ "$status" = 400 ] \
    || { echo "$status $(cat "$work/problem")"; exit 1; }
}

passed=0
step() {
  echo "-- $1"
  shift
  "$@"
  passed=$((passed + 1))
}

for stack in dense str0m; do
  open_doors "$stack"
  step "$stack: Chromium places a call from the softphone page" from_the_page
  step "$stack: Chromium calls by WHIP and trickles" trickling
  step "$stack: aiortc calls by WHIP" aiortc plain 5
  step "$stack: aiortc calls by WHIP and knows AES_CM only" aiortc aes-cm 3
  # aiortc does not take str0m's answer to that offer.
  [ "$stack" != dense ] || step "$stack: aiortc's tone has no path of its own" aiortc bundle-only 3
  step "$stack: garbage is refused" refusal nonsense
  for callers in dense str0m; do
    step "$stack: our generator calls our WHIP door on $callers" \
      "$target/debug/racegate" call "$WHIP_URL" --calls 3 --duration 3 --stack "$callers"
  done
  close_doors
done

echo "-- our generator calls aiortc by WHIP"
mkfifo "$work/stdin2"
"$work/venv/bin/python" tests/foreign/webrtc/whip_server.py < "$work/stdin2" > "$work/foreign" &
server=$!
exec 4> "$work/stdin2"
until grep -q FOREIGN_WHIP "$work/foreign"; do kill -0 "$server"; read -rt 0.1 <> <(:) || true; done
# shellcheck disable=SC1091
source "$work/foreign"
"$target/debug/racegate" call "$FOREIGN_WHIP" --calls 3 --duration 6
exec 4>&-
wait "$server"
server=""
tail -1 "$work/foreign" | python3 -c '
import json, sys
seen = json.load(sys.stdin)
assert seen["sessions"] == seen["deleted"] == 3, seen
assert seen["frames"] > 400 and seen["loud"] > 100, seen
print(seen)
'
echo "$((passed + 1)) passed, 0 failed"
