// A drive that takes uploads in parts, as the practice drive does (src/sandbox/practice_uploads.h), and misbehaves on command. It outlives the
// server under test, so it knows what really arrived, and how often.

import { createHash } from 'node:crypto';
import http from 'node:http';

export class ScriptedDrive {
  /** `honours(token)`: whether the bearer token is good. Ends with the test. */
  static async start(t, { honours = () => true } = {}) {
    const drive = new ScriptedDrive();
    drive.honours = honours;
    drive.server = http.createServer((request, response) => void drive.#serve(request, response));
    await new Promise((resolve) => drive.server.listen(0, '127.0.0.1', resolve));
    t.after(() => { drive.server.closeAllConnections(); drive.server.close(); });
    return drive;
  }

  /** path → { size, sha256 }: what has arrived whole. */
  files = new Map();
  /** Every upload, by its key: how many octets were really received, parts sent twice among them. */
  uploads = new Map();
  requests = [];
  /** Called before a request is answered: gives { status, headers, body } instead, 'lose' (it counts, the line is cut), or nothing. */
  plan = () => undefined;
  #received = 0;

  get port() {
    return this.server.address().port;
  }
  get url() {
    return `http://127.0.0.1:${this.port}`;
  }

  async #serve(request, response) {
    const parts = [];
    try {
      for await (const part of request) parts.push(part);
    } catch {
      return; // The sender died in mid-request: nothing of it has arrived.
    }
    const body = Buffer.concat(parts);
    this.#received += body.length;
    const seen = { method: request.method, path: request.url, range: request.headers['content-range'], size: body.length };
    this.requests.push(seen);
    const instead = await this.plan(seen, this);
    if (instead && instead !== 'lose') return this.#answer(response, instead.status, instead.body ?? {}, instead.headers);
    const token = /^Bearer (.+)$/.exec(request.headers.authorization ?? '')?.[1];
    if (!this.honours(token)) return this.#answer(response, 401, { error: 'invalid_token' });
    const { status, body: answer } = this.#act(request, body);
    if (instead === 'lose') return response.destroy();
    this.#answer(response, status, answer);
  }

  #answer(response, status, body, headers = {}) {
    const text = JSON.stringify(body);
    response.writeHead(status, { 'content-type': 'application/json', 'content-length': Buffer.byteLength(text), ...headers });
    response.end(text);
  }

  #act(request, body) {
    if (request.url === '/drive/files' && request.method === 'GET') return { status: 200, body: { items: [...this.files.values()] } };
    if (request.url === '/drive/uploads' && request.method === 'POST') return this.#begin(JSON.parse(body.toString()));
    const upload = this.uploads.get(request.url.slice('/drive/uploads/'.length));
    if (!upload) return { status: 404, body: {} };
    if (request.method === 'GET') return { status: 200, body: this.#standing(upload) };
    const [, first, last, size] = /^bytes (\d+)-(\d+)\/(\d+)$/.exec(request.headers['content-range']).map(Number);
    if (upload.file) return { status: 201, body: this.#standing(upload) };
    if (size !== upload.size || last - first + 1 !== body.length) return { status: 400, body: {} };
    if (first !== upload.next) return { status: 416, body: { next: upload.next } };
    upload.hash.update(body);
    upload.next += body.length;
    if (upload.next === upload.size) this.#end(upload);
    return { status: upload.file ? 201 : 202, body: this.#standing(upload) };
  }

  #begin({ path, size, key, conflict }) {
    let upload = this.uploads.get(key);
    if (!upload) {
      if (conflict === 'fail' && this.files.has(path)) return { status: 409, body: {} };
      upload = { key, path, size, conflict, next: 0, hash: createHash('sha256') };
      this.uploads.set(key, upload);
      if (size === 0) this.#end(upload);
    }
    return { status: 201, body: { upload: `${this.url}/drive/uploads/${key}`, ...this.#standing(upload) } };
  }

  #standing(upload) {
    return upload.file ? { file: { ...upload.file, url: `${this.url}/drive/files/${encodeURI(upload.file.path)}` } } : { next: upload.next };
  }

  #end(upload) {
    let path = upload.path;
    for (let number = 2; upload.conflict === 'rename' && this.files.has(path); number += 1) path = upload.path.replace(/(\.[^./]*)?$/, ` (${number})$1`);
    upload.file = { path, size: upload.size, sha256: upload.hash.digest('hex') };
    this.files.set(path, upload.file);
  }
}
