"""aiortc as a WHIP client: offers a tone, waits, hangs up, fetches the recording.

Usage: whip_client.py WHIP_URL RECORDING SECONDS [FLAVOUR]

FLAVOUR is `plain`, `aes-cm` (no other encryption, and it would hear us too) or `bundle-only` (the tone
has no path but that of pictures, which are not sent).
"""

import asyncio
import sys
from urllib.parse import urljoin

import aiohttp
from aiortc import RTCPeerConnection, RTCSessionDescription, rtcdtlstransport
from aiortc.mediastreams import AudioStreamTrack
from av import AudioFrame
import fractions
import math
import struct


class Tone(AudioStreamTrack):
    """440 Hz in 20 ms frames; the base class paces them."""

    position = 0

    async def recv(self):
        silence = await super().recv()
        samples = silence.samples
        rate = silence.sample_rate
        at = range(self.position, self.position + samples)
        wave = [int(9000 * math.sin(2 * math.pi * 440 * n / rate)) for n in at]
        self.position += samples
        frame = AudioFrame(format="s16", layout="mono", samples=samples)
        frame.planes[0].update(struct.pack(f"<{samples}h", *wave))
        frame.pts = silence.pts
        frame.sample_rate = rate
        frame.time_base = fractions.Fraction(1, rate)
        return frame


def bundle_only(sdp):
    """The same offer, with the sound on the path of the pictures."""
    head, *sections = sdp.split("m=")
    video, audio = sections
    kept = [line for line in audio.splitlines(keepends=True)
            if not line.startswith(("a=candidate", "a=end-of", "a=ice-", "a=fingerprint", "a=setup"))]
    port = kept[0].split(" ")
    kept[0] = " ".join([port[0], "0", *port[2:]])
    return "m=".join([head, video, "".join(kept) + "a=bundle-only\r\n"])


async def main(url, path, seconds, flavour="plain"):
    if flavour == "aes-cm":
        rtcdtlstransport.SRTP_PROFILES[:] = [
            each for each in rtcdtlstransport.SRTP_PROFILES if b"AES128_CM" in each.openssl_profile
        ]
        assert len(rtcdtlstransport.SRTP_PROFILES) == 1, rtcdtlstransport.SRTP_PROFILES
    peer = RTCPeerConnection()
    connected = asyncio.Event()

    @peer.on("connectionstatechange")
    def changed():
        if peer.connectionState == "connected":
            connected.set()

    if flavour == "bundle-only":
        peer.addTransceiver("video", direction="inactive")
    peer.addTransceiver(Tone(), direction="sendrecv" if flavour == "aes-cm" else "sendonly")
    await peer.setLocalDescription(await peer.createOffer())
    offer = peer.localDescription.sdp
    if flavour == "bundle-only":
        offer = bundle_only(offer)
    async with aiohttp.ClientSession() as http:
        headers = {"Content-Type": "application/sdp"}
        async with http.post(url, data=offer, headers=headers) as answer:
            body = await answer.text()
            assert answer.status == 201, (answer.status, body)
            session = urljoin(url, answer.headers["Location"])
            etag = answer.headers["ETag"]
            conversation = answer.headers["Conversation-Id"]
        await peer.setRemoteDescription(RTCSessionDescription(body, "answer"))
        await asyncio.wait_for(connected.wait(), 20)
        fragment = {"Content-Type": "application/trickle-ice-sdpfrag", "If-Match": etag}
        async with http.patch(session, data="a=end-of-candidates\r\n", headers=fragment) as answer:
            assert answer.status == 204, answer.status
        await asyncio.sleep(seconds)
        async with http.delete(session) as answer:
            assert answer.status == 200, answer.status
        async with http.delete(session) as answer:
            assert answer.status == 404, answer.status
        await peer.close()
        for _ in range(20):
            async with http.get(urljoin(url, f"/softphone/recordings/{conversation}")) as answer:
                if answer.status == 200:
                    with open(path, "wb") as file:
                        file.write(await answer.read())
                    print(f"conversation {conversation} recorded")
                    return
            await asyncio.sleep(0.25)
        raise SystemExit("no recording")


asyncio.run(main(sys.argv[1], sys.argv[2], float(sys.argv[3]), *sys.argv[4:]))
