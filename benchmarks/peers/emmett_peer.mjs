// Appends with Emmett to PostgreSQL, in process: `node emmett_peer.mjs URL SECONDS`.
//
// What is measured is the event store itself: no HTTP, no signature, no projection. Prints, as JSON, how many
// events it appended in all, and how many a second in each way.
import { randomUUID } from 'node:crypto';
import { createRequire } from 'node:module';
import { pathToFileURL } from 'node:url';

const installed = createRequire(pathToFileURL(`${process.cwd()}/`));
const { getPostgreSQLEventStore } = await import(
  pathToFileURL(installed.resolve('@event-driven-io/emmett-postgresql')).href
);

const HUNDRED = 100;
const LIFE = 6; // events a message

const event = (messageId) => ({
  type: 'ChannelStatus',
  data: {
    messageId,
    messageReference: messageId,
    channel: 'nhsapp',
    channelStatus: 'delivered',
    supplierStatus: 'read',
    cascadeType: 'primary',
    cascadeOrder: 1,
    channelStatusDescription: 'The patient’s app has it',
    timestamp: '2026-11-01T00:00:01.000Z',
    retryCount: 0,
    idempotencyKey: messageId.replaceAll('-', '').padStart(64, '0'),
  },
});

async function append(store, seconds, size) {
  const ends = performance.now() + seconds * 1000;
  let events = 0;
  while (performance.now() < ends) {
    const id = randomUUID();
    const times = size === 1 ? LIFE : 1;
    for (let time = 0; time < times && performance.now() < ends; time++) {
      await store.appendToStream(`message-${id}`, Array.from({ length: size }, () => event(id)));
      events += size;
    }
  }
  return events;
}

async function rate(store, seconds, size, concurrent) {
  const begun = performance.now();
  const done = await Promise.all(Array.from({ length: concurrent }, () => append(store, seconds, size)));
  const events = done.reduce((sum, one) => sum + one, 0);
  return [events, events / ((performance.now() - begun) / 1000)];
}

const [url, seconds] = [process.argv[2], Number(process.argv[3])];
const store = getPostgreSQLEventStore(url);
let events = await append(store, 0.2, 1);
const rates = {};
for (const [way, size, concurrent] of [['one', 1, 1], ['eight', 1, 8], ['many', 1, 32], ['hundred', HUNDRED, 1]]) {
  const [appended, aSecond] = await rate(store, seconds, size, concurrent);
  events += appended;
  rates[way] = aSecond;
}
console.log(JSON.stringify({ events, rates }));
await store.close();
