// The scene of tests about the SMTP door: a server that takes mail, devices known to it, and a client that says what it is told to, octet by
// octet.

import net from 'node:net';
import { readdir } from 'node:fs/promises';
import path from 'node:path';
import { deliveringServer } from './delivering.mjs';
import { freePort } from './ports.mjs';
import { pin } from './scene.mjs';

export const base64 = (text) => Buffer.from(text).toString('base64');
/** The initial response of AUTH PLAIN (RFC 4616). */
export const plainOf = (username, secret) => base64(`\0${username}\0${secret}`);

/** How many documents are in the spool; what was put aside is none of them. */
export const spooled = async (server) => (await readdir(path.join(server.data, 'spool'))).filter((name) => name !== 'unknown').length;

/** A delivering server with the SMTP door in clear on loopback, where a PIN may be shown: adds { port }. */
export async function scanningServer(t, options = {}) {
  const port = await freePort();
  const scene = await deliveringServer(t, { ...options, config: { 'smtp.submission': `127.0.0.1:${port}`, ...options.config } });
  return { ...scene, port };
}

/** A server whose connector `scans` opens the account of `printer-1` by itself; `device(wish)` makes one that delivers there: { id, name, secret }. */
export async function deviceServer(t, options = {}) {
  const scene = await scanningServer(t, {
    ...options, connector: { account: 'fixed', owner: 'printer-1', owner_pin: pin, groups: [], folder: 'In/{user}', ...options.connector },
  });
  const device = (wish) => scene.admin.must('POST', '/api/v1/devices', { connectors: ['scans'], ...wish });
  const lastError = async (name) => (await scene.admin.must('GET', '/api/v1/devices')).items.find((one) => one.name === name).last_error;
  return { ...scene, device, lastError };
}

/** Sends octets as they are, and gives { said, socket } once `done` matches what the server has said. */
export function speak(t, port, octets, done, from = '127.0.0.1') {
  return new Promise((resolve, reject) => {
    let said = '';
    const socket = net.connect({ port, host: '127.0.0.1', localAddress: from }, () => socket.write(octets));
    t.after(() => socket.destroy());
    socket.setTimeout(60_000, () => reject(new Error(`no ${done}: ${said}`)));
    socket.on('data', (data) => { said += data; if (done.test(said)) resolve({ said, socket }); });
    socket.on('end', () => (done.test(said) ? resolve({ said, socket }) : reject(new Error(`ended before ${done}: ${said}`))));
    socket.on('error', reject);
  });
}

/** A mail as a scanner writes it: some text, and the document in base64. */
export const mailWith = (name, document) => around(name, document.toString('base64').replace(/(.{76})/g, '$1\r\n'));

/** The same of a longDocument(), made piece by piece. */
export async function* mailOfStream(name, stream) {
  const [before, after] = around(name, '\0').split('\0');
  yield before;
  for await (const octets of stream) yield octets.toString('base64').replace(/(.{76})/g, '$1\r\n');
  yield after;
}

const around = (name, encoded) => [
  'From: copier', 'To: scans@drop.internal', 'Subject: Scan', 'MIME-Version: 1.0', 'Content-Type: multipart/mixed; boundary=b', '', '--b',
  'Content-Type: text/plain', '', 'Scanned.', '--b', 'Content-Type: application/pdf', 'Content-Transfer-Encoding: base64',
  `Content-Disposition: attachment; filename="${name}"`, '', encoded, '--b--', '',
].join('\r\n');
