// The line between a server and its database: passes everything on until a test breaks it, or lets nothing through any more.

import net from 'node:net';

export class DatabaseLine {
  /** To the port of a database on loopback; ends with the test `t`. */
  static async start(t, port) {
    const line = new DatabaseLine();
    line.server = net.createServer((client) => line.#pass(client, net.connect(port, '127.0.0.1')));
    await new Promise((resolve) => line.server.listen(0, '127.0.0.1', resolve));
    line.port = line.server.address().port;
    t.after(() => {
      line.broken = true;
      line.#cut();
      line.server.close();
    });
    return line;
  }

  /** Nobody is answered, and nobody is told why: what is sent goes nowhere. */
  silent = false;
  /** Every connection ends at once. */
  broken = false;
  /** What is sent and holds these words ends the line, and does not go on. */
  words = undefined;
  /** With `words`: what is sent goes on, and the line ends when the database says that it is committed, which nobody hears. */
  committed = false;
  #ends = new Set();

  #cut() {
    for (const each of this.#ends) each.destroy();
  }

  mend() {
    this.#cut();
    Object.assign(this, { silent: false, broken: false, words: undefined, committed: false });
  }

  #pass(client, database) {
    let said = false;
    for (const [each, other] of [[client, database], [database, client]]) {
      this.#ends.add(each);
      each.on('error', () => {}).on('close', () => {
        this.#ends.delete(each);
        other.destroy();
      });
      each.on('data', (chunk) => {
        if (each === client && this.words !== undefined && chunk.includes(this.words)) {
          this.words = undefined;
          if (this.committed) said = true;
          else this.broken = true;
        }
        if (each === database && said && chunk.includes('COMMIT')) this.broken = true;
        if (this.broken) this.#cut();
        else if (!this.silent) other.write(chunk);
      });
    }
    if (this.broken) client.destroy();
  }
}
