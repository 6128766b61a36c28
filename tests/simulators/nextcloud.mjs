// A Nextcloud as far as Latchkey speaks to one: its own OAuth 2.0, and WebDAV with chunked upload version 2. Written from the vendor's documents
// (developer manual "Chunked file upload", administrator's manual "OAuth2", seen 2026-11-23), not from a server: what it proves is that the
// connector keeps the rules as documented. It is strict: whatever breaks a rule is refused, and noted in `broken`.

import { createHash, randomBytes } from 'node:crypto';
import { createWriteStream, existsSync, statSync } from 'node:fs';
import { appendFile, mkdir, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import http from 'node:http';
import path from 'node:path';
import { pipeline } from 'node:stream/promises';
import { temporaryFolder } from '../support/ports.mjs';

const chunkBytesMin = 5 * 1024 * 1024;
const chunkBytesMax = 5 * 1000 ** 3;
const escape = (text) => String(text).replace(/[&<>"]/g, (char) => ({ '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;' })[char]);
const encode = (name) => name.split('/').map(encodeURIComponent).join('/');

export class Nextcloud {
  /** `user`: who consents. accessLifetime: seconds. Ends with the test. */
  static async start(t, { port = 0, user = 'anna', accessLifetime = 3600 } = {}) {
    const cloud = new Nextcloud();
    Object.assign(cloud, { user, accessLifetime, folder: await temporaryFolder(t, 'nextcloud') });
    cloud.server = http.createServer((request, response) => void cloud.#serve(request, response));
    cloud.server.requestTimeout = 0;
    await new Promise((resolve) => cloud.server.listen(port, '127.0.0.1', resolve));
    t.after(() => { cloud.server.closeAllConnections(); cloud.server.close(); });
    return cloud;
  }

  clientId = 'latchkey-at-nextcloud';
  clientSecret = randomBytes(24).toString('hex');
  /** Rules of Nextcloud's that a request broke. */
  broken = [];
  requests = [];
  /** Called before a request is answered: { status, headers, body } instead, 'lose' (it counts, the line is cut), or nothing. */
  plan = () => undefined;
  /** path → how many older versions are kept; path → how many documents went to the bin. */
  versions = new Map();
  binned = new Map();

  #codes = new Map();
  #access = new Map();
  #refresh = new Map();
  #uploads = new Map();
  #ids = new Map();
  #marks = new Map();

  get url() {
    return `http://127.0.0.1:${this.server.address().port}`;
  }
  get files() {
    return path.join(this.folder, 'files');
  }
  /** A token that is good. */
  token(lifetime = this.accessLifetime) {
    const token = randomBytes(16).toString('hex');
    this.#access.set(token, Date.now() + lifetime * 1000);
    return token;
  }
  forgetTokens() {
    this.#access.clear();
  }
  /** What Nextcloud does to uploads that were idle for a day. */
  async forgetUploads() {
    this.#uploads.clear();
    await rm(path.join(this.folder, 'uploads'), { recursive: true, force: true });
  }
  get uploadsOpen() {
    return this.#uploads.size;
  }
  /** path → SHA-256 of what the user has. */
  async hashes(user = this.user) {
    const home = path.join(this.files, user);
    const found = new Map();
    for (const entry of existsSync(home) ? await readdir(home, { withFileTypes: true, recursive: true }) : []) {
      const file = path.join(entry.parentPath ?? entry.path, entry.name);
      if (entry.isFile()) found.set(path.relative(home, file), createHash('sha256').update(await readFile(file)).digest('hex'));
    }
    return found;
  }

  async #serve(request, response) {
    const seen = { method: request.method, path: request.url, headers: request.headers };
    this.requests.push(seen);
    try {
      const instead = await this.plan(seen, this);
      if (instead && instead !== 'lose') {
        request.resume();
        return this.#answer(response, instead);
      }
      const answer = await this.#act(request, new URL(request.url, this.url));
      if (instead === 'lose') return response.destroy();
      return this.#answer(response, answer);
    } catch (error) {
      return request.socket.destroyed ? undefined : this.#answer(response, { status: 500, body: `<d:error xmlns:d="DAV:">${escape(error.message)}</d:error>` });
    }
  }

  #answer(response, { status, headers = {}, body = '' }) {
    const text = typeof body === 'string' ? body : JSON.stringify(body);
    response.writeHead(status, { 'content-type': typeof body === 'string' ? 'application/xml; charset=utf-8' : 'application/json', 'content-length': Buffer.byteLength(text), ...headers });
    response.end(text);
  }

  #refuse(status, why, rule = true) {
    if (rule) this.broken.push(why);
    return { status, body: `<?xml version="1.0" encoding="utf-8"?><d:error xmlns:d="DAV:" xmlns:s="http://sabredav.org/ns"><s:exception>Sabre</s:exception><s:message>${escape(why)}</s:message></d:error>` };
  }

  async #act(request, url) {
    if (url.pathname === '/apps/oauth2/authorize') return this.#authorize(url);
    if (url.pathname === '/apps/oauth2/api/v1/token') return this.#token(request);
    const token = /^Bearer (.+)$/.exec(request.headers.authorization ?? '')?.[1];
    if (!((this.#access.get(token) ?? 0) > Date.now())) {
      request.resume();
      return { ...this.#refuse(401, 'No public access to this resource', false), headers: { 'www-authenticate': 'Bearer' } };
    }
    if (url.pathname === '/ocs/v2.php/cloud/user') return { status: 200, body: { ocs: { meta: { status: 'ok' }, data: { id: this.user, displayname: this.user, email: `${this.user}@example.com` } } } };
    const [, room, user, ...rest] = /^\/remote\.php\/dav\/(files|uploads)\/([^/]+)\/?(.*)$/.exec(url.pathname)?.map(decodeURIComponent) ?? [];
    if (!room) return this.#refuse(404, `nothing is at ${url.pathname}`, false);
    await mkdir(path.join(this.files, user), { recursive: true });
    const place = rest[0].replace(/\/$/, '');
    return room === 'files' ? this.#file(request, user, place) : this.#upload(request, user, place);
  }

  // --- OAuth 2.0 ---

  #authorize(url) {
    const code = randomBytes(12).toString('hex');
    this.#codes.set(code, { redirect: url.searchParams.get('redirect_uri'), challenge: url.searchParams.get('code_challenge') });
    const back = new URL(url.searchParams.get('redirect_uri'));
    back.searchParams.set('state', url.searchParams.get('state'));
    back.searchParams.set('code', code);
    return { status: 303, headers: { location: back.href } };
  }

  async #token(request) {
    let text = '';
    for await (const part of request.setEncoding('utf8')) text += part;
    const form = Object.fromEntries(new URLSearchParams(text));
    const basic = Buffer.from((request.headers.authorization ?? '').replace(/^Basic /, ''), 'base64').toString().split(':').map(decodeURIComponent);
    const [id, secret] = request.headers.authorization ? basic : [form.client_id, form.client_secret];
    if (id !== this.clientId || secret !== this.clientSecret) return { status: 400, body: { error: 'invalid_client' } };
    if (form.grant_type === 'authorization_code') {
      const code = this.#codes.get(form.code);
      this.#codes.delete(form.code);
      const challenge = createHash('sha256').update(form.code_verifier ?? '').digest('base64url');
      if (!code || (code.challenge && code.challenge !== challenge)) return { status: 400, body: { error: 'invalid_request' } };
    } else {
      const before = this.#refresh.get(form.refresh_token);
      if (!before) return { status: 400, body: { error: 'invalid_request' } };
      this.#refresh.delete(form.refresh_token);
      this.#access.delete(before); // the previous access token dies with the refresh
    }
    const [access, refresh] = [this.token(), randomBytes(16).toString('hex')];
    this.#refresh.set(refresh, access);
    return { status: 200, body: { access_token: access, token_type: 'Bearer', expires_in: this.accessLifetime, refresh_token: refresh, user_id: this.user } };
  }

  // --- Files ---

  #at(user, place) {
    if (place.split('/').some((name) => name === '..' || name === '.')) throw new Error('a path that climbs');
    return path.join(this.files, user, place);
  }

  #idOf(file) {
    if (!this.#ids.has(file)) this.#ids.set(file, String(10_000 + this.#ids.size));
    return this.#ids.get(file);
  }

  async #file(request, user, place) {
    const file = this.#at(user, place);
    const there = existsSync(file);
    switch (request.method) {
      case 'PROPFIND': return this.#propfind(request, user, place);
      case 'PROPPATCH': return this.#proppatch(request, user, place);
      case 'MKCOL':
        if (there) return this.#refuse(405, 'The resource you tried to create already exists', false);
        if (!existsSync(path.dirname(file))) return this.#refuse(409, 'Parent node does not exist', false);
        await mkdir(file);
        return { status: 201 };
      case 'PUT': return this.#put(request, file);
      case 'MOVE': return there ? this.#move(request, file) : this.#refuse(404, 'File not found', false);
      case 'DELETE':
        if (!there) return this.#refuse(404, 'File not found', false);
        await rm(file, { recursive: true });
        return { status: 204 };
      default: return this.#refuse(405, `${request.method} is not for files`);
    }
  }

  async #take(request, into) {
    const hash = createHash('sha256');
    let size = 0;
    await pipeline(request, async function* count(source) {
      for await (const part of source) { hash.update(part); size += part.length; yield part; }
    }, createWriteStream(into));
    return { hash: hash.digest('hex'), size };
  }

  async #put(request, file) {
    if (!existsSync(path.dirname(file))) {
      request.resume();
      return this.#refuse(409, 'Parent node does not exist', false);
    }
    if (/\.(part|filepart)$/.test(file)) return this.#refuse(400, 'names that end in .part are Nextcloud\'s own');
    const there = existsSync(file);
    const arriving = path.join(this.folder, `arriving-${randomBytes(6).toString('hex')}`);
    const { hash, size } = await this.#take(request, arriving).finally(() => request.complete || rm(arriving, { force: true }));
    if (request.headers['oc-total-length'] && Number(request.headers['oc-total-length']) !== size) return this.#refuse(400, 'OC-Total-Length is not what came');
    if (this.#checksumDiffers(request, hash)) return this.#refuse(400, 'OC-Checksum is not of what came');
    await this.#write(arriving, file, there);
    return { status: there ? 204 : 201, headers: { 'oc-fileid': this.#idOf(file), ...(request.headers['x-hash'] === 'sha256' ? { 'x-hash-sha256': hash } : {}) } };
  }

  #checksumDiffers(request, hash) {
    const stated = /^SHA256:([0-9a-f]{64})$/.exec(request.headers['oc-checksum'] ?? '')?.[1];
    return stated !== undefined && stated !== hash;
  }

  /** A write over what is there keeps the older version. */
  async #write(from, file, there) {
    if (there) this.versions.set(path.relative(this.files, file), (this.versions.get(path.relative(this.files, file)) ?? 0) + 1);
    await rename(from, file);
    this.#idOf(file);
  }

  #destination(request, user) {
    const destination = request.headers.destination;
    if (!destination?.startsWith(`${this.url}/remote.php/dav/files/${user}/`)) return undefined;
    return this.#at(user, decodeURIComponent(new URL(destination).pathname.slice(`/remote.php/dav/files/${user}/`.length)));
  }

  async #move(request, file) {
    const user = path.relative(this.files, file).split('/')[0];
    const to = this.#destination(request, encodeURIComponent(user));
    if (!to) return this.#refuse(400, 'MOVE without a Destination among the user\'s files');
    if (!existsSync(path.dirname(to))) return this.#refuse(409, 'The destination node is not found', false);
    const there = existsSync(to);
    if (there && request.headers.overwrite === 'F') return this.#refuse(412, 'The destination node already exists, and the overwrite header is set to false', false);
    // What is moved over goes to the bin: no version is made of it.
    if (there) this.binned.set(path.relative(this.files, to), (this.binned.get(path.relative(this.files, to)) ?? 0) + 1);
    await rename(file, to);
    for (const kept of [this.#ids, this.#marks]) {
      kept.delete(to);
      if (kept.has(file)) kept.set(to, kept.get(file));
      kept.delete(file);
    }
    return { status: there ? 204 : 201, headers: { 'oc-fileid': this.#idOf(to) } };
  }

  async #propfind(request, user, place) {
    request.resume();
    const { depth } = request.headers;
    if (!['0', '1'].includes(depth)) return this.#refuse(403, 'Depth infinity is not for everybody');
    const file = this.#at(user, place);
    if (!existsSync(file)) return this.#refuse(404, 'File not found', false);
    const places = [place];
    if (depth === '1' && statSync(file).isDirectory()) places.push(...(await readdir(file)).map((name) => (place ? `${place}/${name}` : name)));
    return { status: 207, body: this.#multistatus(places.map((each) => this.#described(user, each))) };
  }

  #multistatus(responses) {
    return `<?xml version="1.0"?><d:multistatus xmlns:d="DAV:" xmlns:s="http://sabredav.org/ns" xmlns:oc="http://owncloud.org/ns">${responses.join('')}</d:multistatus>`;
  }

  #described(user, place) {
    const file = this.#at(user, place);
    const state = statSync(file);
    const folder = state.isDirectory();
    const mark = this.#marks.get(file);
    const known = `${folder ? '<d:resourcetype><d:collection/></d:resourcetype>' : `<d:resourcetype/><d:getcontentlength>${state.size}</d:getcontentlength>`}` +
      `<d:getetag>&quot;${state.mtimeMs}&quot;</d:getetag><oc:fileid>${this.#idOf(file)}</oc:fileid>` +
      (mark === undefined ? '' : `<x1:delivery xmlns:x1="urn:latchkey">${escape(mark)}</x1:delivery>`);
    const absent = (folder ? '<d:getcontentlength/>' : '') + (mark === undefined ? '<x1:delivery xmlns:x1="urn:latchkey"/>' : '');
    const href = `/remote.php/dav/files/${encodeURIComponent(user)}/${encode(place)}${folder && place ? '/' : ''}`;
    return `<d:response><d:href>${escape(href)}</d:href><d:propstat><d:prop>${known}</d:prop><d:status>HTTP/1.1 200 OK</d:status></d:propstat>` +
      (absent ? `<d:propstat><d:prop>${absent}</d:prop><d:status>HTTP/1.1 404 Not Found</d:status></d:propstat>` : '') + '</d:response>';
  }

  async #proppatch(request, user, place) {
    let text = '';
    for await (const part of request.setEncoding('utf8')) text += part;
    const file = this.#at(user, place);
    if (!existsSync(file)) return this.#refuse(404, 'File not found', false);
    this.#marks.set(file, /:delivery>([^<]*)</.exec(text)[1]);
    return { status: 207, body: this.#multistatus([`<d:response><d:href>/remote.php/dav/files/${encodeURIComponent(user)}/${encode(place)}</d:href><d:propstat><d:prop><x1:delivery xmlns:x1="urn:latchkey"/></d:prop><d:status>HTTP/1.1 200 OK</d:status></d:propstat></d:response>`]) };
  }

  // --- Chunked upload, version 2 ---

  async #upload(request, user, place) {
    const [id, name] = place.split('/');
    const key = `${user}/${id}`;
    const upload = this.#uploads.get(key);
    const folder = path.join(this.folder, 'uploads', user, id);
    const target = this.#destination(request, encodeURIComponent(user));
    if (request.method === 'MKCOL' && !name) {
      if (!target) return this.#refuse(400, 'MKCOL of an upload without its Destination');
      if (upload) return this.#refuse(405, 'The resource you tried to create already exists', false);
      await mkdir(folder, { recursive: true });
      this.#uploads.set(key, { target });
      return { status: 201 };
    }
    if (!upload) {
      request.resume();
      return this.#refuse(404, 'The upload is not known', false);
    }
    if (request.method === 'PROPFIND' && !name) {
      request.resume();
      const listed = [`<d:response><d:href>/remote.php/dav/uploads/${key}/</d:href><d:propstat><d:prop><d:resourcetype><d:collection/></d:resourcetype></d:prop><d:status>HTTP/1.1 200 OK</d:status></d:propstat></d:response>`];
      for (const each of request.headers.depth === '1' ? await readdir(folder) : []) {
        const { size } = statSync(path.join(folder, each));
        listed.push(`<d:response><d:href>/remote.php/dav/uploads/${key}/${each}</d:href><d:propstat><d:prop><d:resourcetype/><d:getcontentlength>${size}</d:getcontentlength></d:prop><d:status>HTTP/1.1 200 OK</d:status></d:propstat></d:response>`);
      }
      return { status: 207, body: this.#multistatus(listed) };
    }
    if (request.method === 'DELETE' && !name) {
      this.#uploads.delete(key);
      await rm(folder, { recursive: true });
      return { status: 204 };
    }
    if (request.method === 'PUT') return this.#chunk(request, upload, folder, name, target);
    if (request.method === 'MOVE' && name === '.file') return this.#assemble(request, key, folder, target);
    return this.#refuse(405, `${request.method} ${name ?? ''} is not for uploads`);
  }

  async #chunk(request, upload, folder, name, target) {
    const refused = !/^\d{5}$/.test(name) || Number(name) < 1 || Number(name) > 10_000 ? `${name} is no number from 00001 to 10000`
      : target !== upload.target ? 'a chunk with another Destination than its upload'
        : !/^\d+$/.test(request.headers['oc-total-length'] ?? '') ? 'a chunk without OC-Total-Length'
          : Number(request.headers['content-length']) > chunkBytesMax ? 'a chunk of more than 5 GB' : undefined;
    if (refused) {
      request.resume();
      return this.#refuse(400, refused);
    }
    if (!existsSync(path.dirname(target))) {
      request.resume();
      return this.#refuse(404, 'The folder of the destination is not there');
    }
    await this.#take(request, path.join(folder, name));
    return { status: 201 };
  }

  async #assemble(request, key, folder, target) {
    if (!target) return this.#refuse(400, 'MOVE of an upload without its Destination');
    const there = existsSync(target);
    if (there && request.headers.overwrite === 'F') return this.#refuse(412, 'The destination exists', false);
    const chunks = (await readdir(folder)).sort();
    const sizes = chunks.map((each) => statSync(path.join(folder, each)).size);
    if (chunks.some((each, index) => Number(each) !== index + 1)) return this.#refuse(400, 'a chunk is missing');
    if (sizes.slice(0, -1).some((size) => size < chunkBytesMin)) return this.#refuse(400, 'a chunk of less than 5 MB that is not the last');
    const total = sizes.reduce((sum, size) => sum + size, 0);
    if (total !== Number(request.headers['oc-total-length'])) return this.#refuse(400, 'the chunks are not as long as OC-Total-Length says');
    const whole = path.join(this.folder, `whole-${randomBytes(6).toString('hex')}`);
    const hash = createHash('sha256');
    await writeFile(whole, '');
    for (const each of chunks) {
      const octets = await readFile(path.join(folder, each));
      hash.update(octets);
      await appendFile(whole, octets);
    }
    if (this.#checksumDiffers(request, hash.digest('hex'))) return this.#refuse(400, 'OC-Checksum is not of what came');
    await this.#write(whole, target, there);
    this.#uploads.delete(key);
    await rm(folder, { recursive: true });
    return { status: there ? 204 : 201, headers: { 'oc-fileid': this.#idOf(target) } };
  }
}
