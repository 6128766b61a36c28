// `latchkey relay verify` where the relay goes out by an HTTP proxy alone: the name of the office leads nowhere from the relay's own machine.

import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import { test } from 'node:test';
import { ConnectProxy } from '../support/connect_proxy.mjs';
import { binary, run } from '../support/latchkey.mjs';
import { enrolledOffice, relayWithProvider } from '../support/relay.mjs';
import { freePort } from '../support/ports.mjs';

test('S1: relay verify through a proxy: the office is asked by way of it and by nothing else; what the proxy does not let through, or a proxy that is away, is said and takes no name back', async (t) => {
  const proxy = await ConnectProxy.start(t);
  const scene = await relayWithProvider(t, { config: { 'outbound.proxy': proxy.url } });
  const { relay } = scene;
  const { certFile, keyFile } = relay.certificate;
  // Nobody listens at the port of the name: the proxy alone knows where it leads.
  const [port, outside] = [await freePort(), await freePort()];
  const name = `localhost:${outside}`;
  const office = await enrolledOffice(t, scene, 'North Ltd', { port, tls: { certFile, keyFile }, config: { public_url: `https://${name}` } });
  assert.deepEqual((await relay.list())[0].return_origins, [`https://${name}`]);
  const verify = (...more) => relay.cli(['verify', office.office, '--ca-file', certFile, ...more]);
  const verified = async () => (await relay.list())[0].verified_name;

  const refused = await verify();
  assert.equal(refused.status, 1);
  assert.match(refused.stderr, /The proxy does not let through to localhost \(it answers 403\)\. Check outbound\.proxy/);
  assert.equal(await verified(), null);

  proxy.ways.set(name, port);
  const found = await verify();
  assert.equal(found.status, 0, found.stderr);
  assert.match(found.stdout, new RegExp(`^${name} is North Ltd's own`));
  assert.equal(await verified(), name);
  assert.deepEqual(proxy.asked, [name, name], 'once for each');

  // The same without the proxy: nobody is there.
  const direct = path.join(relay.folder, 'direct.toml');
  await writeFile(direct, relay.toml.replace(/outbound\.proxy = .*\n/, ''));
  const unproxied = await run(binary, ['relay', 'verify', office.office, '--ca-file', certFile, '--config', direct]);
  assert.equal(unproxied.status, 1);
  assert.match(unproxied.stderr, /localhost cannot be reached/);
  assert.equal(proxy.asked.length, 2);

  // What cannot be asked at this moment is known no worse than before.
  proxy.ways.delete(name);
  assert.equal((await verify()).status, 1);
  assert.equal(await verified(), name, 'not let through');
  await proxy.close();
  const away = await verify();
  assert.equal(away.status, 1);
  assert.match(away.stderr, /The proxy on the way to localhost cannot be reached\. Check outbound\.proxy/);
  assert.equal(await verified(), name, 'the proxy is away');
});
