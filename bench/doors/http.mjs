// http.mjs --megabytes N --rounds N --uploads N: a large document through the HTTP door and on to a TLS sink, each beside `curl -T` straight
// to that sink, and the memory it takes; see README.md. LATCHKEY_BIN names the binary.

import { randomFillSync } from 'node:crypto';
import { open, rm } from 'node:fs/promises';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { Apache } from '../../tests/support/apache.mjs';
import { loopbackCertificate } from '../../tests/support/certificates.mjs';
import { doorOf } from '../../tests/support/delivering.mjs';
import { run } from '../../tests/support/latchkey.mjs';
import { temporaryFolder } from '../../tests/support/ports.mjs';
import { pin, serverWithProvider } from '../../tests/support/scene.mjs';
import { Scope } from '../../tests/support/scope.mjs';
import { until } from '../../tests/support/wait.mjs';
import { headRow, machine, median, row, watchMemory } from './figures.mjs';

const { values: wish } = parseArgs({
  options: { megabytes: { type: 'string', default: '500' }, rounds: { type: 'string', default: '5' }, uploads: { type: 'string', default: '200' } },
});
const [megabytes, rounds, uploads] = [wish.megabytes, wish.rounds, wish.uploads].map(Number);
const scope = new Scope();

/** A file of random octets, on the disk, and its SHA-256 as sha256sum says it. */
async function makeDocument(folder, name, size) {
  const file = path.join(folder, name);
  const handle = await open(file, 'w');
  const piece = Buffer.alloc(1_000_000);
  for (let written = 0; written < size; written += piece.length) await handle.write(randomFillSync(piece));
  await handle.sync();
  await handle.close();
  return { file, size, sha256: (await run('sha256sum', [file], { timeout: 120_000 })).stdout.split(' ')[0] };
}

/** Apache with mod_dav behind TLS, and a server with TLS whose connector `sink` delivers there. */
async function start() {
  const folder = await temporaryFolder(scope, 'bench-doors');
  const certificate = await loopbackCertificate(folder);
  process.env.NODE_TLS_REJECT_UNAUTHORIZED = '0'; // of this process alone; curl and the server are strict
  const sink = await Apache.start(scope, { tls: certificate });
  const { server, admin } = await serverWithProvider(scope, {
    tls: certificate, config: { 'log.level': 'error', 'outbound.ca_file': certificate.certFile, 'outbound.allow': [`localhost:${sink.port}`] },
  });
  await admin.addOAuthUser({ username: 'printer-1', pin, type: 'oidc', allow_token: false });
  const wished = { name: 'Sink', type: 'oidc', account: 'caller', groups: [await admin.group('Office')], url: sink.url, app: 'oidc', conflict: 'replace' };
  await admin.must('POST', '/api/v1/connectors', { id: 'sink', ...wished });
  return { folder, certificate, sink, server, admin, ...doorOf(server) };
}

/** `curl -T`: { seconds, text } of a transfer that succeeded. */
async function upload({ certificate }, document, words) {
  const { stdout, stderr, status } = await run('curl', ['-sS', '--fail-with-body', '--cacert', certificate.certFile, '-T', document.file, '-w', '\n%{time_total}', ...words], { timeout: 600_000 });
  if (status !== 0) throw new Error(`curl: ${stderr}${stdout}`);
  const lines = stdout.split('\n');
  return { seconds: Number(lines.at(-1)), text: lines.slice(0, -1).join('\n') };
}

const toSink = (parts, document) => upload(parts, document, [`${parts.sink.url}/straight.bin`]);
const toDoor = async (parts, document, name) => {
  const words = ['-X', 'POST', '-u', `printer-1:${pin}`, '-H', `Content-Disposition: attachment; filename="${name}"`, `${parts.server.url}/v1/deliver/sink`];
  const { seconds, text } = await upload(parts, document, words);
  return { seconds, id: JSON.parse(text).id };
};
const delivered = (parts, id) => until('the delivery to arrive', async () => {
  const { body } = await parts.road(id);
  if (body.state === 'failed' || body.state === 'parked') throw new Error(`${body.state}: ${body.why}`);
  return body.state === 'delivered' ? body : undefined;
}, { timeout: 600_000, every: 5 });

