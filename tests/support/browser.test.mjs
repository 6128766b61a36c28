// Proves the browser harness: Chromium starts, axe-core sees a planted violation even under the strict policy, and
// complaints are heard.

import assert from 'node:assert/strict';
import http from 'node:http';
import { test } from 'node:test';
import { accessibilityViolations, openPage, startBrowser } from './browser.mjs';

test('Chromium, axe-core under a strict policy, and complaints', async (t) => {
  const server = http.createServer((_request, response) => {
    response.setHeader('Content-Type', 'text/html; charset=utf-8');
    response.setHeader('Content-Security-Policy', "default-src 'none'; script-src 'self'");
    response.end('<!doctype html><html lang="en"><title>t</title><main><h1>t</h1><img src="/x.png"><script>window.inline = 1</script></main></html>');
  });
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.after(() => server.close());
  const page = await openPage(await startBrowser(t));
  await page.goto(`http://127.0.0.1:${server.address().port}/`);
  assert.equal(await page.evaluate(() => window.inline), undefined, 'the policy holds');
  const violations = await accessibilityViolations(page);
  assert.equal(violations.length, 1);
  assert.match(violations[0], /^image-alt/);
  assert.ok(page.complaints.some((each) => /Content Security Policy/.test(each)), 'the refused inline script was heard');
});
