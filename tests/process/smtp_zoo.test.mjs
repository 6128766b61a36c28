// The device zoo (tests/zoo): conversations written after the habits of old and odd devices, not recorded from any, held octet by octet with the real
// server.

import assert from 'node:assert/strict';
import { readdir } from 'node:fs/promises';
import path from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { loopbackCertificate } from '../support/certificates.mjs';
import { sha256 } from '../support/delivering.mjs';
import { hold, patternOf, readDialogue } from '../support/dialogue.mjs';
import { freePort, temporaryFolder } from '../support/ports.mjs';
import { mailingServer } from '../support/practice_mail.mjs';
import { pin } from '../support/scene.mjs';
import { base64, deviceServer, plainOf } from '../support/smtp.mjs';
import { until } from '../support/wait.mjs';

const zoo = fileURLToPath(new URL('../zoo', import.meta.url));

/** All dialogues of a folder; `user` is who shows a PIN in them. */
async function dialogues(folder, user) {
  const values = { user: base64(user), pin: base64(pin), plain: plainOf(user, pin), 'plain-unpadded': plainOf(user, pin).replace(/=+$/, ''), host: '127.0.0.1', size: '*' };
  const files = (await readdir(path.join(zoo, folder))).sort();
  return Promise.all(files.map((file) => readDialogue(path.join(zoo, folder, file), values)));
}

test('D6, D7: mail to a connector, as devices send it', async (t) => {
  const strict = process.env.NODE_TLS_REJECT_UNAUTHORIZED;
  process.env.NODE_TLS_REJECT_UNAUTHORIZED = '0';
  t.after(() => { if (strict === undefined) delete process.env.NODE_TLS_REJECT_UNAUTHORIZED; else process.env.NODE_TLS_REJECT_UNAUTHORIZED = strict; });
  const plain = await freePort();
  const { drive, device, port } = await deviceServer(t, {
    tls: await loopbackCertificate(await temporaryFolder(t)), config: { 'smtp.plain': `127.0.0.1:${plain}`, 'smtp.plain_sources': ['127.0.0.1'] },
  });
  await device({ name: 'old-fax', sources: ['127.0.0.1'] });
  const all = await dialogues('scans', 'printer-1');
  assert.ok(all.length > 20);
  const expected = all.flatMap((one) => one.documents);
  for (const dialogue of all) await t.test(dialogue.name, async () => {
    await hold(dialogue, dialogue.listener === 'plain' ? plain : port);
    for (const { name, octets } of dialogue.documents) {
      await until(`${name} with ${JSON.stringify(octets.toString('latin1'))}`, () =>
        [...drive.files].some(([key, file]) => patternOf(name).test(key) && file.sha256 === sha256(octets)), { timeout: 30_000 });
    }
  });
  assert.equal(drive.files.size, expected.length, `nothing else arrived: ${[...drive.files.keys()]}`);
});

test('D6, G2: mail to people, as devices send it', async (t) => {
  const port = await freePort();
  const { inbox } = await mailingServer(t, { config: { 'smtp.submission': `127.0.0.1:${port}` } });
  const all = await dialogues('mail', 'anna');
  for (const dialogue of all) await t.test(dialogue.name, async () => {
    await hold(dialogue, port);
    for (const mail of dialogue.mails) {
      const found = await until('the mail to arrive', async () => (await inbox()).find(({ recipients }) => recipients.join() === mail.recipients.join()), { timeout: 30_000, every: 100 });
      const [header] = found.octets.toString('latin1').split('\r\n\r\n');
      for (const line of mail.header) assert.ok(header.split('\r\n').includes(line), `${line} in\n${header}`);
      assert.deepEqual(found.octets.subarray(header.length + 4), mail.body);
      assert.equal(header.match(/^From:/gm).length, 1);
      assert.doesNotMatch(header, /^(Sender|Bcc|Resent-|X-MS-Exchange)/m);
    }
  });
  assert.equal((await inbox()).length, all.flatMap((one) => one.mails).length, 'nothing else was sent');
});
