"""Notification channels as a WebSocket library sees them that nobody here wrote: `websockets`.

Needs websockets, and a mock whose addresses and credentials are in the environment
(`cargo run -p mock-api --example everything` prints them). Exits 0 when all is well.
"""

import asyncio
import base64
import json
import os
import urllib.error
import urllib.request

import websockets

API = os.environ["API_URL"]


def call(method, path, body=None, token=None):
    """The body of an answer."""
    headers = {"Content-Type": "application/json"}
    if token:
        headers["Authorization"] = "Bearer " + token
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(API + path, data=data, headers=headers, method=method)
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(request) as answer:
        text = answer.read()
    return json.loads(text) if text else None


def log_in():
    pair = os.environ["CLIENT_ID"] + ":" + os.environ["CLIENT_SECRET"]
    request = urllib.request.Request(
        API + "/oauth/token",
        data=b"grant_type=client_credentials",
        headers={"Authorization": "Basic " + base64.b64encode(pair.encode()).decode()},
    )
    with urllib.request.urlopen(request) as answer:
        return json.loads(answer.read())["access_token"]


def channel_of(token, topics):
    channel = call("POST", "/api/v2/notifications/channels", token=token)
    path = f"/api/v2/notifications/channels/{channel['id']}/subscriptions"
    call("POST", path, [{"id": topic} for topic in topics], token=token)
    return channel


async def receive(socket):
    return json.loads(await asyncio.wait_for(socket.recv(), 20))


async def events(token, me):
    """Every call that ends is told of, and then its recording."""
    topics = [
        f"v2.users.{me}.conversations",
        f"v2.users.{me}.conversations.{{id}}.recordings",
        "v2.detail.events.conversation.{id}.customer.end",
        "v2.analytics.conversations.details.jobs.availability",
    ]
    channel = channel_of(token, topics)
    seen = {}
    async with websockets.connect(channel["connectUri"]) as socket:
        while len(seen) < 4:
            frame = await receive(socket)
            assert frame["version"] == "2" and frame["metadata"]["CorrelationId"], frame
            name, body = frame["topicName"], frame["eventBody"]
            if name.endswith(".recordings"):
                assert body["fileState"] == "AVAILABLE", body
                assert body["conversationId"] in name, frame
                listed = f"/api/v2/conversations/{body['conversationId']}/recordings"
                assert call("GET", listed, token=token)[0]["id"] == body["id"]
                seen["recording"] = body
            elif name.endswith(".customer.end"):
                assert body["mediaType"] == "VOICE" and body["conversationId"] in name, frame
                seen["end"] = body
            elif name.endswith(".availability"):
                seen["watermark"] = body["dataAvailabilityDate"]
            else:
                assert name == f"v2.users.{me}.conversations", name
                seen["conversation"] = body
    print("ok events")


async def one_conversation(token, me):
    """A topic of one conversation tells of no other, whoever talks meanwhile."""
    query = {"interval": "2020-01-01/2100-01-01", "order": "desc"}
    page = call("POST", "/api/v2/analytics/conversations/details/query", query, token)
    running = [c for c in page["conversations"] if "conversationEnd" not in c]
    while not running:
        await asyncio.sleep(0.05)
        page = call("POST", "/api/v2/analytics/conversations/details/query", query, token)
        running = [c for c in page["conversations"] if "conversationEnd" not in c]
    one = running[0]["conversationId"]
    channel = channel_of(token, [f"v2.detail.events.conversation.{one}.customer.end"])
    async with websockets.connect(channel["connectUri"]) as socket:
        try:
            frame = json.loads(await asyncio.wait_for(socket.recv(), 2))
            assert frame["eventBody"]["conversationId"] == one, frame
        except asyncio.TimeoutError:
            pass  # It ended before the channel was open: delivered at most once.
    print("ok one_conversation")


async def pings_and_limits(token, me):
    channel = channel_of(token, ["channel.metadata"])
    async with websockets.connect(channel["connectUri"]) as socket:
        await socket.send('{"message": "ping"}')
        assert (await receive(socket))["eventBody"] == {"message": "pong"}
        await socket.send("nonsense")
        await socket.send(b"\x00\xff")
        await socket.send('{"message": "ping"}')
        assert (await receive(socket))["topicName"] == "channel.metadata"
        async with websockets.connect(channel["connectUri"]) as second:
            closing = await receive(socket)
            assert closing["topicName"] == "v2.system.socket_closing", closing
            try:
                await receive(socket)
                raise AssertionError("the first connection goes on")
            except websockets.ConnectionClosedOK:
                pass
            await second.send('{"message": "ping"}')
            assert (await receive(second))["eventBody"] == {"message": "pong"}
            await second.send("x" * (1 << 20))
            try:
                while True:
                    await receive(second)
            except websockets.ConnectionClosed:
                pass
    print("ok pings_and_limits")


async def eviction(token, me):
    """The twenty-first channel pushes out one that nobody is connected to."""
    first = channel_of(token, [])
    async with websockets.connect(first["connectUri"]) as socket:
        others = [channel_of(token, []) for _ in range(20)]
        await socket.send('{"message": "ping"}')
        assert (await receive(socket))["eventBody"] == {"message": "pong"}, "it is connected"
        gone = f"/api/v2/notifications/channels/{others[0]['id']}"
        try:
            call("HEAD", gone, token=token)
            raise AssertionError("nothing was pushed out")
        except urllib.error.HTTPError as error:
            assert error.code == 404
        for refused in (others[0]["connectUri"], first["connectUri"][:-1] + "x"):
            try:
                async with websockets.connect(refused):
                    raise AssertionError("a channel that is gone was opened")
            except websockets.InvalidStatus as error:
                assert error.response.status_code == 404
    print("ok eviction")


async def main():
    token = log_in()
    me = call("GET", "/api/v2/users/me", token=token)["id"]
    for step in (events, one_conversation, pings_and_limits, eviction):
        await step(token, me)


if __name__ == "__main__":
    asyncio.run(main())
