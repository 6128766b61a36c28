// Several nodes on one PostgreSQL, as an operator runs them: a data folder each, one master key, one database.

import assert from 'node:assert/strict';
import { copyFile, mkdir, readFile } from 'node:fs/promises';
import path from 'node:path';
import { Latchkey, Session, slowness } from './latchkey.mjs';
import { Postgres } from './postgres.mjs';
import { freePort } from './ports.mjs';
import { ScriptedProvider } from './scripted_provider.mjs';
import { providerFile } from './provider_file.mjs';
import { until } from './wait.mjs';

/**
 * { postgres, provider, nodes, admin }: `count` started nodes, the first one set up, apps `oidc` and `scripted` registered for
 * the provider. options: provider (of the scripted provider), type (of the provider file's `scripted-type`), settings (of the
 * registry), config, allow (more that may be reached), postgres (an existing cluster), ownKeys (a copy of the key file for each, as
 * on machines of their own; else all name the first node's).
 */
export async function sharedScene(t, { count = 2, provider: providerOptions = {}, type = {}, settings = {}, config = {}, allow = [], postgres, ownKeys = false } = {}) {
  const cluster = postgres ?? await Postgres.start(t);
  const store = await cluster.makeDatabase();
  const provider = await ScriptedProvider.start(t, { port: await freePort(), rotation: 'single-use', ...providerOptions });
  const options = {
    providerFiles: { 'scripted.json': providerFile({ types: { 'scripted-type': type } }) },
    config: { store, 'log.level': 'debug', 'outbound.allow': [`127.0.0.1:${provider.port}`, ...allow], ...config },
  };
  const first = await Latchkey.ready(t, options);
  const admin = first.admin;
  const registration = { issuer: provider.issuer, clientId: provider.clientId, clientSecret: provider.clientSecret };
  await admin.registerOidc(registration);
  await admin.registerOidc({ ...registration, app: 'scripted', provider: 'scripted' });
  for (const [key, value] of Object.entries(settings)) await admin.set(key, value);
  const nodes = [first];
  const key = path.join(first.data, 'master.key');
  while (nodes.length < count) {
    const own = ownKeys ? path.join(first.folder, `keys-${nodes.length + 1}`, 'master.key') : key;
    if (ownKeys) {
      await mkdir(path.dirname(own));
      await copyFile(key, own);
    }
    nodes.push(await Latchkey.start(t, { ...options, config: { ...options.config, master_key_file: own } }));
  }
  return { postgres: cluster, store, provider, nodes, admin, masterKey: key };
}

/** The same person at another node: the session's cookies and token go along. */
export function at(node, session) {
  const there = new Session(node.url);
  there.browser = session.browser;
  there.csrf = session.csrf;
  return there;
}

/** A stopped node's id as its folder has it. */
export const idOf = async (node) => (await readFile(path.join(node.data, 'node'), 'utf8')).trim();

/**
 * `latchkey node forget` of a stopped node, as the operator who is told to try again does it: whoever stops before it has told the
 * database that it has nothing to bring back counts as running for half a minute.
 */
export async function forget(node, lost) {
  const id = await idOf(lost);
  await until('it to be forgotten', async () => {
    const { status, stderr } = await node.cli(['node', 'forget', id]);
    if (status !== 0) assert.match(stderr, /is running \(or was a moment ago\)/);
    return status === 0;
  }, { timeout: 60_000 * slowness, every: 500 });
}
