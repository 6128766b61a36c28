// What stands before several instances of a service under one name: passes connections through, as they are, to one of them.

import net from 'node:net';
import { freePort } from './ports.mjs';

export class TcpSwitch {
  /** Listens on a free loopback port; ends with the test `t`. Nobody is there until `to` (a port) is set. */
  static async start(t) {
    const line = new TcpSwitch();
    line.port = await freePort();
    line.server = net.createServer((client) => line.#pass(client));
    await new Promise((resolve) => line.server.listen(line.port, '127.0.0.1', resolve));
    t.after(() => {
      line.cut();
      line.server.close();
    });
    return line;
  }

  to = 0;
  #lines = new Set();

  #pass(client) {
    const onward = net.connect(this.to, '127.0.0.1');
    for (const [each, other] of [[client, onward], [onward, client]]) {
      this.#lines.add(each);
      each.on('error', () => {});
      each.on('close', () => {
        this.#lines.delete(each);
        other.destroy();
      });
      each.pipe(other);
    }
  }

  /** Breaks what is open; new connections go on. */
  cut() {
    for (const each of this.#lines) each.destroy();
  }
}
