// Data folders with many users, made by build/*/populate (bench/population), and what a process's memory amounts to.

import { mkdir, readFile } from 'node:fs/promises';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { binary, run } from './latchkey.mjs';

const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '..', '..');

/**
 * Fills a new data folder. kind: `now` (every grant is due), `later` (none is for half a day), `hollow` (as later, quicker
 * to make, opens nothing). Every PIN is `bench-PIN-42`; the provider is bench/population/provider.json at `issuer`.
 */
export async function populate(data, { users, kind, type = 'bench-rolling', issuer = 'https://localhost:9' }) {
  await mkdir(data, { recursive: true, mode: 0o700 });
  const program = path.join(path.dirname(binary), 'populate');
  const made = await run(program, [data, users, type, issuer, path.join(root, 'bench/population/provider.json'), kind].map(String), { timeout: 600_000 });
  if (made.status !== 0) throw new Error(`populate: ${made.stderr}`);
  return made.ms;
}

/**
 * Anonymous memory in MB (10^6 bytes): Pss_Anon of smaps_rollup, which only root may read of a hardened process; else
 * RssAnon, which is the same for a process that shares no memory of its own.
 */
export async function anonymousMemory(pid) {
  let found;
  try {
    found = /^Pss_Anon:\s+(\d+) kB/m.exec(await readFile(`/proc/${pid}/smaps_rollup`, 'utf8'));
  } catch {
    found = /^RssAnon:\s+(\d+) kB/m.exec(await readFile(`/proc/${pid}/status`, 'utf8'));
  }
  return Number(found[1]) * 1024 / 1e6;
}