/** What the measurements before have left to be written does not count against the next. */
const quiet = (parts) => run('sync', ['-f', parts.folder], { timeout: 120_000 });
const forget = async (parts, ...names) => {
  for (const name of names) await rm(path.join(parts.sink.files, name), { force: true });
  await quiet(parts);
};

async function largeDocument(parts) {
  const document = await makeDocument(parts.folder, 'large.bin', megabytes * 1_000_000);
  const rates = { straight: [], accepted: [], delivered: [] };
  const rate = (seconds) => megabytes / seconds;
  await toSink(parts, document);
  await forget(parts, 'straight.bin');
  const warm = await makeDocument(parts.folder, 'small.bin', 1_000_000);
  await delivered(parts, (await toDoor(parts, warm, 'small.bin')).id); // the PIN is warm
  const memory = await watchMemory(parts.server.pid);
  for (let round = 0; round < rounds; round++) {
    rates.straight.push(rate((await toSink(parts, document)).seconds));
    await forget(parts, 'straight.bin');
    const { seconds, id } = await toDoor(parts, document, 'large.bin');
    const accepted = performance.now();
    rates.accepted.push(rate(seconds));
    const { receipt } = await delivered(parts, id);
    rates.delivered.push(rate((performance.now() - accepted) / 1000));
    const arrived = (await parts.sink.hashes()).get(receipt.path);
    if (arrived !== document.sha256) throw new Error(`round ${round}: something else arrived`);
    await forget(parts, receipt.path);
  }
  const { before, most } = await memory.done();
  const straight = median(rates.straight);
  headRow(`${megabytes} MB, MB a second`, 'median', 'of curl straight', 'wanted', 'each round');
  for (const [name, each, wanted] of [['curl -T straight to the sink', rates.straight, ''], ['accepted durably at the door', rates.accepted, '0.8'], ['delivered, from the acknowledgement to the receipt', rates.delivered, '0.8']]) {
    row(name, Math.round(median(each)), each === rates.straight ? '' : (median(each) / straight).toFixed(2), wanted, each.map(Math.round).join(', '));
  }
  console.log(`\nPss_Anon: ${before.toFixed(1)} MB before, ${most.toFixed(1)} MB at most: ${(most - before).toFixed(1)} MB more (wanted: under 8)\n`);
}

async function manyDocuments(parts) {
  const document = await makeDocument(parts.folder, 'many.bin', 20_000_000);
  const memory = await watchMemory(parts.server.pid);
  let together = 0;
  const looking = setInterval(async () => {
    const seen = /^latchkey_uploads (\d+)/m.exec(await parts.server.metrics().catch(() => ''));
    together = Math.max(together, Number(seen?.[1] ?? 0));
  }, 200);
  const begun = performance.now();
  const taken = await Promise.all(Array.from({ length: uploads }, (_, i) => toDoor(parts, document, `${i}.bin`)));
  const seconds = (performance.now() - begun) / 1000;
  clearInterval(looking);
  const { before, most } = await memory.done();
  for (const { id } of taken) await delivered(parts, id);
  const arrived = [...(await parts.sink.hashes()).values()].filter((each) => each === document.sha256);
  if (arrived.length !== uploads) throw new Error(`${arrived.length} of ${uploads} documents have arrived whole`);
  console.log(`${uploads} uploads of 20 MB (${together} at once): accepted within ${seconds.toFixed(0)} s, all have arrived; Pss_Anon ${before.toFixed(1)} MB before, ${most.toFixed(1)} MB at most: ${(most - before).toFixed(1)} MB more (wanted: under 100)`);
}

try {
  console.log(`${machine()}; ${rounds} rounds by turns\n`);
  const parts = await start();
  if (rounds > 0) await largeDocument(parts);
  if (uploads > 0) await manyDocuments(parts);
} finally {
  await scope.end();
}
