#!/usr/bin/env bash
# The simulator is the same, bit for bit, on other targets: builds the pinned-hash tests for each
# and runs them. `tests/foreign/targets.sh [TARGET…]`; by default two with another C library, one of
# them with 32-bit pointers. Needs rustup, and for aarch64 or wasm32 the emulators that it names.
# Fails loudly when it cannot.
set -euo pipefail
cd "$(dirname "$0")/../.."

[ $# -gt 0 ] || set -- x86_64-unknown-linux-musl i686-unknown-linux-musl
command -v rustup >/dev/null || { echo "targets: rustup is missing; see https://rustup.rs" >&2; exit 1; }

# The linker that comes with Rust links what is pure Rust for any of these.
runner() {
  case "$1" in
    x86_64-*|i686-*) echo "" ;;
    aarch64-*)
      command -v qemu-aarch64-static >/dev/null ||
        { echo "targets: $1 needs qemu-aarch64-static (apt-get install qemu-user-static)" >&2; exit 1; }
      echo qemu-aarch64-static ;;
    wasm32-wasip1)
      command -v wasmtime >/dev/null ||
        { echo "targets: $1 needs wasmtime (https://wasmtime.dev)" >&2; exit 1; }
      echo "wasmtime run" ;;
    *) echo "targets: nobody knows how to run $1" >&2; exit 1 ;;
  esac
}

passed=0
for target in "$@"; do
  echo "-- $target"
  run=$(runner "$target")
  rustup target add "$target" || { echo "targets: $target cannot be installed" >&2; exit 1; }
  upper=$(echo "$target" | tr 'a-z-' 'A-Z_')
  if [ -n "$run" ]; then export "CARGO_TARGET_${upper}_RUNNER=$run"; fi
  case "$target" in
    *-musl) export "CARGO_TARGET_${upper}_LINKER=rust-lld" ;;
  esac
  skip=()
  # It has no threads.
  case "$target" in wasm32-*) skip=(-- --skip threads_change_nothing) ;; esac
  cargo test --quiet --release -p racegate-model --target "$target" --test determinism "${skip[@]}"
  passed=$((passed + 1))
done
echo "$passed targets passed, 0 failed"
