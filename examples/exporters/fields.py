"""The same with what the forum's code lacks: every required field is looked at, gaps are capped, and
the deadline is far behind the longest lag.

    racegate judge examples/exporters/short.toml -- python3 examples/exporters/fields.py
"""

import time

from exporter import Exporter

REQUIRED = ["legal_hold_flag", "media_type", "start_time", "end_time"]
FIRST_GAP, MULTIPLIER, CAP, DEADLINE = 1.0, 1.3, 4.0, 120.0


def wait_for_fields(exporter, recording):
    began, gap = time.monotonic(), FIRST_GAP
    while time.monotonic() - began < DEADLINE:
        seen = exporter.recording(recording) or {}
        seen = {**seen.get("metadata", {}), **seen}
        if all(seen.get(field) is not None for field in REQUIRED):
            return True
        time.sleep(gap)
        gap = min(gap * MULTIPLIER, CAP)
    print(f"gave up {recording}", flush=True)
    return False


Exporter().run(wait_for_fields)
