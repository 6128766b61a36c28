// Debian's Apache with mod_dav, before which mod_oauth2 asks the authorization server about every bearer token: in a folder and on a
// port of a test's own, run by an unprivileged user, ended by pid. Never a service.

import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { createReadStream, existsSync } from 'node:fs';
import { chmod, chown, copyFile, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { pipeline } from 'node:stream/promises';
import { freePort } from './ports.mjs';
import { until } from './wait.mjs';

const binary = '/usr/sbin/apache2';
const modules = '/usr/lib/apache2/modules';

/** Why a test of Apache cannot run here, for `skip`; false when it can. */
export const withoutApache = [binary, `${modules}/mod_oauth2.so`].every((file) => existsSync(file)) ? false
  : 'Apache or mod_oauth2 is not installed (scripts/setup --tests installs them)';

/** Apache run by root wants another user for its children, and the files shall be that user's. */
async function unprivileged() {
  if (process.getuid() !== 0) return {};
  const nobody = (await readFile('/etc/passwd', 'utf8')).split('\n').map((line) => line.split(':')).find(([name]) => name === 'nobody');
  return { uid: Number(nobody[2]), gid: Number(nobody[3]) };
}

export class Apache {
  /**
   * `oidc`: the authorization server (OidcServer) whose introspection endpoint judges tokens; without one nobody is asked for any.
   * `tls` ({ certFile, keyFile }): speaks TLS. Ends with the test.
   */
  static async start(t, { oidc, tls }) {
    const apache = new Apache();
    apache.identity = await unprivileged();
    apache.folder = await mkdtemp(path.join(tmpdir(), 'latchkey-apache-'));
    apache.files = path.join(apache.folder, 'files');
    await mkdir(apache.files);
    if (apache.identity.uid !== undefined) {
      await chmod(apache.folder, 0o755);
      for (const folder of [apache.folder, apache.files]) await chown(folder, apache.identity.uid, apache.identity.gid);
    }
    if (tls) apache.tls = await apache.#own(tls);
    apache.port = await freePort();
    await writeFile(path.join(apache.folder, 'apache.conf'), apache.#configuration(oidc));
    t.after(async () => {
      await apache.stop();
      await rm(apache.folder, { recursive: true, force: true });
    });
    await apache.launch();
    return apache;
  }

  /** Copies of certificate and key that its user may read. */
  async #own({ certFile, keyFile }) {
    const copies = { certFile: path.join(this.folder, 'cert.pem'), keyFile: path.join(this.folder, 'key.pem') };
    await copyFile(certFile, copies.certFile);
    await copyFile(keyFile, copies.keyFile);
    if (this.identity.uid !== undefined) await chown(copies.keyFile, this.identity.uid, this.identity.gid);
    return copies;
  }

  output = '';

  get url() {
    return this.tls ? `https://localhost:${this.port}/files` : `http://127.0.0.1:${this.port}/files`;
  }

  #configuration(oidc) {
    const load = ['mpm_event', 'authn_core', 'authz_core', 'authz_user', 'dav', 'dav_fs', ...(oidc ? ['oauth2'] : []), ...(this.tls ? ['ssl'] : [])];
    return `
ServerRoot ${this.folder}
${load.map((each) => `LoadModule ${each}_module ${modules}/mod_${each}.so`).join('\n')}
Listen 127.0.0.1:${this.port}
ServerName ${this.tls ? 'localhost' : '127.0.0.1'}
PidFile ${this.folder}/apache.pid
DefaultRuntimeDir ${this.folder}
Mutex pthread
ErrorLog ${this.folder}/error.log
LogLevel warn
StartServers 1
MinSpareThreads 8
MaxSpareThreads 16
ThreadsPerChild 16
MaxRequestWorkers 16
DocumentRoot ${this.folder}
DavLockDB ${this.folder}/locks
${this.tls ? `SSLEngine on\nSSLSessionCache none\nSSLCertificateFile ${this.tls.certFile}\nSSLCertificateKeyFile ${this.tls.keyFile}` : ''}
<Directory />
  Require all denied
</Directory>
<Location /files>
  Dav On
${oidc ? this.#judges(oidc) : '  Require all granted'}
</Location>
`;
  }

  #judges(oidc) {
    const options = [
      'introspect.ssl_verify=false', 'introspect.auth=client_secret_basic', `client_id=${oidc.clientId}`, `client_secret=${oidc.clientSecret}`, 'expiry=1',
    ];
    return `  AuthType oauth2
  OAuth2TokenVerify introspect ${oidc.issuer}/token/introspection ${options.join('&')}
  OAuth2TargetPass remote_user_claim=sub
  Require valid-user`;
  }

  get running() {
    return this.child && this.child.exitCode === null && this.child.signalCode === null;
  }

  /** Starts it over its folder (again). */
  async launch() {
    this.child = spawn(binary, ['-f', path.join(this.folder, 'apache.conf'), '-DFOREGROUND'], { ...this.identity, cwd: this.folder, stdio: ['ignore', 'pipe', 'pipe'] });
    for (const stream of [this.child.stdout, this.child.stderr]) stream.setEncoding('utf8').on('data', (chunk) => { this.output = (this.output + chunk).slice(-20_000); });
    this.ended = new Promise((resolve) => this.child.on('close', resolve));
    await until('Apache to listen', async () => {
      if (!this.running) throw new Error(`it ended: ${this.output}`);
      return fetch(this.url).then(() => true, () => undefined);
    });
  }

  /** Ends it and its children at once; what they were sending or receiving is cut off. */
  async stop() {
    if (!this.running) return;
    this.child.kill('SIGTERM');
    await this.ended;
  }

  /** path → SHA-256 of every file that lies there, temporary ones and mod_dav's own state apart. */
  async hashes() {
    const found = new Map();
    for (const entry of await readdir(this.files, { withFileTypes: true, recursive: true })) {
      const file = path.join(entry.parentPath ?? entry.path, entry.name);
      if (!entry.isFile() || file.includes('/.DAV/') || entry.name.startsWith('.latchkey-')) continue;
      const hash = createHash('sha256');
      await pipeline(createReadStream(file), hash);
      found.set(path.relative(this.files, file), hash.digest('hex'));
    }
    return found;
  }
}
