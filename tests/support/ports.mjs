// Free loopback ports and temporary folders, released with the test that asked.

import { mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';

/** A loopback port nobody listens on now. */
export function freePort() {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.on('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const { port } = server.address();
      server.close(() => resolve(port));
    });
  });
}

/** A temporary folder, removed when the test (or suite) `t` ends. */
export async function temporaryFolder(t, name = 'test') {
  const folder = await mkdtemp(path.join(tmpdir(), `latchkey-${name}-`));
  t.after(() => rm(folder, { recursive: true, force: true }));
  return folder;
}
