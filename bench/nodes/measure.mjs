// measure.mjs --seconds N --users N --rounds N --type TYPE --in-flight N --provider PORT --provider-pid PID --certificate FILE: see
// README.md. LATCHKEY_BIN names the binary; `populate` lies beside it.

import { readFile, readdir } from 'node:fs/promises';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { Latchkey, run } from '../../tests/support/latchkey.mjs';
import { populate } from '../../tests/support/population.mjs';
import { Postgres } from '../../tests/support/postgres.mjs';
import { Scope } from '../../tests/support/scope.mjs';
import { until } from '../../tests/support/wait.mjs';

const string = { type: 'string' };
const { values: wish } = parseArgs({
  options: { seconds: string, users: string, rounds: string, type: string, 'in-flight': string, provider: string, 'provider-pid': string, certificate: string },
});
const scope = new Scope();
const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
const median = (values) => values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)];
const row = (...cells) => console.log(`| ${cells.join(' | ')} |`);

/** Processor time of a process so far, in seconds. */
async function ticks(pid) {
  const fields = (await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => ') 0 0 0 0 0 0 0 0 0 0 0 0 0 0')).split(') ').pop().split(' ');
  return (Number(fields[11]) + Number(fields[12])) / 100;
}

async function childrenOf(parent) {
  const pids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name));
  const parents = await Promise.all(pids.map(async (pid) => (await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => ') S 0')).split(') ').pop().split(' ')[1]));
  return pids.filter((_, at) => parents[at] === String(parent));
}

async function sumOf(pids) {
  return (await Promise.all(pids.map(ticks))).reduce((sum, each) => sum + each, 0);
}

/** All processors' time so far and what of it was idle, in seconds. */
async function machine() {
  const fields = (await readFile('/proc/stat', 'utf8')).split('\n')[0].trim().split(/\s+/).slice(1, 9).map(Number);
  return { all: fields.reduce((sum, each) => sum + each, 0) / 100, idle: (fields[3] + fields[4]) / 100 };
}

async function counters(node) {
  const text = await node.metrics();
  const steps = Object.fromEntries([...text.matchAll(/latchkey_refresh_step_seconds_total\{step="(\w+)"\} (\S+)/g)].map(([, name, value]) => [name, Number(value)]));
  const outcomes = [...text.matchAll(/latchkey_refreshes_total\{outcome="(\w+)"\} (\S+)/g)].map(([, name, value]) => [name, Number(value)]);
  return {
    refreshed: outcomes.find(([name]) => name === 'refreshed')?.[1] ?? 0,
    otherwise: outcomes.filter(([name]) => name !== 'refreshed').reduce((sum, [, value]) => sum + value, 0),
    steps, inFlight: Number(/^latchkey_refreshes_in_flight (\S+)/m.exec(text)?.[1] ?? 0),
  };
}

/** Everything that is counted, at one moment. */
async function look(nodes, cluster) {
  const database = cluster.child.pid;
  return {
    at: performance.now(), each: await Promise.all(nodes.map(counters)),
    used: [...await Promise.all(nodes.map((node) => ticks(node.pid))), await sumOf([database, ...await childrenOf(database)]), await sumOf(await childrenOf(wish['provider-pid']))],
    machine: await machine(),
  };
}

/** A folder whose grants are all due, moved into PostgreSQL: the database is the template of every measurement's own. */
async function prepare(cluster) {
  const empty = await Latchkey.start(scope);
  const limit = wish.type === 'bench-single' ? 'oauth.one_shot_parallel' : 'oauth.parallel';
  const set = await empty.cli(['registry', 'set', limit, wish['in-flight']]);
  if (set.status !== 0) throw new Error(set.stderr);
  await empty.stop();
  const { data } = empty;
  await populate(data, { users: wish.users, kind: 'storm', type: wish.type, issuer: `https://localhost:${wish.provider}` });
  const template = await cluster.makeDatabase();
  const moved = await run(process.env.LATCHKEY_BIN, ['migrate', '--to', template, '--data', data], { timeout: 600_000 });
  if (moved.status !== 0) throw new Error(moved.stderr);
  // What is still empty is left unknown to the planner: what it has seen empty, it would go on scanning.
  await cluster.sql('VACUUM ANALYZE users, grants, generations, wraps');
  return { template: cluster.database, key: path.join(data, 'master.key'), file: JSON.parse(await readFile(path.join(data, 'providers/bench.json'), 'utf8')) };
}

