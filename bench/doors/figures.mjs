// What both parts of the bench share: medians, tables, the state of the machine, memory over time.

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
