// measure.mjs USERS: see README.md. LATCHKEY_BIN names the binary; `populate` lies beside it.

import path from 'node:path';
import { Latchkey, Session } from '../../tests/support/latchkey.mjs';
import { anonymousMemory, populate } from '../../tests/support/population.mjs';
import { temporaryFolder } from '../../tests/support/ports.mjs';

const users = Number(process.argv[2]);
const closing = [];
const scope = { after: (close) => closing.unshift(close) };
const median = (values) => values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)];
const ms = (value) => `${value.toFixed(value < 10 ? 1 : 0)} ms`;
const row = (what, ...figures) => console.log(`| ${what} | ${figures.join(' | ')} |`);

async function starts(server, count) {
  const times = [server.readyAfterMs];
  while (times.length < count) {
    await server.stop();
    server.stdout = ''; // each start prints another set-up address
    await server.launch();
    times.push(server.readyAfterMs);
  }
  return { median: median(times), worst: Math.max(...times) };
}

async function signedIn(server) {
  const admin = new Session(server.url);
  await admin.setUp(await server.setupCode());
  return admin;
}

async function timeList(admin, query) {
  const times = [];
  let total;
  for (let i = 0; i < 15; i++) {
    const answer = await admin.call('GET', `/api/v1/users${query}`);
    if (answer.status !== 200) throw new Error(`${query}: ${answer.status} ${answer.text}`);
    times.push(answer.ms);
    total = answer.body.total;
  }
  return { first: times[0], median: median(times), worst: Math.max(...times), total };
}

async function measure() {
  const empty = await Latchkey.start(scope);
  const emptyStart = await starts(empty, 5);
  const emptyMemory = await anonymousMemory(empty.pid);
  const emptyAdmin = await signedIn(empty);
  const emptyAfter = await anonymousMemory(empty.pid);
  const emptyList = await timeList(emptyAdmin, '');
  await empty.stop();

  const data = path.join(await temporaryFolder(scope, 'scale'), 'data');
  const made = await populate(data, { users, kind: 'later' });
  const full = await Latchkey.start(scope, { data });
  const fullStart = await starts(full, 5);
  const fullMemory = await anonymousMemory(full.pid);
  const admin = await signedIn(full);
  const fullAfter = await anonymousMemory(full.pid);
  const last = `user${String(users - 1).padStart(6, '0')}`;
  const second = (await admin.must('GET', '/api/v1/users')).next_cursor;
  const lists = [];
  for (const [what, query] of [
    ['first page', ''], ['second page', `?cursor=${encodeURIComponent(second)}`], ['first page of 200', '?limit=200'],
    ['search, one username', `?search=${last}`], ['search, one mail address', `?search=person${users - 1}%40`],
    ['search, nobody', '?search=nobody+at+all'], ['search, everybody', '?search=PERSON'], ['filter by type', '?type=bench-rolling'],
    ['filter by a rare state', '?state=needs_authorization'], ['type, rare state and word', '?type=bench-rolling&state=needs_authorization&search=person'],
  ]) lists.push([what, await timeList(admin, query)]);
  const fullEnd = await anonymousMemory(full.pid);

  console.log(`${users} users made in ${(made / 1000).toFixed(0)} s\n`);
  row('', 'empty', `${users} users`, 'wanted');
  row('---', '---', '---', '---');
  row('start to ready, median (worst) of 5', `${ms(emptyStart.median)} (${ms(emptyStart.worst)})`, `${ms(fullStart.median)} (${ms(fullStart.worst)})`, '< 1 s');
  row('memory when ready', `${emptyMemory.toFixed(1)} MB`, `${fullMemory.toFixed(1)} MB`, '12 MB, 64 MB');
  row('memory after set-up', `${emptyAfter.toFixed(1)} MB`, `${fullAfter.toFixed(1)} MB`, '');
  row('memory after all lists', '', `${fullEnd.toFixed(1)} MB`, '64 MB');
  console.log();
  row('list', 'first answer', 'median of 15', 'worst', 'found', 'wanted');
  row('---', '---', '---', '---', '---', '---');
  row('empty server', ms(emptyList.first), ms(emptyList.median), ms(emptyList.worst), emptyList.total, '');
  for (const [what, { first, median: middle, worst, total }] of lists) {
    row(what, ms(first), ms(middle), ms(worst), total > 10_000 ? 'over 10,000' : total, what === 'first page' ? '< 50 ms' : '');
  }
}

try {
  await measure();
} finally {
  for (const close of closing) await close();
}