async function measure(count, { cluster, template, key, file }) {
  const own = new Scope();
  const name = `run_${++cluster.databases}`;
  await cluster.sql(`CREATE DATABASE ${name} TEMPLATE ${template}`, 'postgres');
  await cluster.sql('CHECKPOINT', 'postgres');
  const nodes = await Promise.all(Array.from({ length: count }, () => Latchkey.start(own, {
    providerFiles: { 'bench.json': file },
    config: {
      store: `${cluster.address}/${name}`, master_key_file: key, 'outbound.ca_file': wish.certificate,
      'outbound.allow': ['127.0.0.1', 'localhost', '[::1]'].map((host) => `${host}:${wish.provider}`),
    },
  })));
  try {
    await until('every node to refresh', async () => (await Promise.all(nodes.map(counters))).every(({ refreshed }) => refreshed > 0), { timeout: 20_000 });
    await pause(1000);
    const before = await look(nodes, cluster);
    const inFlight = [];
    while (performance.now() - before.at < wish.seconds * 1000) {
      await pause(1000);
      inFlight.push((await Promise.all(nodes.map(counters))).reduce((sum, each) => sum + each.inFlight, 0) / count);
    }
    const after = await look(nodes, cluster);
    const seconds = (after.at - before.at) / 1000;
    const rates = nodes.map((_, at) => (after.each[at].refreshed - before.each[at].refreshed) / seconds);
    const done = rates.reduce((sum, each) => sum + each, 0) * seconds;
    const left = Number(await cluster.sql('SELECT count(*) FROM grants WHERE generation = 1', name));
    if (left === 0) throw new Error(`all ${wish.users} grants were refreshed before the time was over: more users, or fewer seconds`);
    const others = after.each.reduce((sum, each) => sum + each.otherwise, 0);
    if (others > 0) throw new Error(`${others} refreshes ended otherwise:\n${nodes[0].logs.slice(-2000)}`);
    const steps = Object.fromEntries(Object.keys(after.each[0].steps).map((step) => [step,
      nodes.reduce((sum, _, at) => sum + after.each[at].steps[step] - (before.each[at].steps[step] ?? 0), 0) / done * 1000]));
    const used = after.used.map((each, at) => (each - before.used[at]) / seconds);
    const idle = (after.machine.idle - before.machine.idle) / seconds;
    const all = (after.machine.all - before.machine.all) / seconds;
    return {
      rate: done / seconds, rates, steps, inFlight: inFlight.reduce((sum, each) => sum + each, 0) / inFlight.length,
      node: used.slice(0, count).reduce((sum, each) => sum + each, 0) / count, database: used[count], provider: used[count + 1], idle,
      elsewhere: all - idle - used.reduce((sum, each) => sum + each, 0),
    };
  } finally {
    await own.end();
    await cluster.sql(`DROP DATABASE ${name}`, 'postgres');
  }
}

function show(one, two) {
  const both = [one, two];
  const of = (member) => both.map((runs) => median(runs.map(member)));
  const [first, second] = of((run) => run.rate);
  const percent = (value) => `${(value * 100).toFixed(0)} %`;
  row('', 'one node', 'two nodes');
  row('---', '---', '---');
  row('refreshes a second, median', first.toFixed(0), second.toFixed(0));
  row('each round', ...both.map((runs) => runs.map((run) => run.rate.toFixed(0)).join(', ')));
  row('each node of two', '', two.map((run) => run.rates.map((rate) => rate.toFixed(0)).join(' + ')).join(', '));
  row('in flight, a node', ...of((run) => run.inFlight).map((value) => value.toFixed(1)));
  for (const step of Object.keys(one[0].steps)) row(`waiting: ${step}`, ...of((run) => run.steps[step]).map((value) => `${value.toFixed(1)} ms`));
  row('processor: a node', ...of((run) => run.node).map(percent));
  row('processor: PostgreSQL', ...of((run) => run.database).map(percent));
  row('processor: provider', ...of((run) => run.provider).map(percent));
  row('processor: the bench and others', ...of((run) => run.elsewhere).map(percent));
  row('processor: idle', ...of((run) => run.idle).map(percent));
  console.log(`\nTwo nodes refresh ${(second / first).toFixed(2)} times what one does (wanted: 1.6).`);
}

async function compare() {
  const cluster = await Postgres.start(scope, { settings: { fsync: 'on', max_wal_size: '2GB', shared_buffers: '256MB' } });
  const made = { cluster, ...await prepare(cluster) };
  const one = [];
  const two = [];
  for (let round = 0; round < Number(wish.rounds); round++) {
    one.push(await measure(1, made));
    two.push(await measure(2, made));
  }
  console.log(`${wish.type}, ${wish['in-flight']} in flight allowed a node, ${wish.users} grants due, ${wish.rounds} rounds of ${wish.seconds} s by turns\n`);
  show(one, two);
}

try {
  await compare();
} finally {
  await scope.end();
}
