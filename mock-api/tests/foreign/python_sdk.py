"""The mock as the unmodified Python SDK sees it: PureCloudPlatformClientV2, from login to sidecar.

Needs PureCloudPlatformClientV2 and boto3, and a mock whose addresses and credentials are in the
environment (`cargo run -p mock-api --example everything` prints them). Run it with HOME at an
empty folder: the SDK watches the folder that its configuration would be in.

Exits 0 when all is well; an assertion says what is not.
"""

import datetime
import json
import os
import time
import urllib.error
import urllib.request

import boto3
import PureCloudPlatformClientV2 as G
from botocore.config import Config
from PureCloudPlatformClientV2.rest import ApiException

API = os.environ["API_URL"]
G.configuration.host = API


def log_in(client_id, secret):
    client = G.api_client.ApiClient()
    client.get_client_credentials_token(client_id, secret)
    return client


CLIENT = log_in(os.environ["CLIENT_ID"], os.environ["CLIENT_SECRET"])
COLLEAGUE = log_in("colleague", "colleague-secret")
GUEST = log_in("guest", "guest-secret")
OTHER = log_in(os.environ["OTHER_CLIENT_ID"], os.environ["OTHER_CLIENT_SECRET"])
RECORDINGS = G.RecordingApi(CLIENT)
ANALYTICS = G.AnalyticsApi(CLIENT)
NOW = datetime.datetime.now(datetime.timezone.utc)


def refused(status, code, call, *args, **kwargs):
    """The body with which a call is refused, whose status and code must be these."""
    try:
        call(*args, **kwargs)
    except ApiException as error:
        body = json.loads(error.body)
        assert (error.status, body["code"]) == (status, code), (error.status, body)
        assert body["status"] == status and body["contextId"], body
        assert error.headers["ININ-Correlation-Id"] == body["contextId"]
        return body
    raise AssertionError("the call was not refused")


def until(what, look, good, tries=200):
    """What `look` gives once it is good."""
    for _ in range(tries):
        seen = look()
        if good(seen):
            return seen
        time.sleep(0.05)
    raise AssertionError(f"never {what}: {seen}")


def interval():
    start, end = NOW - datetime.timedelta(hours=1), NOW + datetime.timedelta(hours=1)
    form = "%Y-%m-%dT%H:%M:%S.000Z"
    return f"{start.strftime(form)}/{end.strftime(form)}"


def details(page_size=25, page_number=1, **more):
    query = G.ConversationQuery()
    query.interval = interval()
    query.order, query.order_by = "asc", "conversationStart"
    query.paging = {"pageSize": page_size, "pageNumber": page_number}
    for key, value in more.items():
        setattr(query, key, value)
    return ANALYTICS.post_analytics_conversations_details_query(query)


def of_conversations(ids):
    predicates = [
        {"type": "dimension", "dimension": "conversationId", "operator": "matches", "value": one}
        for one in ids
    ]
    return [{"type": "or", "predicates": predicates}]


def first_conversations(count):
    """The oldest conversations: their recordings are complete by now."""
    found = details(page_size=count).conversations
    return [conversation.conversation_id for conversation in found]


def login():
    refused(401, "bad.credentials", log_in, os.environ["CLIENT_ID"], "wrong")
    me = G.UsersApi(CLIENT).get_users_me(expand=["station"])
    assert me.id and me.chat.jabber_id and me.station.effective_station.id, me
    assert G.OrganizationApi(CLIENT).get_organizations_me().id == os.environ["S3_BUCKET"]
    stranger = G.api_client.ApiClient()
    stranger.access_token = "expired"
    body = refused(401, "bad.credentials", G.RecordingApi(stranger).get_recording_jobs)
    assert body["message"] == "Invalid login credentials.", body
    stranger.access_token = None
    refused(401, "authentication.required", G.RecordingApi(stranger).get_recording_jobs)
    RECORDINGS.get_recording_jobs()
    answer = CLIENT.last_response
    for name in ("count", "allowed", "reset"):
        assert int(answer.getheader("inin-ratelimit-" + name)) >= 0


