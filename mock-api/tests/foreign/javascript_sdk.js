// The mock as the unmodified JavaScript SDK sees it: purecloud-platform-client-v2, from login to
// the proof of export.
//
// Needs purecloud-platform-client-v2 (NODE_PATH), and a mock whose addresses and credentials are in
// the environment (`cargo run -p mock-api --example everything` prints them). Run it with HOME at an
// empty folder and NO_PROXY=127.0.0.1.
//
// Exits 0 when all is well; an assertion says what is not.
'use strict';
const assert = require('node:assert/strict');
const P = require('purecloud-platform-client-v2');

const api = new URL(process.env.API_URL);
const client = P.ApiClient.instance;
client.setGateway({ host: api.hostname, protocol: 'http', port: Number(api.port) });
const recordings = new P.RecordingApi();
const analytics = new P.AnalyticsApi();
const NOBODY = '00000000-0000-4000-8000-000000000000';

const sleep = (millis) => new Promise((resolve) => setTimeout(resolve, millis));

async function refused(status, code, call) {
  try {
    await call();
  } catch (body) {
    // The SDK rejects with the error body itself.
    assert.deepEqual([body.status, body.code], [status, code], JSON.stringify(body));
    assert.ok(body.contextId && Array.isArray(body.details), JSON.stringify(body));
    return body;
  }
  throw new Error('the call was not refused');
}

async function until(what, look, good) {
  let seen;
  for (let tries = 0; tries < 200; tries += 1) {
    seen = await look();
    if (good(seen)) return seen;
    await sleep(50);
  }
  throw new Error(`never ${what}: ${JSON.stringify(seen)}`);
}

function interval() {
  const hour = 3600 * 1000;
  const at = (offset) => new Date(Date.now() + offset).toISOString();
  return `${at(-hour)}/${at(hour)}`;
}

async function conversations(count, more = {}) {
  const body = {
    interval: interval(),
    order: 'asc',
    orderBy: 'conversationStart',
    paging: { pageSize: count, pageNumber: 1 },
    ...more,
  };
  const page = await analytics.postAnalyticsConversationsDetailsQuery(body);
  return page.conversations.map((conversation) => conversation.conversationId);
}

function jobQuery(ids) {
  const predicates = ids.map((value) => (
    { type: 'dimension', dimension: 'conversationId', operator: 'matches', value }));
  return {
    action: 'EXPORT',
    actionDate: new Date().toISOString(),
    integrationId: '11111111-0000-4000-8000-000000000000',
    includeScreenRecordings: false,
    // An unknown key of the forum threads: it is passed over, as the real API does.
    include_metadata: true,
    conversationQuery: {
      interval: interval(),
      conversationFilters: [{ type: 'or', predicates }],
    },
  };
}

// Conversations that an asynchronous job finds, all its pages together.
async function countOfJob() {
  const job = await analytics.postAnalyticsConversationsDetailsJobs({ interval: interval() });
  const look = () => analytics.getAnalyticsConversationsDetailsJob(job.jobId);
  await until('FULFILLED', look, (seen) => seen.state === 'FULFILLED');
  let cursor;
  let count = 0;
  do {
    const options = cursor ? { cursor, pageSize: 9 } : { pageSize: 9 };
    const page = await analytics.getAnalyticsConversationsDetailsJobResults(job.jobId, options);
    count += page.conversations.length;
    cursor = page.cursor;
  } while (cursor);
  return count;
}

