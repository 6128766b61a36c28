// A certificate for loopback, made by the openssl command for the test that asks.

import { execFile } from 'node:child_process';
import { readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);

/** Self-signed certificate for 127.0.0.1 and localhost in `folder`: { key, cert, keyFile, certFile }. */
export async function loopbackCertificate(folder) {
  const keyFile = path.join(folder, 'loopback-key.pem');
  const certFile = path.join(folder, 'loopback-cert.pem');
  const settings = path.join(folder, 'loopback.cnf');
  await writeFile(settings, [
    '[req]', 'distinguished_name=dn', 'x509_extensions=ext', 'prompt=no', '[dn]', 'CN=localhost', '[ext]',
    'subjectAltName=DNS:localhost,IP:127.0.0.1', 'basicConstraints=critical,CA:TRUE', 'keyUsage=digitalSignature,keyCertSign', '',
  ].join('\n'));
  await run('openssl', ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '2',
    '-keyout', keyFile, '-out', certFile, '-config', settings]);
  return { keyFile, certFile, key: await readFile(keyFile), cert: await readFile(certFile) };
}