def permissions():
    guest = G.RecordingApi(GUEST)
    conversation = first_conversations(1)[0]
    assert guest.get_conversation_recordingmetadata(conversation)
    job = G.RecordingJobsQuery()
    job.action = "EXPORT"
    body = refused(403, "missing.permissions", guest.post_recording_jobs, job)
    assert "recording:job:add" in body["message"], body
    refused(403, "missing.permissions", guest.get_recording_jobs)
    refused(
        403,
        "missing.permissions",
        G.AnalyticsApi(GUEST).get_analytics_conversations_details_jobs_availability,
    )


def analytics():
    page = details(page_size=10)
    assert len(page.conversations) == 10 and page.total_hits >= 30, page.total_hits
    first = page.conversations[0]
    assert first.conversation_start.tzinfo and first.conversation_end, first
    session = first.participants[0].sessions[0]
    assert (session.media_type, session.recording) == ("voice", True), session
    second = details(page_size=10, page_number=2)
    ids = {c.conversation_id for c in page.conversations + second.conversations}
    assert len(ids) == 20, "pages do not overlap"
    one = first.conversation_id
    found = details(conversation_filters=of_conversations([one]))
    assert [c.conversation_id for c in found.conversations] == [one]
    assert found.total_hits == 1

    watermark = ANALYTICS.get_analytics_conversations_details_jobs_availability()
    assert watermark.data_availability_date.tzinfo
    query = G.AsyncConversationQuery()
    query.interval = interval()
    job = ANALYTICS.post_analytics_conversations_details_jobs(query).job_id
    assert CLIENT.last_response.status == 202
    look = lambda: ANALYTICS.get_analytics_conversations_details_job(job)
    assert look().state == "QUEUED"
    until("FULFILLED", look, lambda seen: seen.state == "FULFILLED")
    seen, cursor = [], None
    while True:
        more = {"cursor": cursor} if cursor else {}
        page = ANALYTICS.get_analytics_conversations_details_job_results(job, page_size=7, **more)
        seen += [c.conversation_id for c in page.conversations]
        cursor = page.cursor
        if not cursor:
            break
    assert len(seen) == len(set(seen)) >= 30, len(seen)
    assert page.data_availability_date
    ANALYTICS.delete_analytics_conversations_details_job(job)
    assert look().state == "CANCELLED"
    query.interval = "yesterday"
    refused(400, "invalid.value", ANALYTICS.post_analytics_conversations_details_jobs, query)


def recordings():
    conversation = first_conversations(1)[0]
    metadata = RECORDINGS.get_conversation_recordingmetadata(conversation)
    assert len(metadata) == 1 and metadata[0].file_state == "AVAILABLE", metadata
    one = metadata[0].id
    assert RECORDINGS.get_conversation_recordingmetadata_recording_id(conversation, one).id == one
    listed = RECORDINGS.get_conversation_recordings(
        conversation, max_wait_ms=5000, format_id="WAV", media_formats=["WAV", "MP3"]
    )
    assert [r.id for r in listed] == [one]
    recording = RECORDINGS.get_conversation_recording(
        conversation, one, download=True, file_name="a b.ogg", format_id="NONE"
    )
    assert recording.media == "audio" and recording.start_time and recording.end_time
    raw = json.loads(CLIENT.last_response.data)
    assert raw["legal_hold_flag"] in (True, False) and raw["media_type"] in ("webrtc", "sip")
    uri = recording.media_uris["0"].media_uri
    with urllib.request.urlopen(uri) as answer:
        assert answer.read().startswith(b"OggS")
        assert answer.headers["Content-Disposition"] == 'attachment; filename="a b.ogg"'
    try:
        urllib.request.urlopen(uri.replace("signature=", "signature=A"))
        raise AssertionError("a false signature was taken")
    except urllib.error.HTTPError as error:
        assert error.code == 403
    body = refused(
        400, "invalid.value", RECORDINGS.get_conversation_recordings, conversation, locale="x" * 99
    )
    assert body["details"][0]["fieldName"] == "locale", body
    missing = "00000000-0000-4000-8000-000000000000"
    refused(404, "not.found", RECORDINGS.get_conversation_recordings, missing)
    refused(404, "not.found", G.RecordingApi(CLIENT).get_recording_job, missing)


