"""What the Python exporters beside this file have in common: which calls are over, the bulk job, and
nothing about when a recording may be exported.

    pip install PureCloudPlatformClientV2
"""

import datetime
import os
import threading
import time

import PureCloudPlatformClientV2 as G
from PureCloudPlatformClientV2.rest import ApiException

START = datetime.datetime.now(datetime.timezone.utc) - datetime.timedelta(minutes=5)
PAGE = 100


class Exporter:
    def __init__(self):
        G.configuration.host = os.environ["RACEGATE_API_URL"]
        self.client = G.api_client.ApiClient()
        self.client.get_client_credentials_token(
            os.environ["RACEGATE_CLIENT_ID"], os.environ["RACEGATE_CLIENT_SECRET"]
        )
        self.analytics = G.AnalyticsApi(self.client)
        self.recordings = G.RecordingApi(self.client)
        self.approved = []
        self.lock = threading.Lock()

    def run(self, may_be_exported):
        """Asks `may_be_exported` for every call that is over, each in a thread of its own, and
        exports what it approves, until it is told to stop."""
        seen = set()
        while True:
            for conversation in self.ended():
                if conversation not in seen:
                    seen.add(conversation)
                    threading.Thread(
                        target=self.follow, args=(conversation, may_be_exported), daemon=True
                    ).start()
            with self.lock:
                batch, self.approved = self.approved[:PAGE], self.approved[PAGE:]
            if batch:
                self.export(batch)
            time.sleep(0.5)

    def follow(self, conversation, may_be_exported):
        for recording in self.recordings.get_conversation_recordingmetadata(conversation):
            if may_be_exported(self, recording.id):
                with self.lock:
                    self.approved.append(conversation)

    def ended(self):
        """The conversations that are over."""
        query = G.ConversationQuery()
        query.interval = self.interval()
        query.order, query.order_by = "asc", "conversationStart"
        page = 1
        while True:
            query.paging = {"pageSize": PAGE, "pageNumber": page}
            found = self.analytics.post_analytics_conversations_details_query(query)
            conversations = found.conversations or []
            yield from (c.conversation_id for c in conversations if c.conversation_end)
            if len(conversations) < PAGE:
                return
            page += 1

    def recording(self, recording):
        """A recording as the forum threads read it; none while there is none."""
        try:
            return self.client.call_api(
                "/api/v2/recordings/recording/{id}",
                "GET",
                path_params={"id": recording},
                response_type="object",
                auth_settings=["PureCloud OAuth"],
            )
        except ApiException as error:
            if error.status in (404, 429):
                return None
            raise

    def export(self, conversations):
        """Exports them in one bulk job, and waits until it is done."""
        job = self.recordings.post_recording_jobs(self.job(conversations)).id
        self.until(job, "READY")
        body = G.ExecuteRecordingJobsQuery()
        body.state = "PROCESSING"
        self.recordings.put_recording_job(job, body)
        self.until(job, "FULFILLED")
        print(f"exported {len(conversations)} conversations", flush=True)

    def until(self, job, state):
        while self.recordings.get_recording_job(job).state != state:
            time.sleep(0.2)

    def job(self, conversations):
        query = G.RecordingJobsQuery()
        query.action = "EXPORT"
        query.action_date = datetime.datetime.now(datetime.timezone.utc)
        query.integration_id = "11111111-0000-4000-8000-000000000000"
        query.conversation_query = G.AsyncConversationQuery()
        query.conversation_query.interval = self.interval()
        query.conversation_query.order = "asc"
        query.conversation_query.order_by = "conversationStart"
        predicates = [
            {"type": "dimension", "dimension": "conversationId", "operator": "matches", "value": one}
            for one in conversations
        ]
        query.conversation_query.conversation_filters = [{"type": "or", "predicates": predicates}]
        return query

    @staticmethod
    def interval():
        form = "%Y-%m-%dT%H:%M:%S.000Z"
        end = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(minutes=5)
        return f"{START.strftime(form)}/{end.strftime(form)}"
