// A small file system of a test's own: a tmpfs in a mount namespace that nobody else sees, where the disk really fills up.

import { spawn, spawnSync } from 'node:child_process';
import { closeSync, openSync, rmSync, writeSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import path from 'node:path';
import { until } from './wait.mjs';

const namespace = process.getuid() === 0 ? [] : ['--user', '--map-root-user'];
const tried = spawnSync('unshare', [...namespace, '--mount', 'sh', '-c', 'mount -t tmpfs none /mnt'], { encoding: 'utf8' });

/** Why no such disk can be had here, for `skip`; false when it can. */
export const withoutSmallDisk = tried.status === 0 ? false : `a mount namespace with a tmpfs is not permitted here: ${tried.error?.message ?? tried.stderr.trim()}`;

export class SmallDisk {
  /** `place`: a folder, made here, that only programs started `through` the disk's namespace see the disk in. */
  static async mount(t, place, sizeBytes) {
    const disk = new SmallDisk();
    disk.place = place;
    await mkdir(place, { recursive: true });
    const script = `mount -t tmpfs -o size=${sizeBytes},mode=0700 latchkey "$1" && echo mounted && exec sleep infinity`;
    disk.child = spawn('unshare', [...namespace, '--mount', 'sh', '-c', script, 'sh', place], { stdio: ['ignore', 'pipe', 'inherit'] });
    let said = '';
    disk.child.stdout.on('data', (chunk) => { said += chunk; });
    t.after(() => disk.child.kill('SIGKILL'));
    await until('the disk to be mounted', () => said.includes('mounted'));
    return disk;
  }

  /** The beginning of a command that runs where the disk is. */
  get through() {
    const user = namespace.length > 0 ? ['--user', '--preserve-credentials'] : [];
    return ['nsenter', `--target=${this.child.pid}`, '--mount', '--root', ...user, '--']; // the root, too: this may run in a chroot
  }

  /** A path on the disk, as this process can open it. */
  outside(name) {
    return path.join(`/proc/${this.child.pid}/root`, this.place, name);
  }

  /** Takes every octet that is left. */
  fill() {
    const descriptor = openSync(this.outside('ballast'), 'a');
    try {
      for (let size = 1 << 20; size >= 1;) {
        try {
          writeSync(descriptor, Buffer.alloc(size));
        } catch (error) {
          if (error.code !== 'ENOSPC') throw error;
          size >>= 1;
        }
      }
    } finally {
      closeSync(descriptor);
    }
  }

  makeRoom() {
    rmSync(this.outside('ballast'));
  }
}
