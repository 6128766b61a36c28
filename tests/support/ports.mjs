// Free loopback ports and temporary folders, released with the test that asked.

import { randomInt } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';

// Below what Linux gives to outgoing connections: any of those might take a port between here and whoever shall listen on it.
const kFirst = 20_000;
const kCount = 12_700;

const given = new Set();

/** A loopback port nobody listens on now, and which this process has not been given before. */
export async function freePort() {
  for (let tries = 0; tries < 100; ++tries) {
    const port = kFirst + randomInt(kCount);
    if (given.has(port) || !(await isFree(port))) continue;
    given.add(port);
    return port;
  }
  throw new Error('no free port in a hundred tries');
}

function isFree(port) {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.on('error', (error) => (error.code === 'EADDRINUSE' ? resolve(false) : reject(error)));
    server.listen(port, '127.0.0.1', () => server.close(() => resolve(true)));
  });
}

/** A temporary folder, removed when the test (or suite) `t` ends. */
export async function temporaryFolder(t, name = 'test') {
  const folder = await mkdtemp(path.join(tmpdir(), `latchkey-${name}-`));
  t.after(() => rm(folder, { recursive: true, force: true }));
  return folder;
}
