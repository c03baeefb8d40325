"""aiortc behind a WHIP endpoint: counts what each caller sends.

Prints its URL, serves until its standard input is closed, then prints one JSON line.
"""

import asyncio
import json
import sys
import uuid

from aiohttp import web
from aiortc import RTCPeerConnection, RTCSessionDescription
from aiortc.mediastreams import MediaStreamError

peers = {}
counts = {"sessions": 0, "frames": 0, "loud": 0, "deleted": 0}


async def listen(track):
    while True:
        try:
            frame = await track.recv()
        except MediaStreamError:
            return
        counts["frames"] += 1
        data = bytes(frame.planes[0])
        peak = max(abs(int.from_bytes(data[n:n + 2], "little", signed=True))
                   for n in range(0, len(data) - 1, 2))
        counts["loud"] += peak > 1000


async def offer(request):
    if request.content_type != "application/sdp":
        return web.Response(status=415)
    peer = RTCPeerConnection()
    peer.on("track", lambda track: asyncio.ensure_future(listen(track)))
    await peer.setRemoteDescription(RTCSessionDescription(await request.text(), "offer"))
    await peer.setLocalDescription(await peer.createAnswer())
    session = str(uuid.uuid4())
    peers[session] = peer
    counts["sessions"] += 1
    headers = {"Location": f"/whip/{session}", "ETag": f'"{session}"'}
    return web.Response(status=201, content_type="application/sdp", headers=headers,
                        text=peer.localDescription.sdp)


async def hang_up(request):
    peer = peers.pop(request.match_info["session"], None)
    if peer is None:
        return web.Response(status=404)
    counts["deleted"] += 1
    await peer.close()
    return web.Response()


async def main():
    app = web.Application()
    app.router.add_post("/whip", offer)
    app.router.add_delete("/whip/{session}", hang_up)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    port = runner.addresses[0][1]
    print(f"export FOREIGN_WHIP=http://127.0.0.1:{port}/whip", flush=True)
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
    for peer in peers.values():
        await peer.close()
    await runner.cleanup()
    print(json.dumps(counts), flush=True)


asyncio.run(main())
