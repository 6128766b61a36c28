// A WebDAV client of the tests' own, for what the real clients never send; and the real ones, run to their end.

import { mkdir, writeFile } from 'node:fs/promises';
import http from 'node:http';
import net from 'node:net';
import path from 'node:path';
import { run } from './latchkey.mjs';
import { temporaryFolder } from './ports.mjs';
import { pin } from './scene.mjs';

export const basic = (username = 'printer-1', secret = pin) => `Basic ${Buffer.from(`${username}:${secret}`).toString('base64')}`;

/** `dav(method, path, {...})` asks /dav/{path} as printer-1, from the address `from`, and gives { status, headers, body (octets), text }. */
export function davClient(server) {
  return (method, where, { body, headers = {}, username, secret, anonymous = false, from } = {}) => new Promise((resolve, reject) => {
    const request = http.request({
      host: '127.0.0.1', port: server.port, method, path: `/dav/${where.split('/').map(encodeURIComponent).join('/')}`, agent: false, localAddress: from,
      headers: {
        ...(anonymous ? {} : { authorization: basic(username, secret) }),
        ...(body === undefined || body.pipe ? {} : { 'content-length': Buffer.byteLength(body) }), ...headers,
      },
    }, (response) => {
      const pieces = [];
      response.on('data', (piece) => pieces.push(piece));
      response.on('end', () => {
        const octets = Buffer.concat(pieces);
        resolve({ status: response.statusCode, headers: response.headers, body: octets, text: octets.toString() });
      });
      response.on('error', reject);
    });
    request.setTimeout(120_000, () => request.destroy(new Error(`${method} ${where}: no answer`)));
    request.on('error', reject);
    if (body?.pipe) body.pipe(request);
    else request.end(body);
  });
}

/** Sends octets as they are and gives everything that comes back until the server closes. */
export const speak = (server, octets) => new Promise((resolve, reject) => {
  const socket = net.connect(server.port, '127.0.0.1', () => socket.write(octets));
  let said = '';
  socket.setTimeout(20_000, () => socket.destroy(new Error('no answer')));
  socket.on('data', (data) => { said += data; });
  socket.on('close', () => resolve(said));
  socket.on('error', reject);
});

/** As speak(), with some octets more ten times a second, until the server has had enough of it. */
export const trickle = (server, octets) => new Promise((resolve, reject) => {
  const socket = net.connect(server.port, '127.0.0.1', () => socket.write(octets));
  const more = setInterval(() => socket.write('some octets'), 100);
  const patience = setTimeout(() => socket.destroy(new Error('nobody minds')), 60_000);
  let said = '';
  const end = (settle) => (value) => { clearInterval(more); clearTimeout(patience); settle(value); };
  socket.on('data', (data) => { said += data; });
  socket.on('close', () => end(resolve)(said));
  socket.on('error', (error) => (said === '' ? end(reject)(error) : undefined));
});

/** { href → { size, type, collection } } of a multistatus. */
export function listed(text) {
  const found = {};
  for (const [, entry] of text.matchAll(/<D:response>(.*?)<\/D:response>/gs)) {
    const one = (name) => new RegExp(`<D:${name}>(.*?)</D:${name}>`, 's').exec(entry)?.[1];
    found[decodeURIComponent(one('href'))] = { size: one('getcontentlength') === undefined ? undefined : Number(one('getcontentlength')), collection: /<D:collection\/>/.test(entry) };
  }
  return found;
}

/** rclone with a remote `latchkey:` that is the connector. */
export async function rclone(t, server, connector = 'scans') {
  const folder = await temporaryFolder(t, 'rclone');
  const obscured = await run('rclone', ['obscure', '-'], { input: pin });
  if (obscured.status !== 0) throw new Error(obscured.stderr);
  const config = path.join(folder, 'rclone.conf');
  await writeFile(config, `[latchkey]\ntype = webdav\nurl = ${server.url}/dav/${connector}\nvendor = other\nuser = printer-1\npass = ${obscured.stdout.trim()}\n`);
  return {
    folder,
    run: (...args) => run('rclone', ['--config', config, '--retries', '1', '--low-level-retries', '1', ...args], { timeout: 180_000, env: { HOME: folder, XDG_CACHE_HOME: folder } }),
  };
}

/** Writes { 'a/b.pdf': octets } below a folder. */
export async function writeTree(folder, files) {
  for (const [name, octets] of Object.entries(files)) {
    await mkdir(path.dirname(path.join(folder, name)), { recursive: true });
    await writeFile(path.join(folder, name), octets);
  }
}
