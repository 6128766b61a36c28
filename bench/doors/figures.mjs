// What both parts of the bench share: medians, tables, the state of the machine, memory over time.

import { readdir, readFile } from 'node:fs/promises';
import { cpus, loadavg } from 'node:os';
import { anonymousMemory } from '../../tests/support/population.mjs';

export const median = (values) => values.toSorted((a, b) => a - b)[Math.floor((values.length - 1) / 2)];
export const row = (...cells) => console.log(`| ${cells.join(' | ')} |`);
export const headRow = (...cells) => {
  row(...cells);
  row(...cells.map(() => '---'));
};
/** Figures of a busy machine say little: what else ran stands above them. */
export const machine = () => `${cpus().length} processors, load ${loadavg()[0].toFixed(2)} at the start`;

async function statOf(pid) {
  const text = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => '');
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
  return { parent: Number(fields[1]), ticks: Number(fields[11]) + Number(fields[12]) };
}

/** Milliseconds of processor time that a process and its children there are have had. */
export async function processorTime(pid) {
  let ticks = 0;
  for (const name of await readdir('/proc')) {
    if (!/^\d+$/.test(name)) continue;
    const stat = await statOf(name);
    if (Number(name) === pid || stat.parent === pid) ticks += stat.ticks;
  }
  return ticks * 10;
}

/** Watches a process's anonymous memory (MB of 10^6 octets) until `done()`, which gives { before, most }. */
export async function watchMemory(pid) {
  const before = await anonymousMemory(pid);
  let most = before;
  const look = async () => { most = Math.max(most, await anonymousMemory(pid)); };
  const timer = setInterval(look, 20);
  return {
    async done() {
      clearInterval(timer);
      await look();
      return { before, most };
    },
  };
}