def not_ready_yet():
    """The newest conversation: 202 is an empty list to the SDK, and a recording of nothing."""
    def newest():
        query = {"type": "and", "predicates": [{"dimension": "conversationEnd", "operator": "exists"}]}
        found = details(order="desc", conversation_filters=[query]).conversations[0]
        metadata = RECORDINGS.get_conversation_recordingmetadata(found.conversation_id)
        return (found.conversation_id, metadata)

    fresh = lambda seen: seen[1] and seen[1][0].file_state == "UPLOADING"
    conversation, metadata = until("fresh", newest, fresh, tries=400)
    assert metadata[0].annotations is None, "annotations come with the file"
    empty = RECORDINGS.get_conversation_recordings(conversation)
    if CLIENT.last_response.status == 202:
        assert empty == [], empty
    waited = RECORDINGS.get_conversation_recordings(conversation, max_wait_ms=10000)
    assert CLIENT.last_response.status == 200 and waited[0].file_state == "AVAILABLE"


def retention():
    conversation = first_conversations(2)[1]
    recording = RECORDINGS.get_conversation_recordings(conversation)[0]
    later = NOW + datetime.timedelta(days=30)
    recording.archive_date, recording.delete_date = later, later + datetime.timedelta(days=1)
    recording.archive_medium = "CLOUDARCHIVE"
    changed = RECORDINGS.put_conversation_recording(conversation, recording.id, recording)
    assert abs((changed.archive_date - later).total_seconds()) < 0.01
    recording.archive_date, recording.delete_date = NOW - datetime.timedelta(days=1), None
    changed = RECORDINGS.put_conversation_recording(conversation, recording.id, recording)
    assert changed.file_state == "ARCHIVED" and not changed.media_uris, changed
    recording.archive_date = later
    changed = RECORDINGS.put_conversation_recording(conversation, recording.id, recording)
    assert changed.file_state == "RESTORING" and changed.restore_expiration_time, changed
    look = lambda: RECORDINGS.get_conversation_recording(conversation, recording.id)
    until("restored", look, lambda seen: seen.file_state == "RESTORED" and seen.media_uris)
    guest = G.RecordingApi(GUEST)
    refused(
        403,
        "missing.permissions",
        guest.put_conversation_recording,
        conversation,
        recording.id,
        recording,
    )

    seen, more = [], {}
    while True:
        page = RECORDINGS.get_recordings_retention_query(0, page_size=11, **more)
        seen += [record.recording_id for record in page.entities]
        if not page.next_uri:
            break
        more = {"cursor": page.next_uri.split("cursor=")[1]}
    assert len(seen) == len(set(seen)) >= 30
    assert recording.id in seen
    assert RECORDINGS.get_recordings_retention_query(1).entities == []


def annotations():
    conversation = first_conversations(1)[0]
    recording = RECORDINGS.get_conversation_recordings(conversation)[0].id
    said = G.Annotation()
    said.name, said.location, said.duration_ms, said.reason = "pause", 100, 50, "SecurePause"
    made = RECORDINGS.post_conversation_recording_annotations(conversation, recording, said)
    assert made.id and made.user.id and made.reason == "SecurePause", made
    said.description = "longer"
    put = RECORDINGS.put_conversation_recording_annotation
    assert put(conversation, recording, made.id, said).description == "longer"
    get = RECORDINGS.get_conversation_recording_annotation
    assert get(conversation, recording, made.id).description == "longer"
    listed = RECORDINGS.get_conversation_recording_annotations(conversation, recording)
    assert [annotation.id for annotation in listed] == [made.id]
    shown = RECORDINGS.get_conversation_recording(conversation, recording).annotations
    assert [annotation.id for annotation in shown] == [made.id]
    RECORDINGS.delete_conversation_recording_annotation(conversation, recording, made.id)
    refused(404, "not.found", get, conversation, recording, made.id)


