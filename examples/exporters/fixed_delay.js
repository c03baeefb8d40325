// Waits five seconds after the end of a call and exports it, whatever is there by then.
//
//   npm install purecloud-platform-client-v2
//   racegate judge examples/exporters/short.toml -- node examples/exporters/fixed_delay.js
'use strict';
const P = require('purecloud-platform-client-v2');

const DELAY = 5000;
const PAGE = 100;
const START = new Date(Date.now() - 5 * 60_000).toISOString();

const api = new URL(process.env.RACEGATE_API_URL);
const client = P.ApiClient.instance;
client.setGateway({ host: api.hostname, protocol: 'http', port: Number(api.port) });
const recordings = new P.RecordingApi();
const analytics = new P.AnalyticsApi();

const sleep = (millis) => new Promise((resolve) => setTimeout(resolve, millis));
const interval = () => `${START}/${new Date(Date.now() + 5 * 60_000).toISOString()}`;

async function ended() {
  const found = [];
  for (let pageNumber = 1; ; pageNumber += 1) {
    const page = await analytics.postAnalyticsConversationsDetailsQuery({
      interval: interval(),
      order: 'asc',
      orderBy: 'conversationStart',
      paging: { pageSize: PAGE, pageNumber },
    });
    const conversations = page.conversations || [];
    found.push(...conversations.filter((one) => one.conversationEnd));
    if (conversations.length < PAGE) return found.map((one) => one.conversationId);
  }
}

async function until(job, state) {
  while ((await recordings.getRecordingJob(job)).state !== state) await sleep(200);
}

async function exportAll(ids) {
  const predicates = ids.map((value) => (
    { type: 'dimension', dimension: 'conversationId', operator: 'matches', value }));
  const { id } = await recordings.postRecordingJobs({
    action: 'EXPORT',
    actionDate: new Date().toISOString(),
    integrationId: '11111111-0000-4000-8000-000000000000',
    conversationQuery: {
      interval: interval(),
      order: 'asc',
      orderBy: 'conversationStart',
      conversationFilters: [{ type: 'or', predicates }],
    },
  });
  await until(id, 'READY');
  await recordings.putRecordingJob(id, { state: 'PROCESSING' });
  await until(id, 'FULFILLED');
}

async function main() {
  await client.loginClientCredentialsGrant(
    process.env.RACEGATE_CLIENT_ID, process.env.RACEGATE_CLIENT_SECRET);
  const seen = new Set();
  const due = [];
  for (;;) {
    for (const id of await ended()) {
      if (!seen.has(id)) {
        seen.add(id);
        due.push({ id, at: Date.now() + DELAY });
      }
    }
    const ready = [];
    while (due.length > 0 && due[0].at <= Date.now()) ready.push(due.shift().id);
    if (ready.length > 0) await exportAll(ready);
    await sleep(500);
  }
}

main().catch((error) => {
  console.error(error);
  process.exit(1);
});
