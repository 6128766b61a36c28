// A conversation of a device (tests/zoo/README.md): read from its file, and held with a server, octet by octet.

import net from 'node:net';
import tls from 'node:tls';
import { basename } from 'node:path';
import { readFile } from 'node:fs/promises';

const escapes = { r: '\r', n: '\n', t: '\t', s: ' ', '\\': '\\' };
const patience = 60_000;

/** What the text of a file stands for: octets. What is no ASCII stands for its UTF-8. */
function octetsOf(text) {
  const parts = [];
  for (const [, hex, letter, plain] of text.matchAll(/\\x([0-9a-f]{2})|\\(.)|([^\\]+)/gs)) {
    if (letter !== undefined && !(letter in escapes)) throw new Error(`no such escape: \\${letter}`);
    parts.push(hex ? Buffer.from(hex, 'hex') : Buffer.from(letter ? escapes[letter] : plain));
  }
  return Buffer.concat(parts);
}

const filled = (text, values) => text.replace(/\{([a-z-]+)\}/g, (whole, name) => {
  if (!(name in values)) throw new Error(`nothing is known of ${whole}`);
  return values[name];
});

/** A text in which `*` stands for anything, as an expression. */
export const patternOf = (text) => new RegExp(`^${text.split('*').map((part) => part.replace(/[\\^$.|?+()[\]{}]/g, '\\$&')).join('.*')}$`, 's');

/** { name, listener, steps, documents, mails } of a file. `values` fills what stands in braces. */
export async function readDialogue(file, values) {
  const dialogue = { name: basename(file, '.txt'), listener: 'submission', steps: [], documents: [], mails: [] };
  for (const line of (await readFile(file, 'utf8')).split('\n')) {
    const rest = filled(line.slice(2), values);
    switch (line[0]) {
      case undefined: case '#': break;
      case 'L': dialogue.listener = rest; break;
      case 'C': dialogue.steps.push({ say: Buffer.concat([octetsOf(rest), Buffer.from('\r\n')]) }); break;
      case 'c': dialogue.steps.push({ say: octetsOf(rest) }); break;
      case 'S': dialogue.steps.push({ hear: rest }); break;
      case 'W': dialogue.steps.push({ wait: Number(rest) }); break;
      case 'T': dialogue.steps.push({ tls: true }); break;
      case 'E': dialogue.steps.push({ end: true }); break;
      case 'D': dialogue.documents.push({ name: rest.slice(0, rest.indexOf(' ')), octets: octetsOf(rest.slice(rest.indexOf(' ') + 1)) }); break;
      case 'M': dialogue.mails.push({ recipients: rest.split(','), header: [] }); break;
      case 'H': dialogue.mails.at(-1).header.push(rest); break;
      case 'B': dialogue.mails.at(-1).body = octetsOf(rest); break;
      default: throw new Error(`${file}: ${line}`);
    }
  }
  return dialogue;
}

/** Holds it with whoever listens at `port`. Throws with the whole conversation where an answer is another one. */
export async function hold(dialogue, port) {
  const line = new Line(net.connect({ port, host: '127.0.0.1' }));
  let pending = [];
  const leave = () => { if (pending.length > 0) line.write(Buffer.concat(pending)); pending = []; };
  try {
    for (const step of dialogue.steps) {
      if (step.say) pending.push(step.say);
      else leave();
      if (step.hear !== undefined) await line.expect(step.hear);
      if (step.wait) await new Promise((resolve) => setTimeout(resolve, step.wait));
      if (step.tls) await line.startTls();
      if (step.end) await line.expectEnd();
    }
    leave();
    line.expectNothing();
  } finally {
    line.close();
  }
}

class Line {
  #socket;
  #heard = Buffer.alloc(0);
  #ended = false;
  #failed;
  #story = '';
  #wake = () => undefined;

  constructor(socket) {
    this.#take(socket);
  }

  #take(socket) {
    this.#socket = socket;
    socket.on('data', (data) => { this.#heard = Buffer.concat([this.#heard, data]); this.#wake(); });
    socket.on('end', () => { this.#ended = true; this.#wake(); });
    socket.on('error', (error) => { this.#failed = error; this.#wake(); });
  }

  write(octets) {
    this.#story += `C ${JSON.stringify(octets.toString('latin1'))}\n`;
    this.#socket.write(octets);
  }

  async #until(what, condition) {
    const deadline = performance.now() + patience;
    while (!condition()) {
      if (this.#failed || this.#ended || performance.now() > deadline) throw new Error(`no ${what}${this.#failed ? ` (${this.#failed.message})` : ''}, but ${JSON.stringify(this.#heard.toString())} after:\n${this.#story}`);
      await new Promise((resolve) => { const timer = setTimeout(resolve, 1000); this.#wake = () => { clearTimeout(timer); resolve(); }; });
    }
  }

  async expect(answer) {
    await this.#until(`"${answer}"`, () => this.#heard.includes('\r\n'));
    const end = this.#heard.indexOf('\r\n');
    const heard = this.#heard.subarray(0, end).toString();
    this.#heard = this.#heard.subarray(end + 2);
    this.#story += `S ${heard}\n`;
    if (!patternOf(answer).test(heard)) throw new Error(`"${answer}" was to be answered:\n${this.#story}`);
  }

  async startTls() {
    this.expectNothing();
    this.#socket.removeAllListeners();
    const secure = tls.connect({ socket: this.#socket, rejectUnauthorized: false, servername: 'localhost' });
    this.#take(secure);
    await new Promise((resolve, reject) => secure.once('secureConnect', resolve).once('error', reject));
    this.#story += 'TLS\n';
  }

  async expectEnd() {
    await this.#until('end', () => this.#ended);
    this.expectNothing();
  }

  expectNothing() {
    if (this.#heard.length > 0) throw new Error(`answered without being asked: ${JSON.stringify(this.#heard.toString())} after:\n${this.#story}`);
  }

  close() {
    this.#socket.destroy();
  }
}
