// The forms of the command line that scripts rely on, over the control socket of the data folder.

import assert from 'node:assert/strict';
import { stat } from 'node:fs/promises';
import { test } from 'node:test';
import { binary, Latchkey, run } from '../support/latchkey.mjs';
import { freePort } from '../support/ports.mjs';
import { pin } from '../support/scene.mjs';
import { ScriptedProvider } from '../support/scripted_provider.mjs';
import { until } from '../support/wait.mjs';

async function scene(t) {
  const provider = await ScriptedProvider.start(t, { port: await freePort() });
  const server = await Latchkey.start(t, { config: { 'outbound.allow': [`127.0.0.1:${provider.port}`] } });
  const must = async (...args) => {
    const result = await server.cli(args);
    assert.equal(result.status, 0, `latchkey ${args.join(' ')}: ${result.stderr}`);
    return result.stdout;
  };
  return { provider, server, must };
}

async function withApp(t) {
  const all = await scene(t);
  const secret = await all.server.file('secret', `${all.provider.clientSecret}\n`);
  const printed = await all.must('app', 'set', 'oidc', '--provider', 'oidc', '--client-id', all.provider.clientId, '--client-secret-file', secret, '--param', `issuer=${all.provider.issuer}`);
  return { ...all, printed };
}

test('app set prints the redirect address to register', async (t) => {
  const { printed, server } = await withApp(t);
  assert.match(printed, new RegExp(`${server.url}/oauth/callback/oidc\\s*$`, 'm'));
});

test('group, user, grant import, grant list --json, grant refresh, token: a life without a browser', async (t) => {
  const { server, provider, must } = await withApp(t);
  await must('group', 'add', 'Office');
  await must('user', 'add', 'clerk', '--group', 'Office', '--name', 'The Clerk');
  const pinFile = await server.file('pin', pin);
  const tokenFile = await server.file('refresh', provider.issueRefreshToken({ id: 'acc-7', name: 'carla@example.com' }));
  await must('grant', 'import', 'carla', '--group', 'Office', '--type', 'oidc', '--pin-file', pinFile, '--refresh-token-file', tokenFile, '--allow', 'token');
  const [grant] = JSON.parse(await must('grant', 'list', '--json'));
  assert.deepEqual(Object.keys(grant).sort(), ['access_expires_at', 'account', 'generation', 'group', 'last_refreshed_at', 'next_refresh_at', 'scopes', 'state', 'type', 'username', 'why'].sort());
  assert.equal(grant.username, 'carla');
  assert.equal(grant.group, 'Office');
  assert.equal(grant.state, 'active');
  const printed = await server.client(['token', 'carla', '--pin-file', pinFile]);
  assert.equal(printed.status, 0, printed.stderr);
  assert.ok(provider.honours(printed.stdout.trim()));
  const before = provider.seen('refresh').length;
  await must('grant', 'refresh', 'carla', '--type', 'oidc');
  assert.equal(provider.seen('refresh').length, before + 1);
});

test('grant add prints a consent address that completes; --wait ends with it', async (t) => {
  const { server, provider, must } = await withApp(t);
  await must('group', 'add', 'Office');
  const pinFile = await server.file('pin', pin);
  const printed = await must('grant', 'add', 'dora', '--group', 'Office', '--type', 'oidc', '--pin-file', pinFile, '--allow', 'token');
  const address = /https?:\/\/\S+/.exec(printed)[0];
  assert.ok(address.startsWith(server.url), printed);
  const { Browserless } = await import('../support/browserless.mjs');
  const browser = new Browserless();
  // A link for the account's owner: opening it changes nothing, pressing its button does.
  const confirm = (url, _response, body) => {
    const form = /<form[^>]*method="?post"?[^>]*>[\s\S]*?<\/form>/i.exec(body)?.[0];
    if (!form || !url.startsWith(server.url)) return undefined;
    const fields = Object.fromEntries([...form.matchAll(/<(?:input|button)[^>]*name="([^"]+)"[^>]*value="([^"]*)"/g)].map((each) => [each[1], each[2]]));
    return { url: /action="([^"]*)"/.exec(form)?.[1] || url, form: fields };
  };
  await browser.open(address, { visit: confirm });
  const grant = await until('the consent to arrive', async () => JSON.parse(await must('grant', 'list', '--json')).find((each) => each.username === 'dora'));
  assert.ok(['active', 'held'].includes(grant.state), grant.state);
  assert.equal(provider.seen('code').length, 1);
});

test('registry: list, get, set, bad values; oauth.polling_time in bare minutes', async (t) => {
  const { must, server } = await scene(t);
  assert.match(await must('registry', 'get', 'oauth.polling_time'), /^20m\s*$/);
  await must('registry', 'set', 'oauth.polling_time', '7');
  assert.match(await must('registry', 'get', 'oauth.polling_time'), /^7m\s*$/);
  assert.match(await must('registry', 'list'), /oauth\.polling_time/);
  for (const args of [['registry', 'set', 'oauth.polling_time', 'often'], ['registry', 'set', 'oauth.polling_time', '-1'], ['registry', 'get', 'no.such.key']]) {
    const result = await server.cli(args);
    assert.notEqual(result.status, 0, args.join(' '));
    assert.equal(result.stderr.trim().split('\n').length, 1, 'one line');
  }
  assert.match(await must('registry', 'get', 'oauth.polling_time'), /^7m\s*$/);
});

