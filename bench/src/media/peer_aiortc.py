"""aiortc at both ends of some sessions, as cheap as it can be: canned packets, no encoder, no jitter buffer, no decoder.

Needs aiortc (PyPI). Arguments: sessions, seconds. Prints one JSON object.
"""

import asyncio
import fractions
import json
import sys
import time

import av
from aiortc import MediaStreamTrack, RTCPeerConnection
from aiortc.rtcrtpreceiver import RTCRtpReceiver

received = 0


async def count(self, packet, arrival_time_ms):
    """In place of the receiver's jitter buffer and decoder."""
    global received
    received += 1


RTCRtpReceiver._handle_rtp_packet = count


class Canned(MediaStreamTrack):
    """A packet of 120 bytes every 20 ms, on an absolute schedule."""

    kind = "audio"

    def __init__(self):
        super().__init__()
        self.frame = 0
        self.start = None

    async def recv(self):
        self.start = self.start or time.monotonic()
        due = self.start + self.frame * 0.02
        await asyncio.sleep(max(0, due - time.monotonic()))
        packet = av.Packet(bytes([9 << 3]) + bytes(119))
        packet.pts = self.frame * 960
        packet.time_base = fractions.Fraction(1, 48000)
        self.frame += 1
        return packet


async def call():
    caller, server = RTCPeerConnection(), RTCPeerConnection()
    track = Canned()
    caller.addTrack(track)
    await caller.setLocalDescription(await caller.createOffer())
    await server.setRemoteDescription(caller.localDescription)
    await server.setLocalDescription(await server.createAnswer())
    await caller.setRemoteDescription(server.localDescription)
    while caller.connectionState != "connected" or server.connectionState != "connected":
        await asyncio.sleep(0.01)
    return caller, server, track


async def main(sessions, seconds):
    began = time.monotonic()
    calls = [await call() for _ in range(sessions)]
    set_up = time.monotonic() - began
    await asyncio.sleep(1)
    sent = lambda: sum(track.frame for _, _, track in calls)
    sent_before, heard_before, cpu = sent(), received, time.process_time()
    await asyncio.sleep(seconds)
    used, packets, heard = time.process_time() - cpu, sent() - sent_before, received - heard_before
    print(json.dumps({
        "sessions": sessions,
        "setups_per_s": round(sessions / set_up, 1),
        "us_per_packet": round(used * 1e6 / max(heard, 1), 1),
        "sent": packets,
        "received": heard,
    }))
    for caller, server, _ in calls:
        await caller.close()
        await server.close()


asyncio.run(main(int(sys.argv[1]), float(sys.argv[2])))
