"""An exporter without bulk jobs and without a gate: as soon as a call is over it asks for a download
of its recording in a batch request, and writes beside it what the metadata says by then. Standard
library only.

    racegate judge examples/exporters/short.toml --exports /tmp/exports -- \\
        python3 examples/exporters/batch_request.py
"""

import base64
import datetime
import json
import os
import pathlib
import time
import urllib.request

API = os.environ["RACEGATE_API_URL"]
FOLDER = pathlib.Path(os.environ["RACEGATE_EXPORTS"])
START = datetime.datetime.now(datetime.timezone.utc) - datetime.timedelta(minutes=5)
HEADERS = {}


def call(path, body=None, data=None):
    headers = dict(HEADERS)
    if body is not None:
        data = json.dumps(body).encode()
        headers["Content-Type"] = "application/json"
    request = urllib.request.Request(API + path, data, headers)
    with urllib.request.urlopen(request) as answer:
        return json.load(answer)


def log_in():
    pair = f"{os.environ['RACEGATE_CLIENT_ID']}:{os.environ['RACEGATE_CLIENT_SECRET']}"
    HEADERS["Authorization"] = "Basic " + base64.b64encode(pair.encode()).decode()
    token = call("/oauth/token", data=b"grant_type=client_credentials")["access_token"]
    HEADERS["Authorization"] = "Bearer " + token


def ended():
    form = "%Y-%m-%dT%H:%M:%S.000Z"
    end = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(minutes=5)
    query = {
        "interval": f"{START.strftime(form)}/{end.strftime(form)}",
        "paging": {"pageSize": 100, "pageNumber": 1},
    }
    found = call("/api/v2/analytics/conversations/details/query", query)
    return [c["conversationId"] for c in found.get("conversations", []) if c.get("conversationEnd")]


def export(conversation):
    requests = {"batchDownloadRequestList": [{"conversationId": conversation}]}
    call("/api/v2/recording/batchrequests", requests)
    for entry in call(f"/api/v2/conversations/{conversation}/recordingmetadata"):
        recording = call(f"/api/v2/recordings/recording/{entry['id']}")
        (FOLDER / f"{entry['id']}.json").write_text(json.dumps(recording))


def main():
    FOLDER.mkdir(parents=True, exist_ok=True)
    log_in()
    done = set()
    while True:
        for conversation in ended():
            if conversation not in done:
                done.add(conversation)
                export(conversation)
        time.sleep(0.5)


main()
