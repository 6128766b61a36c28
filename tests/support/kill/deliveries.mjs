// Kills the real server while documents come in and go out, and proves after every kill that none which was acknowledged is lost, none
// arrives twice, and what arrives is what was sent (D2).
//
// A point says where a kill strikes: the nth write, sync or the like on the data folder that matches (members of Faults.arm), counted from
// when documents were sent off, or from the start after the last kill (`starting`).

import { deliveringServer, documentOf, sha256 } from '../delivering.mjs';
import { slowness } from '../latchkey.mjs';
import { temporaryFolder } from '../ports.mjs';
import { until } from '../wait.mjs';
import { Faults, files, operations } from './faults.mjs';
import { Choices } from './random.mjs';

const burstMs = 2500; // by then a burst is over: a point that was not reached is struck by hand

/** A mixed list of points: acceptance writes and syncs the spool's files and the store's log, sending the log alone. */
export function deliveryPoints(count, seed) {
  const choices = new Choices(seed);
  return Array.from({ length: count }, (_, number) => {
    const action = choices.of(['before', 'after', 'halfway']);
    switch (number % 6) {
      case 0: return { nth: 1 + choices.below(12), action, operation: operations.write, file: files.other };
      case 1: return { nth: 1 + choices.below(8), action, operation: operations.sync, file: files.other };
      case 2: return { nth: 1 + choices.below(40), action, operation: operations.write, file: files.log };
      case 3: return { nth: 1 + choices.below(20), action, operation: operations.sync, file: files.log };
      case 4: return { nth: 1 + choices.below(4), action, operation: operations.unlink, file: files.other };
      default: return { nth: 1 + choices.below(20), action, starting: true };
    }
  });
}

export class DeliveryKillRun {
  /** `documents`: how many are sent off in a burst. */
  static async start(t, { seed = 1, documents = 6 } = {}) {
    const run = new DeliveryKillRun();
    const folder = await temporaryFolder(t, 'kill-deliveries');
    run.disk = new Faults(folder, `${folder}/data`);
    t.after(() => run.disk.close());
    run.scene = await deliveringServer(t, { data: `${folder}/data`, env: run.disk.environment });
    run.choices = new Choices(seed);
    run.documents = documents;
    return run;
  }

  acknowledged = new Map(); // delivery → hash of what was sent
  figures = { kills: 0, points: new Map() };

  async strike(point) {
    const { server } = this.scene;
    if (point.starting) {
      this.#send();
      await this.#kill(20 + this.choices.below(60));
      this.disk.arm(point);
      await this.#launch({ expectReady: false });
    } else {
      this.disk.arm(point);
    }
    const sending = point.starting ? [] : this.#send();
    await this.#kill(burstMs * slowness);
    await Promise.all(sending);
    this.figures.kills++;
    const what = this.disk.struck ? `${point.starting ? 'starting: ' : ''}${point.action} ${this.disk.what.replace(/[0-9a-f-]{32,}|\d+/g, 'N')}` : 'while idle';
    this.figures.points.set(what, (this.figures.points.get(what) ?? 0) + 1);
    this.disk.disarm();
    await this.#launch();
    if (!server.running) throw new Error(`it did not start again: ${server.logs.slice(-2000)}`);
  }

  /** Nothing that was acknowledged is missing, nothing is there twice, and nothing waits any more. */
  async finish() {
    const { drive, road, admin } = this.scene;
    await admin.signIn();
    for (const [id, hash] of this.acknowledged) {
      const found = await until(`delivery ${id}`, async () => {
        const { status, body } = await road(id);
        if (status === 404) throw new Error(`${id} was acknowledged, and nobody knows it any more`);
        return body.state === 'delivered' ? body : undefined;
      }, { timeout: 120_000 * slowness, every: 50 });
      if (found.sha256 !== hash || drive.uploads.get(id)?.file?.sha256 !== hash) throw new Error(`${id} arrived as something else`);
    }
    // Those whose acknowledgement was lost with the process go their way, too, or have left nothing.
    await until('nothing to be in work', async () => {
      const states = await Promise.all(['queued', 'sending', 'parked'].map((state) => admin.must('GET', `/api/v1/deliveries?state=${state}`)));
      return states.every((page) => page.total === 0);
    }, { timeout: 120_000 * slowness, every: 100 });
    const arrived = [...drive.uploads.values()].filter((upload) => upload.file).length;
    if (drive.files.size !== arrived) throw new Error(`${drive.files.size} files of ${arrived} deliveries`);
    const all = await admin.must('GET', '/api/v1/deliveries');
    if (all.total !== arrived) throw new Error(`${all.total} records of ${arrived} arrivals`);
  }

  #send() {
    return Array.from({ length: this.documents }, async (_, number) => {
      const document = documentOf([0, 1, 3000, 70_000, 150_000, 1_500_000][number % 6]);
      try {
        const answer = await this.scene.deliver(document, { name: `${number}.bin`, wait: 0 });
        if (answer.status === 202) this.acknowledged.set(answer.body.id, sha256(document));
      } catch {
        // The server was killed before it answered: nothing was promised.
      }
    });
  }

  async #kill(after) {
    const { server } = this.scene;
    const patience = setTimeout(() => server.child.kill('SIGKILL'), after);
    await server.ended;
    clearTimeout(patience);
  }

  async #launch(options) {
    this.scene.server.stdout = '';
    this.scene.server.stderr = '';
    await this.scene.server.launch(options);
  }
}

/**
 * `documents` wait in the queue; the server is killed every second, for so many seconds, while they go. Throws unless each arrives, once.
 * Gives { kills, seconds }: how long it took from the first kill to the last arrival.
 */
export async function killQueue(t, { documents, seconds, say = () => undefined }) {
  const { server, admin, drive, deliver } = await deliveringServer(t, { config: { 'log.level': 'warning' } });
  await admin.set('delivery.connector_parallel', 16);
  drive.plan = () => ({ status: 503, headers: { 'retry-after': '1' } });
  const sent = new Map();
  let next = 0;
  await Promise.all(Array.from({ length: 8 }, async () => {
    while (next < documents) {
      const number = next++;
      const document = Buffer.from(`document ${number}`);
      const answer = await deliver(document, { name: `${number}.txt`, wait: 0 });
      if (answer.status !== 202) throw new Error(answer.text);
      sent.set(answer.body.id, sha256(document));
    }
  }));
  say(`${documents} documents wait`);
  drive.plan = () => undefined;
  const begun = performance.now();
  let kills = 0;
  for (; kills < seconds; kills++) {
    await new Promise((resolve) => setTimeout(resolve, 1000));
    await server.kill();
    await server.launch();
  }
  say(`${kills} kills, ${drive.files.size} have arrived`);
  await until('all to arrive', () => drive.files.size >= documents, { timeout: 600_000 * slowness, every: 200 });
  await admin.signIn();
  await until('nothing to be in work', async () => {
    const states = await Promise.all(['queued', 'sending', 'parked'].map((state) => admin.must('GET', `/api/v1/deliveries?state=${state}`)));
    return states.every((page) => page.total === 0);
  }, { timeout: 120_000 * slowness, every: 200 });
  for (const [id, hash] of sent) {
    if (drive.uploads.get(id)?.file?.sha256 !== hash) throw new Error(`${id} was lost, or arrived as something else`);
  }
  if (drive.files.size !== documents) throw new Error(`${drive.files.size} files of ${documents} documents`);
  return { kills, seconds: (performance.now() - begun) / 1000 };
}
