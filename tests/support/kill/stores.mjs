// The stores that the kill run knows: how a server is pointed at one, and how it is examined while no server runs.

import { copyFile, mkdtemp, rm } from 'node:fs/promises';
import { existsSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { Postgres, withoutPostgres } from '../postgres.mjs';

/** Grants whose current generation is not there: a commit that happened by halves. */
const halves = `SELECT count(*) AS count FROM grants g WHERE g.generation > 0
  AND NOT EXISTS (SELECT 1 FROM generations n WHERE n.grant_id = g.id AND n.number = g.generation)`;

/**
 * skip: why it cannot be had here, or false. prepare(t) gives `options` for Latchkey.start, and `fault(data)`: what is wrong with
 * the store, undefined when nothing is.
 */
export const sqlite = {
  name: 'SQLite',
  skip: false,
  async prepare() {
    return {
      options: {},
      // A copy is examined, so that the next start finds what the kill left, its log not yet replayed.
      async fault(data) {
        const folder = await mkdtemp(path.join(tmpdir(), 'latchkey-examined-'));
        try {
          for (const name of ['latchkey.db', 'latchkey.db-wal']) {
            if (existsSync(path.join(data, name))) await copyFile(path.join(data, name), path.join(folder, name));
          }
          const database = new DatabaseSync(path.join(folder, 'latchkey.db'));
          const rows = database.prepare('PRAGMA integrity_check').all();
          const { count } = database.prepare(halves).get();
          database.close();
          if (count > 0) return `${count} grants have lost their generation`;
          const words = rows.map((row) => row.integrity_check).join('; ');
          return words === 'ok' ? undefined : words;
        } finally {
          await rm(folder, { recursive: true, force: true });
        }
      },
    };
  },
};

/** What the server sends to the database are points, too: a commit may be killed on its way there, or its answer on the way back. */
export const postgres = {
  name: 'PostgreSQL',
  skip: withoutPostgres,
  async prepare(t) {
    const cluster = await Postgres.start(t);
    const store = await cluster.makeDatabase();
    return {
      options: { config: { store }, env: { DURABLE_FAULTS_PORT: String(cluster.port) } },
      async fault() {
        const count = Number(await cluster.sql(halves));
        return count > 0 ? `${count} grants have lost their generation` : undefined;
      },
    };
  },
};
