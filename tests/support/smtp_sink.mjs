// A mail relay that keeps what it is sent, on bare sockets; with a certificate it offers STARTTLS. Plans say how it misbehaves.

import net from 'node:net';
import tls from 'node:tls';
import { freePort } from './ports.mjs';

export class SmtpSink {
  /** Mails taken: { from, to: [], headers: {}, subject, text, secure, user }, oldest first. */
  mails = [];
  /** Mails refused, and connections, for counting tries. */
  refused = 0;
  connections = 0;
  /** Set to an answer such as '451 4.3.0 Busy' to refuse every mail. */
  refuse = undefined;
  /** Recipients it does not know. */
  unknown = [];
  #sockets = new Set();

  /** certificate: { key, cert } offers STARTTLS, or with `implicit` is TLS from the first octet; user, password: demands them. Ends with the test `t`. */
  static async start(t, { certificate, implicit = false, user, password, port } = {}) {
    const sink = new SmtpSink();
    Object.assign(sink, { certificate, implicit, user, password, port: port ?? (await freePort()) });
    sink.server = implicit ? tls.createServer(certificate, (socket) => sink.#serve(socket)) : net.createServer((socket) => sink.#serve(socket));
    await new Promise((resolve, reject) => {
      sink.server.on('error', reject);
      sink.server.listen(sink.port, '127.0.0.1', resolve);
    });
    t?.after(() => sink.close());
    return sink;
  }

  async close() {
    for (const socket of this.#sockets) socket.destroy();
    if (this.server.listening) await new Promise((resolve) => this.server.close(resolve));
  }

  #serve(plain) {
    this.connections += 1;
    let socket = plain;
    let buffer = '';
    let data = null;
    let mail = { to: [] };
    let secure = this.implicit;
    let signedIn;
    let asked = false;
    const say = (line) => socket.write(`${line}\r\n`);
    const take = (chunk) => {
      buffer += chunk.toString('latin1');
      for (let end = buffer.indexOf('\r\n'); end >= 0; end = buffer.indexOf('\r\n')) {
        const line = buffer.slice(0, end);
        buffer = buffer.slice(end + 2);
        hear(line);
      }
    };
    const attach = (to) => {
      this.#sockets.add(to);
      to.on('data', take);
      to.on('error', () => {});
      to.on('close', () => this.#sockets.delete(to));
    };
    const signIn = (words) => {
      asked = false;
      const [, user, password] = Buffer.from(words, 'base64').toString().split('\0');
      if (user !== this.user || password !== this.password) return say('535 5.7.8 Wrong name or password');
      signedIn = user;
      return say('235 2.7.0 Welcome');
    };
    const hear = (line) => {
      if (asked) return signIn(line);
      if (data !== null) {
        if (line !== '.') return void data.push(line.startsWith('..') ? line.slice(1) : line);
        const lines = data;
        data = null;
        if (this.refuse) {
          this.refused += 1;
          return say(this.refuse);
        }
        this.mails.push({ ...mail, ...read(lines), secure, user: signedIn });
        mail = { to: [] };
        return say('250 2.0.0 Taken');
      }
      const [verb, ...rest] = line.split(' ');
      switch (verb.toUpperCase()) {
        case 'EHLO':
        case 'HELO': {
          const offers = ['sink.example greets you'];
          if (this.certificate && !secure) offers.push('STARTTLS');
          if (this.user) offers.push('AUTH PLAIN');
          return offers.forEach((offer, n) => say(`250${n === offers.length - 1 ? ' ' : '-'}${offer}`));
        }
        case 'STARTTLS': {
          say('220 2.0.0 Go ahead');
          plain.removeListener('data', take);
          socket = new tls.TLSSocket(plain, { isServer: true, key: this.certificate.key, cert: this.certificate.cert });
          secure = true;
          buffer = '';
          return attach(socket);
        }
        case 'AUTH':
          if (rest[0]?.toUpperCase() !== 'PLAIN') return say('504 5.5.4 PLAIN only');
          if (rest[1]) return signIn(rest[1]);
          asked = true;
          return say('334 ');
        case 'MAIL':
          if (this.user && !signedIn) return say('530 5.7.0 Sign in first');
          mail.from = /<([^>]*)>/.exec(line)?.[1];
          return say('250 2.1.0 OK');
        case 'RCPT': {
          const to = /<([^>]*)>/.exec(line)?.[1];
          if (this.unknown.includes(to)) return say(`550-5.1.1 This is long\r\n550 5.1.1 No ${to} here`);
          mail.to.push(to);
          return say('250 2.1.5 OK');
        }
        case 'DATA':
          data = [];
          return say('354 Go on');
        case 'QUIT':
          say('221 2.0.0 Bye');
          return socket.end();
        default:
          return say('502 5.5.1 What?');
      }
    };
    attach(plain);
    say('220 sink.example');
  }
}

function read(lines) {
  const empty = lines.indexOf('');
  const headers = {};
  for (const line of lines.slice(0, empty)) headers[line.slice(0, line.indexOf(':')).toLowerCase()] = line.slice(line.indexOf(':') + 1).trim();
  const body = lines.slice(empty + 1).join('\r\n');
  const text = headers['content-transfer-encoding'] === 'base64' ? Buffer.from(body, 'base64').toString('utf8') : body;
  return { headers, subject: headers.subject, text };
}
