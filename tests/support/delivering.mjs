// The scene of tests about deliveries: a server whose user `printer-1` may deliver to a scripted drive through the connector `scans`.

import { createHash, randomBytes } from 'node:crypto';
import { Readable } from 'node:stream';
import { providerFile } from './provider_file.mjs';
import { pin, serverWithProvider } from './scene.mjs';
import { ScriptedDrive } from './scripted_drive.mjs';

const authorization = (username, secret) => `Basic ${Buffer.from(`${username}:${secret}`).toString('base64')}`;

/** { server, admin, provider, drive, deliver, road }: `deliver(body, {...})` posts a document, `road(id)` asks what became of it. */
export async function deliveringServer(t, { type = {}, provider: providerOptions = {}, connector = {}, config = {}, ...options } = {}) {
  let provider;
  const drive = await ScriptedDrive.start(t, { honours: (token) => provider.honours(token) });
  const scene = await serverWithProvider(t, {
    provider: { rotation: 'single-use', ...providerOptions },
    providerFiles: () => ({ 'scripted.json': providerFile({ types: { 'scripted-drive': { kind: 'practice', resource: drive.url, ...type } } }) }),
    config: { 'outbound.allow': [`127.0.0.1:${drive.port}`], ...config },
    ...options,
  });
  ({ provider } = scene);
  const { server, admin } = scene;
  await admin.registerOidc({ app: 'scripted', provider: 'scripted', issuer: provider.issuer, clientId: provider.clientId, clientSecret: provider.clientSecret });
  const { user_id, grant_id } = await admin.addOAuthUser({ username: 'printer-1', pin, type: 'scripted-drive', allow_token: false });
  const group = await admin.group('Office');
  await admin.must('POST', '/api/v1/connectors', { id: 'scans', name: 'Scans', type: 'scripted-drive', account: 'caller', groups: [group], folder: 'In/{user}', ...connector });

  return { ...scene, drive, ...doorOf(server), user_id, grant_id, group };
}

/** The HTTP door of a server: `deliver(body, {...})` posts a document, `road(id)` asks what became of it. */
export function doorOf(server) {
  const deliver = async (body, { to = 'scans', name, username = 'printer-1', secret = pin, wait = 30, headers = {} } = {}) => {
    const response = await fetch(`${server.url}/v1/deliver/${to}`, {
      method: 'POST', body, duplex: 'half', signal: AbortSignal.timeout(120_000),
      headers: {
        authorization: authorization(username, secret),
        ...(name === undefined ? {} : { 'content-disposition': `attachment; filename*=UTF-8''${encodeURIComponent(name)}` }),
        ...(wait > 0 ? { prefer: `wait=${wait}` } : {}), ...headers,
      },
    });
    const text = await response.text();
    const parsed = /json/.test(response.headers.get('content-type') ?? '') ? JSON.parse(text) : text;
    return { status: response.status, headers: response.headers, body: parsed, text, code: parsed?.type?.split(':').at(-1) };
  };
  const road = async (id, { username = 'printer-1', secret = pin } = {}) => {
    const response = await fetch(`${server.url}/v1/deliveries/${id}`, { headers: { authorization: authorization(username, secret) } });
    return { status: response.status, body: await response.json() };
  };
  return { deliver, road };
}

export const sha256 = (bytes) => createHash('sha256').update(bytes).digest('hex');

/** Octets that compress and repeat nowhere: a part in the wrong place changes the hash. */
export const documentOf = (size) => randomBytes(size);

/** The same, made while it is read, for what is too long to be held: { stream, sha256() }, the hash of all once the stream has ended. */
export function longDocument(size) {
  const hash = createHash('sha256');
  let whole;
  const stream = Readable.from((function* pieces() {
    for (let left = size; left > 0;) {
      const octets = randomBytes(Math.min(left, kPiece));
      left -= octets.length;
      hash.update(octets);
      yield octets;
    }
  })());
  return { stream, sha256: () => (whole ??= hash.digest('hex')) };
}

// Whole lines of base64, and about a megabyte.
const kPiece = 57 * 18_000;
