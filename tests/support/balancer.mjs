// A load balancer before several instances of a service under one name, without any stickiness: it takes https and gives every
// single request to another instance than the one before, passes over those nobody listens at, and notes who served what.

import http from 'node:http';
import https from 'node:https';
import { freePort } from './ports.mjs';

export class Balancer {
  /** What it calls the instances from: they trust this address alone, and the tests themselves are no proxy. */
  static address = '127.0.0.2';

  /** Listens on a free loopback port, with `certificate`; ends with the test `t`. */
  static async start(t, certificate) {
    const balancer = new Balancer();
    balancer.port = await freePort();
    balancer.server = https.createServer({ key: certificate.key, cert: certificate.cert }, (request, response) => balancer.#take(request, response));
    await new Promise((resolve) => balancer.server.listen(balancer.port, '127.0.0.1', resolve));
    t.after(async () => {
      balancer.server.closeAllConnections();
      await new Promise((resolve) => balancer.server.close(resolve));
    });
    return balancer;
  }

  /** Everything with a `port`. */
  instances = [];
  /** Only this one, as long as it is set. */
  only;
  /** What it says itself instead of passing a path on: (path) => { status, headers, body }, or nothing. */
  instead = () => undefined;
  /** What it waits for before it passes a path on. */
  before = async (_path) => {};
  /** { path, instance } of each request that was answered, oldest first. */
  served = [];
  /** The instances that were tried and were not there. */
  passedOver = [];
  #turn = 0;

  /** The next request tries this one first. */
  turnTo(instance) {
    this.#turn = this.instances.indexOf(instance);
  }

  async #take(request, response) {
    const chunks = [];
    for await (const chunk of request) chunks.push(chunk);
    const { pathname } = new URL(request.url, 'https://localhost');
    await this.before(pathname);
    const own = this.instead(pathname);
    if (own) return response.writeHead(own.status, { ...own.headers, connection: 'close' }).end(own.body);
    const first = this.#turn;
    this.#turn = (first + 1) % this.instances.length;
    for (let n = 0; n < this.instances.length; n++) {
      const at = (first + n) % this.instances.length;
      const instance = this.only ?? this.instances[at];
      const answer = await this.#pass(instance, request, Buffer.concat(chunks)).catch((error) => error);
      if (answer instanceof Error) {
        // A request that may have arrived is not sent a second time.
        if (answer.code !== 'ECONNREFUSED') break;
        this.passedOver.push(instance);
        continue;
      }
      this.#turn = (at + 1) % this.instances.length;
      this.served.push({ path: pathname, instance });
      response.writeHead(answer.statusCode, { ...answer.headers, connection: 'close' });
      return answer.pipe(response);
    }
    return response.writeHead(502, { connection: 'close' }).end('Nobody is there.');
  }

  #pass(instance, { method, url, headers, socket }, body) {
    return new Promise((resolve, reject) => {
      const onward = http.request({
        host: '127.0.0.1', port: instance.port, localAddress: Balancer.address, agent: false, method, path: url,
        headers: { ...headers, connection: 'close', forwarded: '', 'x-forwarded-for': socket.remoteAddress, 'x-forwarded-proto': 'https' },
      });
      onward.on('response', resolve).on('error', reject);
      onward.end(body);
    });
  }
}