def protection():
    ids = first_conversations(6)
    query = G.ConversationDeletionProtectionQuery()
    query.conversation_ids = ids
    ask = RECORDINGS.post_recordings_deletionprotection
    held = {ref.id for ref in ask(query)}
    assert 0 < len(held) < 6, held
    free = next(one for one in ids if one not in held)
    query.conversation_ids = [free, "nobody"]
    result = RECORDINGS.put_recordings_deletionprotection(protect=True, body=query)
    assert [failed.conversation.id for failed in result.failed_updates] == ["nobody"]
    assert [ref.id for ref in ask(query)] == [free]
    RECORDINGS.put_recordings_deletionprotection(protect=False, body=query)
    assert ask(query) == []
    query.conversation_ids = ids * 17
    refused(400, "limit.exceeded", ask, query)


def job_query(ids, action="EXPORT"):
    query = G.RecordingJobsQuery()
    query.action = action
    query.action_date = NOW
    query.integration_id = "11111111-0000-4000-8000-000000000000"
    query.include_screen_recordings = False
    conversations = G.AsyncConversationQuery()
    conversations.interval = interval()
    conversations.order, conversations.order_by = "asc", "conversationStart"
    conversations.conversation_filters = of_conversations(ids)
    query.conversation_query = conversations
    return query


def execute(api, job):
    body = G.ExecuteRecordingJobsQuery()
    body.state = "PROCESSING"
    return api.put_recording_job(job, body)


def export():
    """The whole way: query, job, PUT, poll, failed recordings, sidecar."""
    ids = first_conversations(10)
    job = RECORDINGS.post_recording_jobs(job_query(ids))
    assert CLIENT.last_response.status == 202 and job.state == "PENDING", job
    look = lambda: RECORDINGS.get_recording_job(job.id)
    until("READY", look, lambda seen: seen.state == "READY")
    refused(403, "not.authorized", execute, G.RecordingApi(COLLEAGUE), job.id)
    refused(404, "not.found", execute, G.RecordingApi(OTHER), job.id)
    assert execute(RECORDINGS, job.id).state == "PROCESSING"
    done = until("FULFILLED", look, lambda seen: seen.state == "FULFILLED")
    assert done.total_recordings == 10 and done.percent_progress == 100, done
    assert done.total_failed_recordings > 0, "the mock is set to fail for some"
    assert done.total_processed_recordings == 10 - done.total_failed_recordings
    failed = RECORDINGS.get_recording_job_failedrecordings(job.id)
    assert failed.total == done.total_failed_recordings
    failed = {entry.conversation.id for entry in failed.entities}

    s3 = boto3.client(
        "s3",
        endpoint_url=os.environ["S3_ENDPOINT"],
        region_name="us-east-1",
        aws_access_key_id=os.environ["S3_ACCESS_KEY"],
        aws_secret_access_key=os.environ["S3_SECRET_KEY"],
        config=Config(proxies={}, s3={"addressing_style": "path"}),
    )
    bucket = os.environ["S3_BUCKET"]
    keys = [found["Key"] for found in s3.list_objects_v2(Bucket=bucket)["Contents"]]
    sidecars = [key for key in keys if key.endswith(".opus_metadata.json")]
    exported = {key.split("conversation_id=")[1].split("/")[0] for key in sidecars}
    assert exported == set(ids) - failed, (exported, failed)
    for key in sidecars:
        assert key.removesuffix("_metadata.json") in keys, "the audio lies beside it"
        sidecar = json.loads(s3.get_object(Bucket=bucket, Key=key)["Body"].read())
        assert sidecar["conversationId"] in exported and sidecar["mediaType"] == "Call", sidecar
        assert sidecar["legal_hold_flag"] in (True, False), sidecar
    good = next(iter(exported))
    recording = RECORDINGS.get_conversation_recordings(good)[0]
    assert recording.export_date and recording.exported_date, recording


