// smtp.mjs --messages N --rounds N --sessions N: durable messages a second through the SMTP door, beside Postfix; see README.md.
// LATCHKEY_BIN names the binary.

import { parseArgs } from 'node:util';
import { deliveringServer } from '../../tests/support/delivering.mjs';
import { run } from '../../tests/support/latchkey.mjs';
import { freePort } from '../../tests/support/ports.mjs';
import { pin } from '../../tests/support/scene.mjs';
import { Scope } from '../../tests/support/scope.mjs';
import { headRow, machine, median, processorTime, row } from './figures.mjs';
import { Postfix } from './postfix.mjs';

const { values: wish } = parseArgs({
  options: { messages: { type: 'string', default: '3000' }, rounds: { type: 'string', default: '5' }, sessions: { type: 'string', default: '16' } },
});
const [messages, rounds, sessions] = [wish.messages, wish.rounds, wish.sessions].map(Number);
const scope = new Scope();

/** A server whose plain listener recognises a device by its address, and whose queue keeps what comes (one delivery a minute). */
async function startLatchkey() {
  const port = await freePort();
  const scene = await deliveringServer(scope, {
    connector: { account: 'fixed', owner: 'printer-1', owner_pin: pin, groups: [] },
    config: { 'log.level': 'error', 'smtp.plain': `127.0.0.1:${port}`, 'smtp.plain_sources': ['127.0.0.1'] },
  });
  await scene.admin.set('delivery.connector_per_minute', 1);
  await scene.admin.must('POST', '/api/v1/devices', { name: 'copier', connectors: ['scans'], sources: ['127.0.0.1'] });
  const count = async () => Number(/^latchkey_smtp_mails_total (\d+)/m.exec(await scene.server.metrics())[1]);
  return { port, count, pid: scene.server.pid };
}

/**
 * `keep`: several messages a connection. Gives { rate, cost }: messages a second, and microseconds of the peer's processor time for each;
 * throws unless all have been acknowledged and are there.
 */
async function load(peer, keep) {
  const before = await peer.count();
  const worked = await processorTime(peer.pid);
  const words = [...(keep ? ['-d'] : []), '-s', sessions, '-m', messages, '-l', 20_000, '-f', 'copier@office.example', '-t', 'scans@drop.internal', `127.0.0.1:${peer.port}`];
  const { status, stderr, ms } = await run('smtp-source', words.map(String), { timeout: 600_000 });
  if (status !== 0) throw new Error(`smtp-source: ${stderr}`);
  const taken = await peer.count() - before;
  if (taken !== messages) throw new Error(`${taken} of ${messages} messages were kept`);
  return { rate: messages / ms * 1000, cost: (await processorTime(peer.pid) - worked) * 1000 / messages };
}

try {
  console.log(`${machine()}; ${messages} messages of 20 kB a round, ${sessions} at once, ${rounds} rounds by turns\n`);
  const [postfix, latchkey] = [await Postfix.start(scope, { sessions }), await startLatchkey()];
  for (const peer of [postfix, latchkey]) await load(peer, false); // processes, caches
  headRow('durable messages a second', 'Postfix', 'Latchkey', 'ratio of the medians', 'each round', 'processor time a message');
  for (const [name, keep] of [['a connection for each message', false], ['connections kept', true]]) {
    const seen = { postfix: [], latchkey: [] };
    for (let round = 0; round < rounds; round++) {
      seen.postfix.push(await load(postfix, keep));
      seen.latchkey.push(await load(latchkey, keep));
    }
    const middle = (peer, what) => median(seen[peer].map((each) => each[what]));
    const [theirs, ours] = [middle('postfix', 'rate'), middle('latchkey', 'rate')];
    row(name, Math.round(theirs), Math.round(ours), (ours / theirs).toFixed(2),
      seen.postfix.map((each, i) => `${Math.round(each.rate)} and ${Math.round(seen.latchkey[i].rate)}`).join(', '),
      `${Math.round(middle('postfix', 'cost'))} us, ${Math.round(middle('latchkey', 'cost'))} us`);
  }
} finally {
  await scope.end();
}
