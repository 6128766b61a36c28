// Debian's Chromium through playwright-core, with pictures kept as artefacts and axe-core under a strict policy.

import assert from 'node:assert/strict';
import { mkdir, readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { chromium } from 'playwright-core';

const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '..', '..');
const screenshots = path.join(root, 'build', 'artefacts', 'screenshots');
const axeSource = await readFile(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');

const chromiumArgs = [
  '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update',
  '--disable-sync', '--disable-dev-shm-usage', '--no-proxy-server', '--disable-features=Translate,MediaRouter,OptimizationHints',
];

/** A browser that ends with the test (or suite) `t`; when that failed, what every page shows stands in the output. args: further switches for Chromium. */
export async function startBrowser(t, { args = [] } = {}) {
  const browser = await chromium.launch({ executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium-headless-shell', headless: true, args: [...chromiumArgs, ...args] });
  t.after(async () => {
    if (t.error) for (const page of browser.contexts().flatMap((context) => context.pages())) await tell(page);
    await browser.close();
  });
  return browser;
}

async function tell(page) {
  const shown = await page.locator('body').ariaSnapshot({ timeout: 2_000 }).catch((reason) => `(cannot be read: ${reason.message})`);
  console.log(`# ${page.url()} shows at the end:\n${shown.slice(0, 4_000)}`);
}

/**
 * A page in a fresh profile. Everything the page complains about (errors, refused by the content security policy) is
 * collected in page.complaints; assertQuiet looks at it.
 */
export async function openPage(browser, { width = 1280, height = 900, dark = false, ...options } = {}) {
  const context = await browser.newContext({
    viewport: { width, height }, colorScheme: dark ? 'dark' : 'light', reducedMotion: 'reduce', locale: 'en-GB', timezoneId: 'UTC', ...options,
  });
  context.setDefaultTimeout(45_000);
  const page = await context.newPage();
  watch(page);
  return page;
}

/** Starts collecting a page's complaints (popups need it told). */
export function watch(page) {
  page.complaints = [];
  page.on('pageerror', (error) => page.complaints.push(`error: ${error.message}`));
  page.on('console', (message) => {
    if (message.type() === 'error' && !/the server responded with a status of 4\d\d/.test(message.text())) page.complaints.push(message.text());
  });
  return page;
}

export function assertQuiet(page) {
  assert.deepEqual(page.complaints, [], 'the page complained');
}

/** Waits until `wanted` is to be seen; when it is not, the error says what stands in `place` instead. */
export async function shows(wanted, place) {
  try {
    await wanted.waitFor();
  } catch (error) {
    const there = await place.allInnerTexts().catch((reason) => [`(cannot be read: ${reason.message})`]);
    error.message += `\nInstead there is: ${there.join('\n---\n') || '(nothing)'}`;
    throw error;
  }
}

/** Puts the page into a colour scheme and a size, and waits until it has been drawn so. */
async function dress(page, colorScheme, viewport) {
  await page.emulateMedia({ colorScheme });
  await page.setViewportSize(viewport);
  // Chromium does not always carry a changed scheme into inherited light-dark() colours. A rule that names every element makes
  // it work out every element's style anew, and saying the scheme once more reaches what a cache of styles would still give.
  await page.evaluate((scheme) => {
    const rule = new CSSStyleSheet();
    rule.replaceSync(`*, *::before, *::after { --tests-drawn-in: ${scheme} }`);
    document.adoptedStyleSheets = [rule];
  }, colorScheme);
  const drawn = () => page.evaluate(() => new Promise((resolve) => requestAnimationFrame(() => requestAnimationFrame(resolve))));
  await page.evaluate((scheme) => document.documentElement.style.setProperty('color-scheme', scheme), colorScheme);
  await drawn();
  await page.evaluate(() => document.documentElement.style.removeProperty('color-scheme'));
  // A page that is not shown has no styles to keep; done within one task, nothing on it notices.
  await page.evaluate(() => {
    const { style } = document.documentElement;
    style.setProperty('display', 'none');
    document.documentElement.getBoundingClientRect();
    style.removeProperty('display');
  });
  await drawn();
  await page.evaluate(() => Promise.all(document.getAnimations().map((each) => each.finished.catch(() => {}))).then(() => undefined));
}

/** Keeps a picture as build/artefacts/screenshots/NAME.png. */
export async function picture(page, name, options = {}) {
  await mkdir(screenshots, { recursive: true });
  await page.screenshot({ path: path.join(screenshots, `${name}.png`), animations: 'disabled', ...options });
}

/** Pictures of the page as it stands, light and dark, at 1280 and 360 px; leaves it as it found it. */
export async function pictures(page, name) {
  const before = page.viewportSize();
  for (const scheme of ['light', 'dark']) {
    for (const width of [1280, 360]) {
      await dress(page, scheme, { width, height: width === 360 ? 740 : 900 });
      await picture(page, `${name}-${scheme}-${width}`);
    }
  }
  await dress(page, 'light', before);
}

/**
 * What axe-core finds on the page, as readable lines; empty when nothing. axe comes in through the debugger, so that
 * the page's own policy stays as strict as it is for everybody.
 */
export async function accessibilityViolations(page, { exclude = [] } = {}) {
  if (!(await page.evaluate(() => Boolean(globalThis.axe)))) await page.evaluate(axeSource);
  const results = await page.evaluate(
    (excluded) => globalThis.axe.run(excluded.length ? { exclude: excluded } : document, { resultTypes: ['violations'] }),
    exclude,
  );
  return results.violations.flatMap((rule) => rule.nodes.map((node) => `${rule.id} (${rule.impact}): ${node.target.join(' ')}: ${node.failureSummary.replaceAll('\n', ' ')}`));
}

const looksAtMost = 3;

/**
 * Fails when axe-core finds anything, light or dark, wide or narrow. What the page itself has wrong is there however often it is
 * drawn; a colour left over from the other scheme (see dress) is gone when it is drawn again.
 */
export async function assertAccessible(page, where) {
  const before = page.viewportSize();
  for (const scheme of ['light', 'dark']) {
    for (const width of [1280, 360]) {
      let found;
      for (let look = 0; look < looksAtMost && found?.length !== 0; look++) {
        await dress(page, scheme, { width, height: 800 });
        found = await accessibilityViolations(page);
      }
      assert.deepEqual(found, [], `axe-core on ${where}, ${scheme}, ${width} px`);
    }
  }
  await dress(page, 'light', before);
}

/** Fails when the page is wider than the window (something would have to be scrolled sideways). */
export async function assertFits(page, where) {
  const { content, room } = await page.evaluate(() => ({ content: document.documentElement.scrollWidth, room: document.documentElement.clientWidth }));
  assert.ok(content <= room, `${where} is ${content} px wide in a window of ${room} px`);
}

/** Fails when what a table's cell holds reaches into the next one. */
export async function assertCellsFit(page, where) {
  const reaching = await page.evaluate(() => [...document.querySelectorAll('td, th')].filter((cell) => cell.scrollWidth > cell.clientWidth + 1 && cell.clientWidth > 0 && !cell.querySelector('.sr')).map((cell) => cell.innerText));
  assert.deepEqual(reaching, [], `cells too narrow for what they hold, ${where}`);
}