def other_jobs():
    free, held = [], []
    ids = first_conversations(25)[12:]
    query = G.ConversationDeletionProtectionQuery()
    query.conversation_ids = ids
    protected = {ref.id for ref in RECORDINGS.post_recordings_deletionprotection(query)}
    job = RECORDINGS.post_recording_jobs(job_query(ids, action="DELETE"))
    look = lambda: RECORDINGS.get_recording_job(job.id)
    until("READY", look, lambda seen: seen.state == "READY")
    execute(RECORDINGS, job.id)
    done = until("FULFILLED", look, lambda seen: seen.state == "FULFILLED")
    failed = RECORDINGS.get_recording_job_failedrecordings(job.id, page_size=100)
    failed = {entry.conversation.id for entry in failed.entities}
    assert protected <= failed, "what is protected is not deleted"
    assert done.total_failed_recordings == len(failed)
    for one in ids:
        state = RECORDINGS.get_conversation_recordingmetadata(one)[0].file_state
        (held if state == "AVAILABLE" else free).append(one)
    assert set(held) == protected, (held, protected)

    slots = [RECORDINGS.post_recording_jobs(job_query(ids)) for _ in range(2)]
    for job in slots:
        RECORDINGS.delete_recording_job(job.id)
        assert RECORDINGS.get_recording_job(job.id).state == "CANCELLED"
        refused(400, "bad.request", execute, RECORDINGS, job.id)
    bad = job_query(ids)
    bad.integration_id = None
    body = refused(400, "bad.request", RECORDINGS.post_recording_jobs, bad)
    assert [one["fieldName"] for one in body["details"]] == ["integrationId"], body

    everything = RECORDINGS.get_recording_jobs(page_size=100)
    assert everything.total == len(everything.entities) >= 4
    seen, page = [], 1
    while True:
        listing = RECORDINGS.get_recording_jobs(page_size=2, page_number=page)
        seen += [job.id for job in listing.entities]
        if page >= listing.page_count:
            break
        page += 1
    assert seen == [job.id for job in everything.entities]
    seen, more = [], {}
    while True:
        listing = RECORDINGS.get_recording_jobs(page_size=3, include_total=False, **more)
        seen += [job.id for job in listing.entities]
        if not listing.next_uri:
            break
        more = {"cursor": listing.next_uri.split("cursor=")[1]}
    assert seen == [job.id for job in everything.entities]
    cancelled = RECORDINGS.get_recording_jobs(state="CANCELLED", job_type="EXPORT")
    assert {job.id for job in slots} == {job.id for job in cancelled.entities}
    theirs = G.RecordingApi(COLLEAGUE).get_recording_jobs(show_only_my_jobs=True)
    assert theirs.total == 0 and theirs.entities == []


def conversations():
    api = G.ConversationsApi(CLIENT)
    one = first_conversations(1)[0]
    over = api.get_conversation(one)
    assert over.id == one and over.end_time and over.recording_state == "NONE", over
    leg = over.participants[0].calls[0]
    assert leg.state == "terminated" and leg.recording_id and leg.recording is False, leg
    assert api.get_conversations_call(one).recording_state == "none"
    refused(404, "not.found", api.get_conversation, "00000000-0000-4000-8000-000000000000")


def uploads():
    request = G.RecordingUploadReportRequest()
    request.date_since, request.upload_status = NOW - datetime.timedelta(hours=1), "Success"
    report = RECORDINGS.post_recording_uploads_reports(request)
    assert CLIENT.last_response.status == 202 and report.state == "InProgress", report
    look = lambda: RECORDINGS.get_recording_uploads_report(report.id)
    done = until("Completed", look, lambda seen: seen.state == "Completed")
    with urllib.request.urlopen(done.signed_url) as answer:
        lines = answer.read().decode().splitlines()
    assert len(lines) > 30 and lines[1].endswith(",Success"), lines[:3]


def too_many_jobs():
    """The SDK waits as it is told and tries again: so it needs no help to get a slot."""
    ids = first_conversations(3)
    count = len(RECORDINGS.get_recording_jobs(page_size=100).entities)
    for _ in range(3):
        RECORDINGS.post_recording_jobs(job_query(ids))
    assert len(RECORDINGS.get_recording_jobs(page_size=100).entities) == count + 3