const steps = {
  async login() {
    await assert.rejects(client.loginClientCredentialsGrant(process.env.CLIENT_ID, 'wrong'));
    const login = await client.loginClientCredentialsGrant(
      process.env.CLIENT_ID, process.env.CLIENT_SECRET);
    assert.ok(login.accessToken && login.tokenExpiryTime > Date.now());
    const me = await new P.UsersApi().getUsersMe();
    assert.ok(me.id && me.chat.jabberId);
  },

  async details() {
    const ids = await conversations(100);
    assert.ok(ids.length >= 30 && new Set(ids).size === ids.length);
    // The lake that the job reads is behind what the query finds.
    await until('the lake has them', countOfJob, (count) => count >= 30);
    const mark = await analytics.getAnalyticsConversationsDetailsJobsAvailability();
    assert.ok(Date.parse(mark.dataAvailabilityDate) > 0);
  },

  async recordings() {
    const [conversation] = await conversations(1);
    const options = { maxWaitMs: 5000, formatId: 'WAV', mediaFormats: ['WAV', 'MP3'] };
    // The audio is there before the metadata is.
    const look = () => recordings.getConversationRecordings(conversation, options);
    const [recording] = await until('COMPLETED', look, ([seen]) => seen?.state === 'COMPLETED');
    assert.equal(recording.fileState, 'AVAILABLE');
    // The JavaScript SDK passes unknown keys through: the forum dialect is visible to it.
    assert.equal(typeof recording.legal_hold_flag, 'boolean');
    assert.equal(recording.state, 'COMPLETED');
    const one = await recordings.getConversationRecording(conversation, recording.id,
      { formatId: 'WEBM', download: false });
    assert.equal(one.id, recording.id);
    const audio = await fetch(one.mediaUris['0'].mediaUri);
    assert.equal(audio.status, 200);
    assert.equal(audio.headers.get('content-type'), 'audio/ogg');
    const metadata = await recordings.getConversationRecordingmetadata(conversation);
    assert.equal(metadata[0].id, recording.id);
    await refused(404, 'not.found', () => recordings.getConversationRecordings(NOBODY));
    const bad = await refused(400, 'invalid.value',
      () => recordings.getConversationRecordings(conversation, { formatId: 'AAC' }));
    assert.match(bad.message, /^Value \[AAC\] is not valid for field type \[formatId\]/);
  },

  async notReadyYet() {
    const newest = async () => {
      const filter = { type: 'and', predicates: [{ dimension: 'conversationEnd', operator: 'exists' }] };
      const [id] = await conversations(1, { order: 'desc', conversationFilters: [filter] });
      const [metadata] = await recordings.getConversationRecordingmetadata(id);
      return { id, metadata };
    };
    const { id } = await until('fresh', newest, (seen) => seen.metadata?.fileState === 'UPLOADING');
    const early = await recordings.getConversationRecordings(id);
    assert.ok(early === undefined || early[0].fileState === 'AVAILABLE', '202 is undefined');
    const waited = await recordings.getConversationRecordings(id, { maxWaitMs: 10000 });
    assert.equal(waited[0].fileState, 'AVAILABLE');
  },

  async exportJob() {
    const ids = await conversations(8);
    const job = await recordings.postRecordingJobs(jobQuery(ids));
    assert.equal(job.state, 'PENDING');
    assert.equal(job.recordingJobsQuery.include_metadata, true);
    const look = () => recordings.getRecordingJob(job.id);
    await until('READY', look, (seen) => seen.state === 'READY');
    const started = await recordings.putRecordingJob(job.id, { state: 'PROCESSING' });
    assert.equal(started.state, 'PROCESSING');
    const done = await until('FULFILLED', look, (seen) => seen.state === 'FULFILLED');
    assert.equal(done.totalProcessedRecordings + done.totalFailedRecordings, 8);
    const failed = await recordings.getRecordingJobFailedrecordings(job.id,
      { pageSize: 100, includeTotal: false });
    assert.equal(failed.entities.length, done.totalFailedRecordings);
    assert.equal(failed.total, undefined, 'a cursor listing counts nothing');
    const lost = new Set(failed.entities.map((entry) => entry.conversation.id));
    for (const id of ids) {
      const [recording] = await recordings.getConversationRecordings(id);
      assert.equal(recording.exportedDate === null, lost.has(id), JSON.stringify(recording));
    }
  },

  async jobLimit() {
    const ids = await conversations(2);
    const first = await recordings.postRecordingJobs(jobQuery(ids));
    const second = await recordings.postRecordingJobs(jobQuery(ids));
    client.setReturnExtendedResponses(true);
    const third = await recordings.postRecordingJobs(jobQuery(ids)).catch((error) => error);
    client.setReturnExtendedResponses(false);
    assert.equal(third.status, 429, JSON.stringify(third.body));
    assert.ok(Number(third.headers['retry-after']) >= 1);
    assert.equal(third.body.limit.namespace, 'recording');
    for (const job of [first, second]) {
      assert.equal(await recordings.deleteRecordingJob(job.id), undefined);
    }
    const listing = await recordings.getRecordingJobs({
      pageSize: 1, pageNumber: 1, state: 'CANCELLED', showOnlyMyJobs: false, includeTotal: true,
    });
    assert.ok(listing.total >= 2 && listing.entities.length === 1);
  },

  async protection() {
    const conversationIds = await conversations(6);
    const held = await recordings.postRecordingsDeletionprotection({ conversationIds });
    assert.ok(held.length > 0 && held.length < 6);
    const result = await recordings.putRecordingsDeletionprotection(
      { protect: false, body: { conversationIds } });
    assert.deepEqual(result.failedUpdates, []);
    assert.deepEqual(await recordings.postRecordingsDeletionprotection({ conversationIds }), []);
    await recordings.putRecordingsDeletionprotection({
      protect: true, body: { conversationIds: held.map((one) => one.id) },
    });
  },

  async channels() {
    const notifications = new P.NotificationsApi();
    const channel = await notifications.postNotificationsChannels();
    const topics = [{ id: 'channel.metadata' }];
    await notifications.postNotificationsChannelSubscriptions(channel.id, topics);
    const kept = await notifications.getNotificationsChannelSubscriptions(channel.id);
    assert.deepEqual(kept.entities.map((topic) => topic.id), ['channel.metadata']);
    await notifications.deleteNotificationsChannelSubscriptions(channel.id);
    const listed = await notifications.getNotificationsChannels();
    assert.ok(listed.entities.some((one) => one.id === channel.id));
  },

  async retentionQuery() {
    const page = await recordings.getRecordingsRetentionQuery(0, { pageSize: 500 });
    assert.ok(page.entities.length >= 30 && page.entities.some((one) => one.exportedDate));
    await refused(400, 'invalid.value',
      () => recordings.getRecordingsRetentionQuery(0, { pageSize: 501 }));
  },
};

(async () => {
  for (const [name, step] of Object.entries(steps)) {
    await step();
    console.log('ok', name);
  }
  process.exit(0);
})().catch((error) => {
  console.error(error);
  process.exit(1);
});
