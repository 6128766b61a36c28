// A webhook's receiver that keeps what it is sent.

import { createHmac } from 'node:crypto';
import http from 'node:http';
import { freePort } from './ports.mjs';

export class HttpSink {
  /** Requests: { method, path, headers, text, body (parsed JSON) }, oldest first; refused ones too. */
  requests = [];
  /** Answered to every request. */
  status = 200;

  static async start(t) {
    const sink = new HttpSink();
    sink.port = await freePort();
    sink.server = http.createServer((request, response) => {
      const chunks = [];
      request.on('data', (chunk) => chunks.push(chunk));
      request.on('end', () => {
        const text = Buffer.concat(chunks).toString('utf8');
        let body;
        try {
          body = JSON.parse(text);
        } catch {
          body = undefined;
        }
        sink.requests.push({ method: request.method, path: request.url, headers: request.headers, text, body });
        response.writeHead(sink.status, { 'Content-Type': 'text/plain' }).end('ok');
      });
    });
    await new Promise((resolve, reject) => {
      sink.server.on('error', reject);
      sink.server.listen(sink.port, '127.0.0.1', resolve);
    });
    t.after(() => new Promise((resolve) => {
      sink.server.closeAllConnections();
      sink.server.close(resolve);
    }));
    return sink;
  }

  get url() {
    return `http://127.0.0.1:${this.port}/hook`;
  }
}

/** What the header Latchkey-Signature must say. */
export function signatureOf(secret, request) {
  return `v1=${createHmac('sha256', secret).update(`${request.headers['latchkey-timestamp']}.${request.text}`).digest('hex')}`;
}