def batch():
    ids = first_conversations(5)
    submission = G.BatchDownloadJobSubmission()
    requests = []
    for one in ids + ["nobody"]:
        request = G.BatchDownloadRequest()
        request.conversation_id = one
        requests.append(request)
    submission.batch_download_request_list = requests
    job = RECORDINGS.post_recording_batchrequests(submission).id
    look = lambda: RECORDINGS.get_recording_batchrequest(job)
    early = look()
    assert (early.status, early.expected_result_count, early.result_count) == ("InProgress", 0, 0)
    done = until("Completed", look, lambda seen: seen.status == "Completed")
    assert done.expected_result_count == done.result_count == 6 and done.error_count == 1
    for result in done.results:
        if result.error_msg:
            assert result.conversation_id == "nobody"
            continue
        assert result.content_type == "audio/ogg"
        with urllib.request.urlopen(result.result_url) as answer:
            assert answer.read().startswith(b"OggS")
    refused(403, "not.authorized", G.RecordingApi(COLLEAGUE).get_recording_batchrequest, job)
    refused(404, "not.found", G.RecordingApi(OTHER).get_recording_batchrequest, job)
    submission.batch_download_request_list = requests * 20
    refused(400, "invalid.value", RECORDINGS.post_recording_batchrequests, submission)


def channels():
    api = G.NotificationsApi(CLIENT)
    channel = api.post_notifications_channels()
    assert channel.connect_uri.startswith("ws://") and channel.expires.tzinfo, channel
    me = G.UsersApi(CLIENT).get_users_me().id
    topics = []
    for name in (f"v2.users.{me}.conversations", "channel.metadata"):
        topic = G.ChannelTopic()
        topic.id = name
        topics.append(topic)
    made = api.post_notifications_channel_subscriptions(channel.id, topics)
    assert [topic.state for topic in made.entities] == ["Permitted"] * 2
    kept = api.put_notifications_channel_subscriptions(channel.id, topics[:1])
    assert len(kept.entities) == 1
    assert len(api.get_notifications_channel_subscriptions(channel.id).entities) == 1
    topics[1].id = "v2.users.somebody.conversations"
    refused(
        400, "invalid.value", api.post_notifications_channel_subscriptions, channel.id, topics
    )
    some = api.post_notifications_channel_subscriptions(channel.id, topics, ignore_errors=True)
    assert [topic.state for topic in some.entities] == ["Permitted", "Rejected"]
    api.delete_notifications_channel_subscriptions(channel.id)
    assert api.get_notifications_channel_subscriptions(channel.id).entities == []
    for _ in range(20):
        api.post_notifications_channels()
    listed = {one.id for one in api.get_notifications_channels().entities}
    assert len(listed) == 20 and channel.id not in listed, "the oldest went"
    assert len(api.get_notifications_availabletopics().entities) > 10


def settings_and_limits():
    settings = RECORDINGS.get_recording_settings(create_default=False)
    assert settings.recording_playback_url_ttl == 60
    settings.recording_playback_url_ttl = 5
    assert RECORDINGS.put_recording_settings(settings).recording_playback_url_ttl == 5
    settings.recording_playback_url_ttl = 61
    refused(400, "invalid.value", RECORDINGS.put_recording_settings, settings)
    limits = G.OrganizationApi(CLIENT)
    assert "recording" in limits.get_organizations_limits_namespaces()["entities"]
    found = limits.get_organizations_limits_namespace("notifications").entities
    assert {limit.key: limit.value for limit in found}["channels.max"] == 20
    refused(404, "not.found", limits.get_organizations_limits_namespace, "nonsense")
    assert RECORDINGS.get_orphanrecordings().page_number == 1


def main():
    for step in (
        login,
        permissions,
        analytics,
        recordings,
        not_ready_yet,
        retention,
        annotations,
        protection,
        batch,
        export,
        other_jobs,
        too_many_jobs,
        conversations,
        uploads,
        channels,
        settings_and_limits,
    ):
        step()
        print("ok", step.__name__, flush=True)


if __name__ == "__main__":
    main()
    # The SDK leaves a thread behind that watches its configuration.
    os._exit(0)
