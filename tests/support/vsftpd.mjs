// Debian's vsftpd with the recipe that is shipped: address and port changed, no other line. And as much of an FTP client as curl lacks.

import { existsSync } from 'node:fs';
import { copyFile, readFile, writeFile } from 'node:fs/promises';
import net from 'node:net';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { changed, ownEtc, scanner, serveThere } from './own_etc.mjs';
import { freePort } from './ports.mjs';
import { until } from './wait.mjs';

const shipped = (name) => fileURLToPath(new URL(`../../packaging/folder/${name}`, import.meta.url));
export const vsftpdBinary = '/usr/sbin/vsftpd';
export const hasVsftpd = existsSync(vsftpdBinary);

/** Serves `drop`; gives { port }. Ends with the test. */
export async function startVsftpd(t, { folder, drop }) {
  const port = await freePort();
  const place = await ownEtc(folder, drop);
  await copyFile(shipped('pam-latchkey-drop'), path.join(place.etc, 'pam.d/latchkey-drop'));
  const recipe = changed(await readFile(shipped('vsftpd.conf'), 'utf8'), [['listen_port=21\n', `listen_port=${port}\nlisten_address=127.0.0.1\n`]]);
  await writeFile(path.join(place.etc, 'vsftpd.conf'), recipe);
  await serveThere(t, place, [vsftpdBinary, '/etc/vsftpd.conf'], (alive) => until('vsftpd to answer', async () => {
    alive();
    const client = await FtpClient.connect(port);
    client.socket.destroy();
    return true;
  }));
  return { port };
}

/** One control connection, a command at a time. */
export class FtpClient {
  /** Ends with `t`, where one is given. */
  static async connect(port, t) {
    const client = new FtpClient();
    t?.after(() => client.socket.destroy());
    client.port = port;
    client.socket = net.connect(port, '127.0.0.1');
    client.text = '';
    client.socket.setEncoding('utf8').on('data', (chunk) => { client.text += chunk; });
    await new Promise((resolve, reject) => { client.socket.once('connect', resolve).once('error', reject); });
    client.socket.on('error', () => {});
    await client.reply();
    return client;
  }

  /** The next whole reply. */
  async reply() {
    return until('a reply of the FTP server', () => {
      const found = /^(?:\d{3}-[\s\S]*?\r\n)?(\d{3}) (.*)\r\n/.exec(this.text);
      if (!found) return undefined;
      this.text = this.text.slice(found[0].length);
      return { code: Number(found[1]), text: found[2] };
    }, { every: 5 });
  }

  async command(line) {
    this.socket.write(Buffer.from(`${line}\r\n`, 'latin1'));
    return this.reply();
  }

  async signIn() {
    await this.command(`USER ${scanner.name}`);
    const answer = await this.command(`PASS ${scanner.password}`);
    if (answer.code !== 230) throw new Error(`${answer.code} ${answer.text}`);
    await this.command('TYPE I');
  }

  /** A data connection, opened passively. */
  async data() {
    const { text } = await this.command('PASV');
    const [high, low] = /(\d+),(\d+)\)/.exec(text).slice(1).map(Number);
    const socket = net.connect(high * 256 + low, '127.0.0.1');
    socket.on('error', () => {});
    await new Promise((resolve) => { socket.once('connect', resolve); });
    return socket;
  }
}