test('type list names all types; version; help', async (t) => {
  const { must } = await scene(t);
  const types = await must('type', 'list');
  for (const type of ['box', 'dropbox', 'dynamics365', 'email-office365', 'exact', 'google-drive', 'imanage', 'leap', 'onedrive', 'onedrive-business', 'propertyme', 'sage200', 'salesforce', 'sharefile', 'xero', 'xplan', 'sharepoint', 'smtp-office365', 'gmail', 'smtp-gmail', 'nextcloud', 'oidc']) {
    assert.match(types, new RegExp(`(^|\\s)${type}(\\s|$)`, 'm'), type);
  }
  assert.doesNotMatch(types, /(^|\s)sandbox(\s|$)/m, 'the practice service only with --sandbox');
  assert.match((await run(binary, ['version'])).stdout, /\d+\.\d+\.\d+/);
  assert.equal((await run(binary, ['--help'])).status, 0);
});

test('mistakes: one line on stderr, a status that is not 0, nothing changed', async (t) => {
  const { server, must } = await scene(t);
  await must('group', 'add', 'Office');
  const pinFile = await server.file('pin', pin);
  const mistakes = [
    ['group', 'add', ''], ['group', 'add', 'Office'], ['user', 'add', 'with:colon', '--group', 'Office'], ['user', 'add', 'x', '--group', 'No such group'],
    ['grant', 'add', 'x', '--group', 'Office', '--type', 'no-such-type', '--pin-file', pinFile],
    ['grant', 'add', 'x', '--group', 'Office', '--type', 'box', '--pin-file', '/does/not/exist'],
    ['grant', 'add', 'x', '--group', 'Office', '--type', 'oidc', '--pin-file', pinFile],
    ['grant', 'refresh', 'nobody'], ['app', 'set', 'Bad_Name', '--provider', 'oidc', '--client-id', 'x'], ['no-such-verb'],
    ['app', 'set', 'google', '--provider', 'box', '--client-id', 'x'],
    ['app', 'set', 'oidc', '--provider', 'oidc', '--client-id', 'x', '--param', 'issuer=https://a.example', '--param', 'issuer=https://b.example'],
  ];
  for (const args of mistakes) {
    const result = await server.cli(args);
    assert.notEqual(result.status, 0, args.join(' '));
    assert.equal(result.signal, null, args.join(' '));
    assert.match(result.stderr, /^[^\n]+\n$/, args.join(' '));
  }
  assert.deepEqual(JSON.parse(await must('grant', 'list', '--json')), []);
  const nowhere = await run(binary, ['group', 'add', 'X', '--data', `${server.folder}/empty`]);
  assert.notEqual(nowhere.status, 0);
  assert.match(nowhere.stderr, /serve|running|socket/i);
});

test('lists: a type or a user nobody knows is refused by name, never found with nothing', async (t) => {
  const { server, must } = await scene(t);
  await must('group', 'add', 'Office');
  await must('user', 'add', 'clerk', '--group', 'Office');
  for (const args of [['grant', 'list', '--type', 'bxo'], ['user', 'list', '--type', 'bxo'], ['grant', 'list', 'clerk', '--type', 'bxo', '--json']]) {
    const result = await server.cli(args);
    assert.equal(result.status, 1, args.join(' '));
    assert.equal(result.stdout, '');
    assert.match(result.stderr, /^latchkey: type: There is no type named bxo; the types are [^\n]*\bbox, [^\n]*\bxero\b[^\n]*\n$/);
  }
  const nobody = await server.cli(['grant', 'list', 'clerkk']);
  assert.equal(nobody.status, 1);
  assert.match(nobody.stderr, /^latchkey: username: there is no user "clerkk"[^\n]*\n$/);
  assert.deepEqual(JSON.parse(await must('grant', 'list', 'CLERK', '--type', 'box', '--json')), []);
});

test('app list says what a registration lacks', async (t) => {
  const { server, must } = await scene(t);
  const set = await server.cli(['app', 'set', 'box', '--provider', 'box', '--client-id', 'abc']);
  assert.equal(set.status, 0, set.stderr);
  assert.match(set.stderr, /^The client secret is missing\.[^\n]*--client-secret-file\.\n$/);
  const row = (text, app) => text.split('\n').find((line) => line.startsWith(`${app} `));
  const before = await must('app', 'list');
  assert.match(row(before, 'box'), /\bincomplete\b.*The client secret is missing\./);
  assert.match(row(before, 'xero'), /\bmissing\b.*`latchkey app set`/);
  assert.equal(JSON.parse(await must('app', 'list', '--json')).find((app) => app.id === 'box').state, 'incomplete');
  const secret = await server.file('secret', 'hush');
  await must('app', 'set', 'box', '--provider', 'box', '--client-id', 'abc', '--client-secret-file', secret);
  assert.match(row(await must('app', 'list'), 'box'), /\bok\b.*-$/);
});

test('G6: the control socket belongs to the service alone', async (t) => {
  const { server } = await scene(t);
  const { readdir } = await import('node:fs/promises');
  const sockets = [];
  for (const name of await readdir(server.data)) {
    const details = await stat(`${server.data}/${name}`);
    if (details.isSocket()) sockets.push(details.mode & 0o077);
  }
  assert.deepEqual(sockets, [0]);
});
