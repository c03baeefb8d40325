#!/usr/bin/env bash
# The example exporters, each judged on the same short scenario, with the verdict that it must get.
# Called by tests/foreign/run, which installs the SDKs and names the programs: PYTHON, NODE_PATH, AWS.
set -euo pipefail
cd "$(dirname "$0")/../.."
target=$(cargo metadata --format-version 1 --no-deps |
  python3 -c 'import json,sys; print(json.load(sys.stdin)["target_directory"])')
racegate=$target/debug/racegate
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export AWS_EC2_METADATA_DISABLED=true

# Judges a command; the name of the run comes first, then further options, then the command.
judge() {
  local name=$1
  shift
  mkdir -p "$work/$name-home"
  HOME=$work/$name-home "$racegate" judge examples/exporters/short.toml --quiet --json --out "$work/$name" "$@" \
    > "$work/$name.json" 2> "$work/$name.err" && echo 0 > "$work/$name.code" || echo $? > "$work/$name.code"
}

judge forum -- "$PYTHON" examples/exporters/forum.py &
judge fields -- "$PYTHON" examples/exporters/fields.py &
judge delay -- node examples/exporters/fixed_delay.js &
wait
judge shell --exports s3://bucket/own/ -- bash examples/exporters/own_sidecars.sh &
judge batch --exports "$work/exports" -- python3 examples/exporters/batch_request.py &
wait

failed=0
# Whether the exit code is the expected one and the judgement passes a test in Python.
verdict() {
  local name=$1 code=$2 test=$3
  if [ "$(cat "$work/$name.code")" = "$code" ] && python3 -c '
import json, sys
j = json.load(open(sys.argv[1]))
assert j["recordings"] == 30 and j["command"]["secrets_in_output"] == 0, j
assert eval(sys.argv[2]), j' "$work/$name/judge.json" "$test"; then
    echo "ok $name: exit $code"
  else
    echo "FAILED $name: exit $(cat "$work/$name.code"), expected $code and $test"
    cat "$work/$name.err" "$work/$name"/exporter.err "$work/$name"/judge.json 2>/dev/null || true
    failed=1
  fi
}
verdict forum 99 'j["broken"] == 0 and 5 <= j["never_exported"] <= 15 and j["jobs"] > 0'
verdict fields 0 'j["complete"] == 30 and j["needless_exports"] == 0'
verdict delay 99 'j["never_exported"] == 0 and 20 <= j["broken"] < 30'
verdict shell 0 'j["complete"] == 30 and j["jobs"] == 0'
verdict batch 99 'j["broken"] >= 28 and j["jobs"] == 0'
exit $failed
