"""The answer given in a public thread, to the letter, with the real SDK: five tries, 2**attempt
seconds after each, `state == COMPLETED` and a legal hold flag that is there.

    racegate judge examples/exporters/short.toml -- python3 examples/exporters/forum.py

It never exports anything incomplete. What takes longer than its fifth look is never exported.
"""

import time

from exporter import Exporter


def wait_for_metadata(exporter, recording, max_retries=5):
    for attempt in range(max_retries):
        seen = exporter.recording(recording)
        if seen and seen.get("state") == "COMPLETED" and seen.get("legal_hold_flag") is not None:
            return True
        time.sleep(2**attempt)
    return False


Exporter().run(wait_for_metadata)
