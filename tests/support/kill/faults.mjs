// Killing the unchanged program at its n-th write, sync or rename, or having the disk refuse there: durable_faults.c loaded
// into it, and the page of memory that tells it what to do.

import { execFileSync } from 'node:child_process';
import { closeSync, openSync, readSync, writeSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

const source = path.join(path.dirname(fileURLToPath(import.meta.url)), 'durable_faults.c');
const pageBytes = 4096;
const headBytes = 32;

// `all` that change something; a read can only be refused.
export const operations = { write: 1, sync: 2, rename: 4, unlink: 8, resize: 16, all: 31, read: 32 };
export const files = { journal: 1, log: 2, database: 4, other: 8, all: 15 };
const actions = { before: 1, after: 2, halfway: 3, refuse: 4 };
const codes = { ENOSPC: 28, EIO: 5 };

/** The first C compiler that is here; undefined: none, and what needs one is skipped. */
function compile(into) {
  for (const compiler of ['clang-19', 'clang', 'cc']) {
    try {
      execFileSync(compiler, ['-std=c17', '-O1', '-shared', '-fPIC', '-o', into, source], { stdio: ['ignore', 'ignore', 'pipe'] });
      return true;
    } catch (error) {
      if (error.code !== 'ENOENT') throw error;
    }
  }
  return false;
}

export class Faults {
  /** For the program whose data lie below `data`; the library and its page go to `folder`. */
  constructor(folder, data) {
    this.library = path.join(folder, 'durable_faults.so');
    if (!compile(this.library)) throw new Error('no C compiler is here: scripts/setup installs one');
    this.file = path.join(folder, 'durable_faults.page');
    this.data = data;
    this.descriptor = openSync(this.file, 'w+');
    writeSync(this.descriptor, Buffer.alloc(pageBytes), 0, pageBytes, 0);
  }

  /** For the program's environment. */
  get environment() {
    return { LD_PRELOAD: this.library, DURABLE_FAULTS_CONTROL: this.file, DURABLE_FAULTS_UNDER: this.data };
  }

  /**
   * From now on, at the `nth` operation that matches (1 is the next): action `before`, `after` or `halfway` (of a write) kills
   * the process there; `refuse` lets it and all after it fail with `code`, `times` times (-1: until disarmed).
   */
  arm({ nth = 1, operation = operations.all, file = files.all, action = 'before', code = 'ENOSPC', times = -1 }) {
    this.disarm();
    const head = Buffer.alloc(headBytes);
    head.writeInt32LE(nth, 4);
    head.writeUInt32LE(operation, 8);
    head.writeUInt32LE(file, 12);
    head.writeUInt32LE(actions[action], 16);
    head.writeUInt32LE(codes[code], 20);
    head.writeInt32LE(times, 24);
    writeSync(this.descriptor, head, 4, headBytes - 4, 4);
    writeSync(this.descriptor, Buffer.alloc(208), 0, 208, 40);
    writeSync(this.descriptor, Buffer.from([1]), 0, 1, 0);
  }

  disarm() {
    writeSync(this.descriptor, Buffer.from([0]), 0, 1, 0);
  }

  #read() {
    const head = Buffer.alloc(256);
    readSync(this.descriptor, head, 0, head.length, 0);
    return head;
  }

  /** How often it has struck since it was armed. */
  get struck() {
    return this.#read().readUInt32LE(28);
  }

  /** What was struck first: `sync journal/replies-00000001`. */
  get what() {
    const text = this.#read().subarray(40, 248);
    return text.subarray(0, Math.max(0, text.indexOf(0))).toString();
  }

  /** Operations below the data folder, in all lives of the program so far. */
  get seen() {
    return Number(this.#read().readBigUInt64LE(32));
  }

  close() {
    closeSync(this.descriptor);
  }
}
