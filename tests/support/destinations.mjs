// Destinations that are no script of the tests': the practice service's drive, and the folder of Debian's Apache with mod_oauth2. Each behind a
// server whose connector `scans` opens the account of `anna` by itself, and each says what has arrived by hash.

import { Apache, withoutApache } from './apache.mjs';
import { Latchkey } from './latchkey.mjs';
import { OidcServer } from './oidc.mjs';
import { freePort } from './ports.mjs';
import { pin } from './scene.mjs';

const connector = { id: 'scans', name: 'Scans', account: 'fixed', owner: 'anna', owner_pin: pin, folder: 'In' };

/** A `visit` that allows at the practice service. */
function allowing(_url, _response, body) {
  const ticket = /name="ticket" value="([^"]+)"/.exec(body)?.[1];
  return ticket ? { url: '/consent', form: { ticket, person: 'anna-practice', decision: 'allow' } } : undefined;
}

/** { server, admin, hashes }: `hashes()` gives path → SHA-256 of all that the drive has. */
async function practiceDrive(t, config) {
  const port = await freePort();
  const server = await Latchkey.ready(t, { args: ['--sandbox', '--sandbox-port', String(port)], config });
  const { admin } = server;
  await admin.addOAuthUser({ username: 'anna', pin, type: 'sandbox', allow_token: true, visit: allowing });
  await admin.must('POST', '/api/v1/connectors', { ...connector, type: 'sandbox' });
  const hashes = async () => {
    const { body } = await server.token('anna', pin);
    const response = await fetch(`http://localhost:${port}/drive/files`, { headers: { authorization: `Bearer ${body.access_token}` } });
    return new Map((await response.json()).items.map(({ path, sha256 }) => [path, sha256]));
  };
  return { server, admin, hashes };
}

/** The same of Apache, which asks the certified authorization server about every token. */
async function apacheFolder(t, config) {
  const port = await freePort();
  const oidc = await OidcServer.start(t, { redirectUris: [`http://127.0.0.1:${port}/oauth/callback/oidc`], port: await freePort() });
  const apache = await Apache.start(t, { oidc });
  const server = await Latchkey.ready(t, { port, config: { 'outbound.allow': [`127.0.0.1:${oidc.port}`, `127.0.0.1:${apache.port}`], ...config } });
  const { admin } = server;
  await admin.registerOidc({ issuer: oidc.issuer, clientId: oidc.clientId, clientSecret: oidc.clientSecret });
  await admin.addOAuthUser({ username: 'anna', pin, type: 'oidc', allow_token: false, visit: oidc.answering() });
  await admin.must('POST', '/api/v1/connectors', { ...connector, type: 'oidc', app: 'oidc', url: apache.url });
  return { server, admin, hashes: () => apache.hashes() };
}

/** Each with why it cannot be had here, for `skip`; false when it can. */
export const destinations = [
  { name: "the practice service's drive", skip: false, start: practiceDrive },
  { name: "Apache's folder", skip: withoutApache, start: apacheFolder },
];
