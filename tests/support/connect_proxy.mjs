// An HTTP proxy on the way out (CONNECT alone, RFC 9110 section 9.3.6), which leads names where the test says.

import http from 'node:http';
import net from 'node:net';
import { freePort } from './ports.mjs';

export class ConnectProxy {
  /** Listens on a free loopback port; ends with the test `t`. */
  static async start(t) {
    const proxy = new ConnectProxy();
    proxy.port = await freePort();
    proxy.server = http.createServer((_request, response) => response.writeHead(405).end());
    proxy.server.on('connect', (request, client, head) => proxy.#pass(request.url, client, head));
    await new Promise((resolve) => proxy.server.listen(proxy.port, '127.0.0.1', resolve));
    t.after(() => proxy.close());
    return proxy;
  }

  /** host:port → the loopback port that it leads to; whatever is not here it does not let through. */
  ways = new Map();
  /** What it was asked for. */
  asked = [];
  #lines = new Set();

  get url() {
    return `http://127.0.0.1:${this.port}`;
  }

  close() {
    for (const each of this.#lines) each.destroy();
    return new Promise((resolve) => this.server.close(resolve));
  }

  #pass(target, client, head) {
    this.asked.push(target);
    client.on('error', () => {});
    const port = this.ways.get(target);
    if (port === undefined) return client.end('HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n');
    const onward = net.connect(port, '127.0.0.1', () => {
      client.write('HTTP/1.1 200 Connection established\r\n\r\n');
      onward.write(head);
      onward.pipe(client);
      client.pipe(onward);
    });
    for (const [each, other] of [[client, onward], [onward, client]]) {
      this.#lines.add(each);
      each.on('error', () => {}).on('close', () => {
        this.#lines.delete(each);
        other.destroy();
      });
    }
    return undefined;
  }
}
