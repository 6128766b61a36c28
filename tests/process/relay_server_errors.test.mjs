// What an office says when there is a 500, 502 or 503 at its Cloud Service's address, with the service's own words, with a proxy's page, or with nothing:
// sentences in console, command line and log, nothing of a page, and it goes on by itself when the service is back.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Balancer } from '../support/balancer.mjs';
import { slowness } from '../support/latchkey.mjs';
import { certificateOfRelays, consenting, enrolledOffice, relayWithClient } from '../support/relay.mjs';
import { until } from '../support/wait.mjs';

const pin = 'Grüße-42 an alle';
const page = '<html>\r\n<head><title>502 Bad Gateway</title></head>\r\n<body>\r\n<center><h1>502 Bad Gateway</h1></center>\r\n<hr><center>canary/1.22.1</center>\r\n</body>\r\n</html>\r\n';
const own = { type: 'urn:latchkey:problem:enrolments_not_read', status: 503, detail: 'This Cloud Service cannot read at present which offices it serves.' };
const html = { 'content-type': 'text/html' };
const json = { 'content-type': 'application/problem+json' };
const wordless = (status) => new RegExp(`does not answer: what stands at its address says ${status} and no reason`);
/** What stands at the address, and how the office says it. */
const answers = [
  ['500 without a body', { status: 500 }, wordless(500)],
  ['502 with a proxy\'s page', { status: 502, headers: html, body: page }, wordless(502)],
  ['503 with a proxy\'s page and a time', { status: 503, headers: { ...html, 'retry-after': '7' }, body: page.replaceAll('502 Bad Gateway', '503 Service Temporarily Unavailable') }, wordless(503)],
  ['502 with a long page', { status: 502, headers: html, body: page.repeat(1000) }, wordless(502)],
  ['500 with half of a problem', { status: 500, headers: json, body: '{"type":"urn:latchkey:problem:canary","detail":"ca' }, wordless(500)],
  ['500 with a problem of somebody else\'s', { status: 500, headers: json, body: JSON.stringify({ type: 'https://canary.example/oops', detail: '<b>canary</b>' }) }, wordless(500)],
  ['503 in the service\'s own words', { status: 503, headers: json, body: JSON.stringify(own) }, /cannot serve at present: This Cloud Service cannot read at present which offices it serves\. Accounts/],
];
/** Sentences for a person: no markup, no word of what a proxy wrote, an end. */
function assertSentences(text, what) {
  assert.doesNotMatch(text, /[<>{}]|canary|Bad Gateway/i, what);
  assert.match(text.trim(), /^[A-Z].*[.]$/s, what);
}

/** A relay in exchange mode behind a proxy that can speak for itself, and an office enrolled there: { balancer, relay, oidc, office }. */
async function scene(t) {
  const balancer = await Balancer.start(t, await certificateOfRelays());
  const publicUrl = `https://localhost:${balancer.port}`;
  const { relay: instance, oidc } = await relayWithClient(t, {
    inClear: true, oidc: { redirectUris: [`${publicUrl}/callback/op`] },
    config: { public_url: publicUrl, trusted_proxies: [Balancer.address], 'tls.certificate': undefined, 'tls.key': undefined },
  });
  balancer.instances = [instance];
  const parts = { balancer, oidc, relay: Object.assign(Object.create(instance), { port: balancer.port }) };
  return { ...parts, office: await enrolledOffice(t, parts, 'North Ltd') };
}

test('C7: 500, 502 and 503 at the Cloud Service\'s address, with and without a body: console, command line, owner\'s page and log say it in sentences, and nothing of a page', async (t) => {
  const { balancer, office } = await scene(t);
  const link = await office.admin.startAuthorization({ username: 'printer-9', pin, type: 'oidc', way: 'owner_link' });
  const group = await office.admin.group('Office');
  for (const [what, answer, words] of answers) {
    balancer.instead = () => answer;
    const begun = await office.admin.call('POST', '/api/v1/authorizations', { username: 'printer-1', pin, type: 'oidc', group_id: group });
    assert.deepEqual([begun.status, begun.code], [503, 'cloud_service_unreachable'], what);
    assert.match(begun.body.detail, words, what);
    assert.match(begun.body.detail, /accounts that are authorised already go on by themselves/i, what);
    assertSentences(begun.body.detail, what);
    const checked = await office.cli(['cloud', 'check']);
    assert.equal(checked.status, 1, what);
    assert.match(checked.stderr, words, what);
    assert.doesNotMatch(checked.stderr, /[<>{}]|canary|Bad Gateway/i, what);
    const shown = await office.admin.browser.open({ url: link.start_url, form: {} });
    assert.equal(shown.status, 503, what);
    assert.match(shown.body, words, what);
    assert.doesNotMatch(shown.body, /canary|Bad Gateway/i, what);
  }
  const lines = office.logs.split('\n').filter((line) => line.includes('cloud_service_refused'));
  assert.ok(lines.length >= 3 * answers.length, `${lines.length} lines`);
  for (const line of lines) assert.match(line, /reason="?cloud_service_unreachable"? detail="?status 50[023]/, line);
  assert.doesNotMatch(office.logs, /canary|Bad Gateway|<html/i);
  assert.equal((await office.admin.must('GET', '/api/v1/users?search=printer')).total, 0, 'nothing was made');
  balancer.instead = () => undefined;
  assert.equal((await office.cli(['cloud', 'check'])).status, 0);
});

test('C7: a consent whose answer is fetched, and a refresh, while there is a 502: both are tried again and come to their end, and the code is posted once', async (t) => {
  const parts = await scene(t);
  const { balancer, office, oidc } = parts;
  const failing = (path, times) => {
    let left = times;
    balancer.instead = (asked) => (asked === path && left-- > 0 ? { status: 502, headers: html, body: page } : undefined);
    return () => left < 0;
  };
  const collected = failing('/relay/v1/collect', 3);
  const { grant_id: grantId } = await office.admin.addOAuthUser({ username: 'printer-1', pin, type: 'oidc', visit: consenting(parts) });
  assert.ok(collected(), 'it was asked for more than three times');
  assert.equal(oidc.tokenRequests, 1);

  balancer.instead = (asked) => (asked === '/relay/v1/token' ? { status: 502, headers: html, body: page } : undefined);
  await office.admin.call('POST', `/api/v1/grants/${grantId}/refresh`);
  const grant = await until('the grant to say so', async () => {
    const seen = await office.admin.grant(grantId);
    return seen.state === 'unreachable' ? seen : undefined;
  }, { timeout: 30_000 * slowness });
  assertSentences(grant.why, 'the grant');
  assert.match(grant.why, /Cloud Service at https:\/\/localhost:\d+ does not answer/);
  assert.equal((await office.token('printer-1', pin)).status, 200, 'meanwhile');
  balancer.instead = () => undefined;
  await until('the refresh', async () => {
    const seen = await office.admin.grant(grantId);
    return seen.state === 'active' && seen.generation === 2;
  }, { timeout: 60_000 * slowness });
  assert.equal(oidc.tokenRequests, 2);
  assert.equal(oidc.count('grant.error'), 0);
  assert.doesNotMatch(office.logs, /canary|Bad Gateway|<html/i);
});
