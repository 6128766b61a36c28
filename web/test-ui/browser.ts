import { createRequire } from "node:module";
import { readFileSync } from "node:fs";
import { chromium, type Browser, type BrowserContext, type Page } from "playwright-core";
import type { AxeResults } from "axe-core";

const axe_source = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");

export function open_browser(): Promise<Browser> {
  return chromium.launch({
    executablePath: process.env["CHROMIUM"] ?? "/usr/bin/chromium-headless-shell",
    args: ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync"],
  });
}

export interface Look {
  scheme: "light" | "dark";
  width: number;
}

/** A page that remembers everything a browser complained about. */
export async function open_page(browser: Browser, look: Look, base_url: string): Promise<{ context: BrowserContext; page: Page; complaints: string[] }> {
  const context = await browser.newContext({ baseURL: base_url, colorScheme: look.scheme, viewport: { width: look.width, height: look.width < 500 ? 740 : 860 }, reducedMotion: "reduce", locale: "en-GB", timezoneId: "Europe/Berlin" });
  await context.addInitScript(() => {
    document.addEventListener("securitypolicyviolation", (e) => console.error(`policy: ${e.violatedDirective} ${e.blockedURI} ${e.sourceFile}:${e.lineNumber} ${e.sample}`));
  });
  const page = await context.newPage();
  page.setDefaultTimeout(30_000);
  const complaints: string[] = [];
  page.on("console", (message) => {
    // A refusal that the page explains in words is no fault of the page.
    if (message.type() === "error" && !/Failed to load resource.*40[0-9]|422/.test(message.text())) complaints.push(message.text());
  });
  page.on("pageerror", (error) => complaints.push(String(error)));
  return { context, page, complaints };
}

export async function sign_in(page: Page, username = "mara"): Promise<void> {
  await page.goto("/");
  await page.getByLabel("Username").fill(username);
  await page.getByLabel("Password", { exact: true }).fill("practice-only");
  await page.getByRole("button", { name: "Sign in" }).click();
  await page.getByRole("heading", { level: 1, name: username === "mara" ? "Users" : "My grants" }).waitFor();
}

/** Names and places of every violation that axe-core finds; empty is good. */
export async function violations(page: Page): Promise<string[]> {
  await page.evaluate(axe_source);
  const results = (await page.evaluate(() => (globalThis as unknown as { axe: { run(options: object): Promise<unknown> } }).axe.run({ resultTypes: ["violations"] }))) as AxeResults;
  return results.violations.map((v) => `${v.id} (${v.impact}): ${v.nodes.map((n) => `${n.target.join(" ")} ${n.any.map((a) => a.message).join("; ")}`).slice(0, 4).join(" | ")}`);
}

/** True when nothing makes the page scroll sideways. */
export function fits(page: Page): Promise<boolean> {
  return page.evaluate(() => document.documentElement.scrollWidth <= document.documentElement.clientWidth);
}
