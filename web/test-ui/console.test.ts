// The console in a real browser against the mock: every page and dialog is clean for axe-core and the content security
// policy, and the ways through the Add dialog end where they should. CHROMIUM names another browser binary.
import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import type { Server } from "node:http";
import type { Browser, BrowserContext, Locator, Page } from "playwright-core";
import { start } from "../mock/server.ts";
import { kEnrolledAnew, type Attempt, type World } from "../mock/world.ts";
import type { Schemas } from "../src/api/client.ts";
import { fits, open_browser, open_page, sign_in, violations, type Look } from "./browser.ts";
import { kViews } from "./views.ts";

let browser: Browser;
before(async () => {
  browser = await open_browser();
});
after(() => browser.close());

/** What stands beside a term in a list of facts. */
function fact(where: Locator, term: string): Promise<string> {
  return where.locator("dt", { hasText: new RegExp(`^${term}$`) }).locator("xpath=following-sibling::dd[1]").innerText();
}

interface House {
  url: string;
  world: World;
  server: Server;
}
function close(house: House) {
  house.server.closeAllConnections();
  house.server.close();
}
/** A house and a page of their own, put away whatever happens. */
async function visit(options: { people: number; fresh?: boolean }, look: Look, body: (page: Page, house: House, complaints: string[]) => Promise<void>): Promise<void> {
  const house = await start({ port: 0, ...options });
  const { context, page, complaints } = await open_page(browser, look, house.url);
  try {
    await body(page, house, complaints);
  } finally {
    await context.close();
    close(house);
  }
}

for (const look of [{ scheme: "light", width: 1280 }, { scheme: "dark", width: 360 }] satisfies Look[]) {
  describe(`every view, ${look.scheme}, ${look.width} px`, () => {
    let house: House;
    let context: BrowserContext;
    let page: Page;
    let complaints: string[];
    before(async () => {
      house = await start({ port: 0, people: 24 });
      ({ context, page, complaints } = await open_page(browser, look, house.url));
      await sign_in(page);
    });
    after(async () => {
      await context.close();
      close(house);
    });
    for (const view of kViews) {
      it(view.name, async () => {
        await view.open(page, house.world);
        assert.deepEqual(await violations(page), []);
        assert.ok(await fits(page), "the page scrolls sideways");
        assert.deepEqual(complaints.splice(0), []);
      });
    }
  });
}

describe("before signing in", () => {
  for (const scheme of ["light", "dark"] as const) {
    it(`set-up and sign-in, ${scheme}`, async () => {
      await visit({ people: 0, fresh: true }, { scheme, width: 360 }, async (page, _house, complaints) => {
        await page.goto("/setup#code=mock-code");
        await page.getByRole("heading", { name: "Welcome to Latchkey" }).waitFor();
        assert.equal(new URL(page.url()).hash, "", "the code stays in the address bar");
        await page.getByRole("button", { name: "Create administrator" }).click();
        await page.getByText("Use at least 10 characters.").waitFor();
        assert.deepEqual(await violations(page), []);
        await page.getByLabel("Username").fill("mara");
        await page.getByLabel("Password", { exact: true }).fill("practice-only");
        await page.getByLabel("Repeat password", { exact: true }).fill("practice-only");
        await page.getByRole("button", { name: "Create administrator" }).click();
        await page.getByRole("heading", { name: "No OAuth users yet" }).waitFor();
        assert.deepEqual(await violations(page), []);
        await page.getByRole("button", { name: "Menu" }).click();
        await page.getByRole("link", { name: "Registry" }).waitFor();
        assert.deepEqual(await violations(page), []);
        await page.getByRole("button", { name: /account and appearance/ }).click();
        await page.getByRole("menuitem", { name: "Sign out" }).click();
        await page.getByRole("heading", { name: "Sign in" }).waitFor();
        await page.getByLabel("Username").fill("mara");
        await page.getByLabel("Password", { exact: true }).fill("wrong");
        await page.getByRole("button", { name: "Sign in" }).click();
        await page.getByText("Username or password is wrong").waitFor();
        assert.deepEqual(await violations(page), []);
        assert.deepEqual(complaints, []);
      });
    });
  }
});

describe("the Add dialog", () => {
  let house: House;
  let context: BrowserContext;
  let page: Page;
  let complaints: string[];
  before(async () => {
    house = await start({ port: 0, people: 30 });
    ({ context, page, complaints } = await open_page(browser, { scheme: "light", width: 1280 }, house.url));
    await sign_in(page);
  });
  after(async () => {
    await context.close();
    close(house);
  });
  const dialog = () => page.getByRole("dialog");

  async function fill(username: string, group = "Accounting", type = "Sandbox"): Promise<void> {
    await page.goto("/users/new");
    await dialog().getByLabel("Group", { exact: true }).fill(group);
    await page.getByRole("option", { name: new RegExp(group) }).first().click();
    await dialog().getByRole("combobox", { name: /^Type/ }).click();
    await page.getByRole("option", { name: type, exact: true }).click();
    await dialog().getByLabel("Username").fill(username);
    await dialog().getByRole("button", { name: "Generate" }).click();
  }
  async function authorize(how: "allow" | "refuse" | "other" | "less", button = "Authorize"): Promise<void> {
    const [popup] = await Promise.all([page.waitForEvent("popup"), dialog().getByRole("button", { name: button, exact: true }).first().click()]);
    await popup.locator(`#${how}`).click();
  }
  const curl = () => dialog().locator("code").filter({ hasText: /^curl/ });

  it("goes from an empty form to a token: popup, notice, check, curl line without the PIN", async () => {
    await fill("hall", "Depot");
    await dialog().getByLabel("Programs may fetch the token").click();
    const pin = await dialog().locator("code").first().innerText();
    await authorize("allow");
    await dialog().getByText("Authorized as hall@example.com").waitFor();
    assert.deepEqual(await violations(page), []);
    const line = await curl().innerText();
    assert.match(line, /^curl -u 'hall' -X POST http:\/\/localhost:\d+\/v1\/token$/);
    assert.ok(!line.includes(pin));
    await dialog().getByRole("button", { name: "Check" }).click();
    await dialog().getByText(/answered as hall@example.com/).waitFor();
    await dialog().getByRole("button", { name: "Done" }).click();
    await page.getByRole("link", { name: "hall", exact: true }).waitFor();
    assert.equal(house.world.users.find((u) => u.username === "hall")?.group.name, "Depot");
    assert.deepEqual(complaints.splice(0), []);
  });

  it("shows the redirect address while it waits, and Cancel leaves nothing behind", async () => {
    await fill("cancelled");
    const [popup] = await Promise.all([page.waitForEvent("popup"), dialog().getByRole("button", { name: "Authorize", exact: true }).click()]);
    await popup.waitForLoadState();
    await dialog().getByText("Waiting for consent").waitFor();
    await dialog().getByText("/oauth/callback/sandbox").waitFor();
    assert.deepEqual(await violations(page), []);
    await dialog().getByRole("button", { name: "Cancel" }).click();
    await dialog().getByText("Nothing was kept.").waitFor();
    assert.ok(popup.isClosed() || (await popup.waitForEvent("close"), true));
    await dialog().getByRole("button", { name: "Back to the form" }).click();
    assert.equal(await dialog().getByLabel("Username").inputValue(), "cancelled");
    assert.ok(!house.world.users.some((u) => u.username === "cancelled"));
  });

  it("goes on waiting when somebody closes the popup", async () => {
    await fill("patient");
    const [popup] = await Promise.all([page.waitForEvent("popup"), dialog().getByRole("button", { name: "Authorize", exact: true }).click()]);
    await popup.waitForURL(/\/oauth\/start\//);
    const address = popup.url();
    await popup.close();
    await dialog().getByText("Waiting for consent").waitFor();
    const elsewhere = await context.newPage();
    await elsewhere.goto(address);
    await elsewhere.locator("#allow").click();
    await dialog().getByText("Authorized as patient@example.com").waitFor();
    await elsewhere.close();
  });

  it("explains a refusal in words and keeps the form", async () => {
    await fill("refused");
    await authorize("refuse");
    await dialog().getByText("Consent was refused").waitFor();
    assert.deepEqual(await violations(page), []);
    assert.ok(!house.world.users.some((u) => u.username === "refused"));
  });

  it("names scopes that were not granted", async () => {
    await fill("less");
    await authorize("less");
    await dialog().getByText("Less was granted than asked for.").waitFor();
    assert.deepEqual(await violations(page), []);
  });

  it("takes a completed attempt back", async () => {
    await fill("undone");
    await authorize("allow");
    await dialog().getByRole("button", { name: /Undo/ }).click();
    await dialog().getByText("Nothing was kept.").waitFor();
    assert.ok(!house.world.users.some((u) => u.username === "undone"));
  });

  it("offers to link when the username is taken, and then asks for no PIN", async () => {
    const known = house.world.users.find((u) => u.grants.length > 0);
    assert.ok(known);
    await fill(known.username);
    await dialog().getByRole("button", { name: "Authorize", exact: true }).click();
    await dialog().getByRole("button", { name: /Link to this user/ }).click();
    await dialog().getByText("has a PIN already and keeps it").waitFor();
    assert.ok(await dialog().getByLabel("Username").isDisabled());
    assert.ok(await dialog().getByLabel("Group", { exact: true }).isDisabled());
    assert.deepEqual(await violations(page), []);
    await authorize("allow");
    await dialog().getByText("Authorized as").waitFor();
    assert.ok(known.grants.some((g) => g.type === "sandbox"));
  });

  it("asks before another account takes over on authorizing again", async () => {
    const user = house.world.users.find((u) => u.grants.length === 1 && u.grants[0]?.state === "active");
    assert.ok(user);
    const account = user.grants[0]?.account?.name ?? "";
    await page.goto(`/users/${user.id}`);
    await authorize("other", "Authorize again");
    await dialog().getByText("Another account than before").waitFor();
    assert.equal(await fact(dialog(), "Its id until now"), user.grants[0]?.account?.id);
    assert.equal(await fact(dialog(), "Its id at the provider"), "other");
    assert.deepEqual(await violations(page), []);
    await dialog().getByRole("button", { name: `Keep ${account}` }).click();
    await dialog().getByText("Nothing was kept.").waitFor();
    assert.equal(user.grants[0]?.account?.name, account);
  });

  it("shows a consent that waits above every page, where it is approved or rejected", async () => {
    for (const [username, answer] of [["held-one", "Approve"], ["held-two", "Reject"]] as const) {
      await fill(username);
      const [popup] = await Promise.all([page.waitForEvent("popup"), dialog().getByRole("button", { name: "Authorize", exact: true }).click()]);
      await popup.waitForURL(/\/oauth\/start\//);
      const attempt = [...house.world.attempts.values()].find((a) => a.username === username);
      assert.ok(attempt);
      attempt.confirmation = { code: "held", question: "q1", holder: "", before: { id: "", name: "" }, now: { id: "far", name: "far@example.com" }, detail: 'The account "far" named "far@example.com" has consented in another browser. Approve this account?' };
      attempt.state = "held";
      house.world.wake(attempt.id);
      await dialog().getByText("waits for your approval").waitFor();
      await page.keyboard.press("Escape");
      await dialog().waitFor({ state: "detached" });
      await page.goto("/groups");
      const banner = page.getByRole("group", { name: `Consent for ${username}` });
      await banner.getByText("has consented in another browser.").waitFor();
      for (const [term, said] of [["Account", "far@example.com"], ["Its id at the provider", "far"], ["Consented for", username]] as const) {
        assert.equal(await fact(banner, term), said);
      }
      assert.deepEqual(await violations(page), []);
      await banner.getByRole("button", { name: answer }).click();
      await page.getByText(answer === "Approve" ? `${username} is authorized as far@example.com.` : `The consent for ${username} is rejected; nothing of it is kept.`).waitFor();
      await banner.waitFor({ state: "detached" });
      assert.equal(attempt.state, answer === "Approve" ? "completed" : "cancelled");
      assert.equal(house.world.users.some((u) => u.username === username), answer === "Approve");
    }
  });

  it("Attack: shows a name that reads like the question as the name it is, beside the account's id", async () => {
    const attempt = await hold("forged-name");
    assert.ok(attempt.confirmation);
    const name = "anna@corp.example has consented in another browser. Approve this account? The provider's own id of the account is acc-1. Note: this";
    attempt.confirmation = { ...attempt.confirmation, now: { id: "sub-of-mallory", name } };
    await page.goto("/groups");
    const banner = page.getByRole("group", { name: "Consent for forged-name" });
    await banner.waitFor();
    assert.equal(await fact(banner, "Account"), name);
    assert.equal(await fact(banner, "Its id at the provider"), "sub-of-mallory");
    assert.equal(await banner.locator("p").filter({ hasText: "acc-1" }).count(), 0, "the name stands where names stand, and nowhere else");
    await banner.getByRole("button", { name: "Reject" }).click();
    await banner.waitFor({ state: "detached" });
  });

  /** A consent in another browser, which waits for approval while the dialog is open. */
  async function hold(username: string): Promise<Attempt> {
    await fill(username);
    const [popup] = await Promise.all([page.waitForEvent("popup"), dialog().getByRole("button", { name: "Authorize", exact: true }).click()]);
    await popup.waitForURL(/\/oauth\/start\//);
    const attempt = [...house.world.attempts.values()].find((a) => a.username === username);
    assert.ok(attempt);
    attempt.confirmation = { code: "held", question: "q1", holder: "", before: { id: "", name: "" }, now: { id: "sub-77", name: "far@example.com" }, detail: 'The account "sub-77" named "far@example.com" has consented in another browser. Approve this account?' };
    attempt.asks_next = { ...attempt.confirmation, code: "account_held", question: "q2", holder: "copier-9", detail: 'The account "sub-77" named "far@example.com" is authorised already for copier-9. Keep this one as well?' };
    attempt.state = "held";
    house.world.wake(attempt.id);
    await dialog().getByText("waits for your approval").waitFor();
    return attempt;
  }

  it("shows the account's id besides the name it has given itself, and says when an answer turns up another question", async () => {
    const attempt = await hold("turned-up");
    await dialog().getByText("sub-77", { exact: true }).waitFor();
    assert.deepEqual(await violations(page), []);
    await dialog().getByRole("button", { name: "Approve far@example.com" }).click();
    await dialog().getByText("It asks something else now; look again.").waitFor();
    await dialog().getByRole("heading", { name: "far@example.com is in use already" }).waitFor();
    await dialog().getByText("sub-77", { exact: true }).waitFor();
    assert.deepEqual(await violations(page), []);
    await dialog().getByRole("button", { name: "Use it for turned-up as well" }).click();
    await dialog().getByText(/^Authorized as/).waitFor();
    assert.equal(await dialog().getByText("It asks something else now").count(), 0);
    assert.equal(attempt.state, "completed");
  });

  it("says above every page, too, that something else is asked now, and shows that", async () => {
    const attempt = await hold("turned-up-above");
    await page.goto("/groups");
    const banner = page.getByRole("group", { name: "Consent for turned-up-above" });
    await banner.getByRole("button", { name: "Approve" }).click();
    await page.getByText("It asks something else now; look again.").waitFor();
    await banner.getByText("already for copier-9").waitFor();
    assert.equal(await fact(banner, "In use by"), "copier-9");
    // Somebody else's answer has turned up a third one since this page looked.
    assert.ok(attempt.confirmation);
    attempt.confirmation = { ...attempt.confirmation, question: "q3", detail: 'The account "sub-77" named "far@example.com" is authorised already for copier-10. Keep this one as well?' };
    await banner.getByRole("button", { name: "Approve" }).click();
    await page.getByText("Something else is asked now", { exact: true }).waitFor();
    await banner.getByText("already for copier-10").waitFor();
    assert.equal(attempt.state, "needs_confirmation");
    await banner.getByRole("button", { name: "Reject" }).click();
    await banner.waitFor({ state: "detached" });
    assert.equal(attempt.state, "cancelled");
  });

  it("names whose grant a second consent of the same account endangers", async () => {
    for (const [username, button] of [["second-one", /^Leave it to \S/], ["second-two", "Use it for second-two as well"]] as const) {
      await fill(username);
      await authorize("other");
      await dialog().getByRole("heading", { name: "somebody.else@example.com is in use already" }).waitFor();
      assert.deepEqual(await violations(page), []);
      assert.equal(await dialog().getByText("Another account than before").count(), 0);
      await dialog().getByRole("button", { name: button }).click();
      await dialog().getByText(username === "second-one" ? "Nothing was kept." : "Authorized as").waitFor();
      assert.equal(house.world.users.some((u) => u.username === username), username === "second-two");
    }
  });

  it("goes with the whole page when the popup is blocked, and comes back to the notice", async () => {
    await fill("blocked");
    await page.evaluate(() => (window.open = () => null));
    await dialog().getByRole("button", { name: "Authorize", exact: true }).click();
    await page.locator("#allow").click();
    await dialog().getByText("Authorized as blocked@example.com").waitFor();
    await dialog().getByRole("button", { name: "Done" }).click();
    await page.waitForURL(/\/users$/);
  });

  it("works with the keyboard alone", async () => {
    await page.goto("/users/new");
    await dialog().waitFor();
    await page.waitForFunction(() => document.activeElement?.getAttribute("role") === "combobox");
    await page.keyboard.type("Sales");
    await page.getByRole("option", { name: /^Sales/ }).waitFor();
    await page.keyboard.press("Enter");
    await dialog().getByRole("combobox", { name: /^Type/ }).focus();
    await page.keyboard.press("Enter");
    await page.keyboard.type("Sandb");
    await page.keyboard.press("Enter");
    await dialog().getByLabel("Username").focus();
    await page.keyboard.type("by-keyboard");
    await page.keyboard.press("Tab");
    await page.keyboard.type("h7kq2mx9aw");
    await dialog().getByLabel("Repeat PIN", { exact: true }).focus();
    await page.keyboard.type("h7kq2mx9aw");
    const [popup] = await Promise.all([page.waitForEvent("popup"), page.keyboard.press("Enter")]);
    await popup.locator("#allow").click();
    await dialog().getByText("Authorized as by-keyboard@example.com").waitFor();
    await page.keyboard.press("Escape");
    await dialog().waitFor({ state: "detached" });
  });
});

describe("activity", () => {
  it("says in words what happened, also where the server adds none, and counts what was handed out", async () => {
    await visit({ people: 30 }, { scheme: "light", width: 1280 }, async (page, house, complaints) => {
      const user = house.world.users.find((u) => u.grants.length === 1);
      assert.ok(user);
      house.world.activity.push({ seq: 900, at: house.world.at(-90), actor: { kind: "user", id: null, name: "mara" }, action: "user.pin_set", subject: { kind: "user", id: user.id, name: user.username }, source: "192.0.2.7", detail: "" });
      await sign_in(page);
      await page.goto(`/users/${user.id}/activity`);
      await page.getByText("PIN set", { exact: true }).waitFor();
      await page.getByText(/^Access token handed out \d+ times$/).first().waitFor();
      const texts = await page.locator("ol.lines li p:first-child").allInnerTexts();
      assert.ok(texts.length > 1 && texts.every((text) => text.trim() !== ""), JSON.stringify(texts));
      await page.goto("/activity");
      await page.locator("tbody tr").filter({ hasText: "user.pin_set" }).getByText("PIN set", { exact: true }).waitFor();
      assert.deepEqual(complaints, []);
    });
  });
});

describe("the bad day", () => {
  const words = "Type “revoke all” to go on";

  it("counts page by page, shows figures it does not know by their name, and revokes only after the words", async () => {
    await visit({ people: 90 }, { scheme: "light", width: 1280 }, async (page, house, complaints) => {
      house.world.more_fates = (grants) => ({ perhaps_not: { "Some Provider": Math.min(1, grants) } });
      const grants = () => house.world.users.flatMap((u) => u.grants);
      const all = grants().length;
      await sign_in(page);
      await page.goto("/health/revoke");
      await page.getByText(`${all}grants would be revoked`).waitFor();
      const pages = Math.ceil(all / 20);
      await page.getByRole("listitem").filter({ hasText: "Perhaps not" }).getByText(`Some Provider ${pages}`).waitFor();
      await page.getByRole("button", { name: `Revoke ${all} grants…` }).click();
      const dialog = page.getByRole("alertdialog");
      await dialog.getByLabel(words).fill("revoke");
      assert.ok(await dialog.getByRole("button", { name: `Revoke ${all} grants` }).isDisabled());
      await page.keyboard.press("Enter");
      assert.ok(grants().some((g) => g.state === "active"));
      await dialog.getByLabel(words).fill("Revoke all");
      await dialog.getByRole("button", { name: `Revoke ${all} grants` }).click();
      await page.getByText(`${all}grants have ended here`).waitFor();
      assert.ok(grants().every((g) => g.state === "revoked"));
      await page.getByRole("button", { name: "Look what is left" }).click();
      await page.getByText("No grant is left to revoke here.").waitFor();
      assert.deepEqual(complaints, []);
    });
  });

  it("revokes those of one app only, goes on while another page is looked at, and after it was broken off", async () => {
    await visit({ people: 130 }, { scheme: "light", width: 1280 }, async (page, house) => {
      const of = (app: string) => house.world.users.flatMap((u) => u.grants).filter((g) => g.app === app);
      const mine = of("microsoft").length;
      let left = 2;
      let hold = true;
      // The third page finds the server gone; the one after that waits until it is let through.
      await page.route("**/api/v1/grants/revoke", async (call) => {
        if ((call.request().postDataJSON() as { dry_run: boolean }).dry_run) return call.continue();
        if (left-- === 0) return call.abort();
        while (left < 0 && hold) await new Promise((resolve) => setTimeout(resolve, 20));
        return call.continue();
      });
      await sign_in(page);
      await page.goto("/settings/apps/microsoft");
      await page.getByRole("link", { name: "Revoke all grants of this app" }).click();
      await page.getByRole("button", { name: `Revoke ${mine} grants…` }).click();
      await page.getByRole("alertdialog").getByLabel(words).fill("revoke all");
      await page.keyboard.press("Enter");
      await page.getByRole("heading", { name: "Broken off" }).waitFor();
      await page.getByText("The Latchkey server does not answer.").waitFor();
      assert.deepEqual(await violations(page), []);
      const first = of("microsoft").filter((g) => g.state === "revoked").length;
      assert.ok(first > 0 && first < mine, `${first} of ${mine}`);
      await page.getByRole("button", { name: "Go on revoking" }).click();
      await page.getByRole("progressbar", { name: "Grants revoked here" }).waitFor();
      assert.deepEqual(await violations(page), []);
      await page.getByRole("link", { name: "Groups" }).click();
      await page.getByRole("heading", { level: 1, name: "Groups" }).waitFor();
      hold = false;
      await page.getByRole("link", { name: "Health" }).first().click();
      await page.getByRole("link", { name: "Revoke all grants…" }).click();
      await page.getByText(`${mine}grants have ended here`).waitFor();
      assert.ok(of("microsoft").every((g) => g.state === "revoked"));
      assert.ok(of("google").some((g) => g.state === "active"), "others are left alone");
    });
  });
});

describe("lists", () => {
  it("shows 20,000 users, pages, filters and acts on several at once", async () => {
    await visit({ people: 20_000 }, { scheme: "light", width: 1280 }, async (page, house, complaints) => {
      await sign_in(page);
      await page.getByText(/^20,001 users/).waitFor();
      assert.ok((await page.locator("tbody").count()) <= 4 * 50, "more rows than pages in the document");
      await page.getByRole("button", { name: "Next page" }).first().click();
      await page.getByText(/^51 to 100 of/).first().waitFor();
      await page.getByLabel("Search users").fill("mara");
      await page.getByText(/^\d[\d,]* users? found/).waitFor();
      await page.getByRole("button", { name: "Clear" }).click();
      await page.getByRole("combobox", { name: /^State/ }).click();
      await page.getByRole("option", { name: "Held" }).click();
      await page.getByText(/users found/).waitFor();
      await page.getByRole("checkbox", { name: /^Choose / }).nth(1).click();
      await page.getByRole("checkbox", { name: /^Choose / }).nth(2).click();
      await page.getByRole("button", { name: "Disable…", exact: true }).click();
      await page.getByRole("alertdialog").getByRole("button", { name: "Disable", exact: true }).click();
      await page.getByText("2 users disabled.").waitFor();
      assert.equal(house.world.users.filter((u) => !u.enabled).length, 2);
      assert.deepEqual(complaints, []);
    });
  });

  it("asks where users go before a group is deleted", async () => {
    await visit({ people: 30 }, { scheme: "light", width: 768 }, async (page, house) => {
      await sign_in(page);
      await page.goto("/groups");
      const before = house.world.users.length;
      await page.getByRole("button", { name: "Delete Accounting" }).click();
      const button = page.getByRole("button", { name: "Delete group" });
      assert.ok(await button.isDisabled());
      await page.getByRole("dialog").getByLabel("Group", { exact: true }).fill("Sales");
      await page.getByRole("option", { name: /^Sales/ }).click();
      await button.click();
      await page.getByText("Accounting is gone.").waitFor();
      assert.equal(house.world.users.length, before);
    });
  });

  it("shows a regular user their own grants and nothing else", async () => {
    await visit({ people: 30 }, { scheme: "light", width: 768 }, async (page, house) => {
      const user = house.world.users.find((u) => u.grants.length > 0);
      assert.ok(user);
      user.has_password = true;
      await sign_in(page, user.username);
      await page.goto("/users");
      await page.waitForURL(/\/me$/);
      await page.getByRole("heading", { name: user.grants[0]?.type_name ?? "" }).waitFor();
      assert.equal(await page.getByRole("link", { name: "Registry" }).count(), 0);
      assert.deepEqual(await violations(page), []);
      await page.getByText("It asks for your PIN").waitFor();
      await page.getByRole("link", { name: "My authorisations" }).click();
      await page.waitForURL(/\/my$/);
      await page.getByRole("button", { name: "Show my authorisations" }).waitFor();
    });
  });

  for (const [whose, path] of [["an administrator of a user", ""], ["a regular user of their own", "/me"]] as const) {
    it(`tells ${whose} what was handed in, and what of it opens an account without the PIN`, async () => {
      await visit({ people: 10 }, { scheme: "light", width: 768 }, async (page, house) => {
        const user = house.world.users.find((u) => u.grants.length > 0);
        assert.ok(user);
        user.username = "ledger";
        user.has_password = true;
        await sign_in(page, path === "" ? undefined : user.username);
        await page.goto(path || `/users/${user.id}`);
        const documents = page.getByRole("region", { name: "Documents" });
        const on_their_way = house.world.deliveries.filter((d) => d.state !== "delivered").length;
        await documents.getByText(`${on_their_way} on the way may open an account without the PIN`).waitFor();
        assert.equal(await documents.getByRole("listitem").count(), house.world.deliveries.length);
        const waits = house.world.deliveries.find((d) => d.why !== "");
        assert.ok(waits);
        await documents.getByText(waits.why).first().waitFor();
        assert.deepEqual(await violations(page), []);
      });
    });
  }

  it("offers owners to authorise again what they may, and nothing that an administrator has switched off or revoked", async () => {
    await visit({ people: 5 }, { scheme: "light", width: 768 }, async (page, house) => {
      const grant = (state: Schemas["GrantState"], why: string, may_authorize: boolean): Schemas["OwnedGrant"] => ({ id: `g-${state}`, type_name: `Storage ${state}`, kind: "storage", provider_name: "Box", account: { id: "1", name: "anna@example.com" }, state, why, may_authorize, authorized_at: house.world.at(-9), last_used_at: null });
      house.world.owner = { signed_in: true, by: "pin", username: "hall", ends_at: house.world.at(900), grants: [grant("active", "Keeps itself alive.", true), grant("revoked", "Revoked. Ask an administrator.", false), grant("disabled", "Switched off here. Ask an administrator.", false)] };
      await page.goto("/my");
      for (const [state, offered] of [["active", 1], ["revoked", 0], ["disabled", 0]] as const) {
        const card = page.getByRole("article", { name: `Storage ${state}` });
        await card.waitFor();
        assert.equal(await card.getByRole("button", { name: "Authorise again" }).count(), offered, state);
        assert.equal(await card.getByRole("button", { name: "Revoke…" }).count(), 1, state);
      }
      assert.deepEqual(await violations(page), []);
    });
  });

  it("keeps a stored client secret when Replace is pressed and nothing typed", async () => {
    await visit({ people: 5 }, { scheme: "light", width: 1280 }, async (page, house) => {
      const app = house.world.apps.find((a) => a.id === "microsoft");
      assert.ok(app?.secrets[0]?.set);
      app.secret_needed = false;
      const { set_at } = app.secrets[0];
      await sign_in(page);
      await page.goto("/settings/apps/microsoft");
      await page.getByRole("button", { name: "Replace" }).first().click();
      await page.getByRole("button", { name: "Save" }).click();
      await page.getByText("Saved.").waitFor();
      assert.deepEqual([app.secrets[0]?.set, app.secrets[0]?.set_at], [true, set_at]);
    });
  });

  it("offers the check of the set-up before the first consent, and names what stands in the way of the app at hand", async () => {
    await visit({ people: 0 }, { scheme: "light", width: 1280 }, async (page, house, complaints) => {
      await sign_in(page);
      await page.goto("/users/new");
      const dialog = page.getByRole("dialog");
      await dialog.getByText("The first consent here?").waitFor();
      await dialog.getByRole("combobox", { name: /^Type/ }).click();
      await page.getByRole("option", { name: "Box", exact: true }).click();
      await dialog.getByRole("button", { name: "Check set-up" }).click();
      await dialog.getByText("Box refuses this redirect URI for this client.").waitFor();
      await dialog.getByRole("combobox", { name: /^Type/ }).click();
      await page.getByRole("option", { name: "Gmail", exact: true }).click();
      await dialog.getByText("Nothing was found that stands in the way.").waitFor();
      assert.ok(house.world.doctor, "examined once");
      assert.deepEqual(complaints, []);
    });
  });

  it("offers a device code where the app at hand gives one", async () => {
    await visit({ people: 0 }, { scheme: "light", width: 1280 }, async (page, house) => {
      const app = house.world.apps.find((each) => each.provider === "box");
      assert.ok(app);
      app.from_cloud_service = true;
      await sign_in(page);
      await page.goto("/users/new");
      const dialog = page.getByRole("dialog");
      const choose = async (type: string) => {
        await dialog.getByRole("combobox", { name: /^Type/ }).click();
        await page.getByRole("option", { name: type, exact: true }).click();
      };
      const device_code = dialog.getByRole("radio", { name: /With a device code/ });
      await choose("Gmail");
      await device_code.click();
      await choose("Box");
      await device_code.waitFor({ state: "detached" });
      assert.ok(await dialog.getByRole("radio", { name: /In this browser/ }).isChecked());
    });
  });

  it("shows findings by check with remedy, copy and link, and examines again", async () => {
    await visit({ people: 3 }, { scheme: "light", width: 1280 }, async (page, house, complaints) => {
      await sign_in(page);
      await page.goto("/settings/check");
      await page.getByRole("button", { name: "Check now" }).click();
      const section = page.getByRole("region", { name: "Redirect URIs" });
      await section.getByText("Box refuses this redirect URI for this client.").waitFor();
      await section.getByText("Does not work", { exact: true }).waitFor();
      await section.getByRole("button", { name: "Copy Redirect URI of Box" }).waitFor();
      const link = page.getByRole("link", { name: "Open it in a new tab" });
      assert.match((await link.getAttribute("href")) ?? "", /adminconsent/);
      assert.match((await link.getAttribute("rel")) ?? "", /noreferrer/);
      await page.getByText("2 things do not work until you act.").waitFor();
      house.world.doctor = null;
      await page.getByRole("button", { name: "Check again" }).click();
      await page.getByText("2 things do not work until you act.").waitFor();
      assert.ok(house.world.doctor);
      assert.deepEqual(complaints, []);
    });
  });

  it("shows what a Cloud Service offers since, mode, types and values, and uses it once an administrator has agreed to just that", async () => {
    await visit({ people: 3 }, { scheme: "light", width: 1280 }, async (page, house, complaints) => {
      house.world.cloud_service = kEnrolledAnew(house.world);
      await sign_in(page);
      await page.goto("/settings/apps");
      const region = page.getByRole("region", { name: "Cloud Service", exact: true });
      await region.getByText("a registration that nobody here has agreed to").waitFor();
      await region.getByText("https://northwind.crm4.dynamics.com").waitFor();
      await region.getByText("mode: exchange instead of forward").waitFor();
      await region.getByText("it sees them in passing").waitFor();
      await region.getByText("new type: gmail").waitFor();
      await region.getByText(/^Used meanwhile for /).waitFor();
      const plain = region.getByRole("button", { name: "Agree to these", exact: true });
      const exchange = region.getByRole("button", { name: "Agree: it sees tokens", exact: true });
      assert.deepEqual([await plain.count(), await exchange.count()], [2, 1]);
      assert.equal(await region.getByText(/ goes to$/).count(), 0);
      await plain.first().click();
      await page.getByText("consent goes by way of the Cloud Service.").waitFor();
      await region.getByText(/ goes to$/).waitFor();
      assert.deepEqual([await plain.count(), await exchange.count()], [1, 1]);

      const box = house.world.cloud_service.apps.find((app) => app.provider === "box");
      box?.types.push("google-drive");
      await exchange.click();
      await region.getByText("Nothing was agreed to; look at it again.").waitFor();
      assert.equal(box?.agreed, false);
      await region.getByText("Box, Google Drive", { exact: true }).waitFor();
      await exchange.click();
      await exchange.waitFor({ state: "detached" });
      assert.deepEqual(house.world.cloud_service.apps.map((app) => app.agreed), [true, true, true, false]);
      assert.deepEqual(complaints, []);
    });
  });

  it("says of an installation on PostgreSQL what backs it up, in which order, and warns of no backup of its own", async () => {
    await visit({ people: 3 }, { scheme: "light", width: 1280 }, async (page, house, complaints) => {
      house.world.store = "postgresql";
      await sign_in(page);
      await page.goto("/settings/keys");
      await page.getByText("pg_dump").waitFor();
      assert.equal(await page.getByText("This server knows of no backup").count(), 0);
      await page.getByText("latchkey backup FILE --config /etc/latchkey/latchkey.toml").waitFor();
      await page.getByText("goes from hand to hand").waitFor();
      house.world.key_prepared = { id: "9f2c41d07ab86e5d3f10c7b2a9e4d815", since: house.world.at(-4), server: "office-1", path: "/etc/latchkey/master.key.next", awaited: ["office-2", "office-3"] };
      await page.reload();
      await page.getByText("office-2, office-3").waitFor();
      await page.getByText("latchkey keys cancel").waitFor();
      assert.equal(await page.getByText("latchkey keys rotate").count(), 0, "not while one is prepared");
      house.world.key_prepared = { ...house.world.key_prepared, awaited: [] };
      await page.getByText("Every server holds it").waitFor();
      assert.deepEqual(complaints, []);
    });
  });

  it("shows a device's conversations at all doors, each with its own, and copies one without its heading", async () => {
    await visit({ people: 5 }, { scheme: "light", width: 1280 }, async (page, house, complaints) => {
      await sign_in(page);
      await page.goto("/settings/devices");
      await page.getByRole("button", { name: "Conversations of copier-hall" }).click();
      const dialog = page.getByRole("dialog");
      await dialog.getByRole("heading", { name: /from 192\.0\.2\.7 by WebDAV$/ }).waitFor();
      assert.deepEqual((await dialog.getByRole("heading", { level: 3 }).allInnerTexts()).map((words) => /by (.*)$/.exec(words)?.[1]), ["mail (SMTP)", "WebDAV", "HTTP"]);
      const dav = dialog.getByRole("region", { name: /by WebDAV$/ });
      assert.deepEqual(await dav.locator("li").allTextContents(), house.world.conversations[1]?.lines.map(({ from, text }) => ({ device: "Device", server: "Server", note: "" })[from] + text));
      assert.ok((await dav.locator("code").textContent())?.startsWith("C: PUT /dav/invoice/SCAN0007.PDF\nC: Authorization: Basic (hidden)\n"));
      house.world.conversations = [];
      await dialog.getByRole("button", { name: "Look again" }).click();
      await dialog.getByText("Nothing was heard of it since this server started.").waitFor();
      assert.deepEqual(complaints, []);
    });
  });

  it("keeps the chosen appearance over a reload", async () => {
    await visit({ people: 5 }, { scheme: "light", width: 1280 }, async (page) => {
      await sign_in(page);
      await page.getByRole("button", { name: /account and appearance/ }).click();
      await page.getByRole("menuitemradio", { name: "Dark" }).click();
      await page.reload();
      assert.equal(await page.evaluate(() => getComputedStyle(document.documentElement).colorScheme), "dark");
    });
  });

  for (const width of [390, 1280]) {
    it(`names every column that holds a value, within the picture, ${width} px`, async () => {
      await visit({ people: 24 }, { scheme: "light", width }, async (page) => {
        await sign_in(page);
        await page.goto("/health");
        await page.getByRole("img", { name: /^Grants by state/ }).waitFor();
        const charts = await page.locator("figure").evaluateAll((figures) =>
          figures.map((figure) => {
            const rows = [...figure.querySelectorAll("tbody tr")].map((row) => ({ label: row.querySelector("th")?.textContent ?? "", total: [...row.querySelectorAll("td")].reduce((sum, cell) => sum + Number(cell.textContent?.replace(/\D/g, "")), 0) }));
            const picture = figure.querySelector("svg")?.getBoundingClientRect();
            const labels = [...figure.querySelectorAll("text.label")].map((text) => ({ words: text.textContent?.trim().replace(/\s+/g, " ") ?? "", box: text.getBoundingClientRect() }));
            return {
              unnamed: rows.filter((row) => row.total > 0 && !labels.some((each) => each.words === row.label)).map((row) => row.label),
              cut: labels.filter(({ box }) => !picture || box.left < picture.left - 1 || box.right > picture.right + 1 || box.bottom > picture.bottom + 1).map((each) => each.words),
              named: labels.length,
            };
          }),
        );
        assert.equal(charts.length, 4);
        for (const chart of charts) assert.ok(chart.named > 0 && chart.unnamed.length === 0 && chart.cut.length === 0, JSON.stringify(chart));
        const secret = page.getByRole("cell", { name: /no end noted/ }).first();
        assert.ok(await secret.evaluate((cell) => cell.getBoundingClientRect().right <= document.documentElement.clientWidth), "the last column is off the page");
        assert.equal(await page.getByRole("row", { name: /google/i }).getByText("Accepted").count(), 0, "a provider that fails is not shown as sound");
      });
    });
  }

  it("comes back by itself when the server can work again", async () => {
    await visit({ people: 5 }, { scheme: "light", width: 1280 }, async (page) => {
      await page.route("**/api/v1/session", (call) => call.fulfill({ status: 503, contentType: "application/problem+json", body: JSON.stringify({ type: "urn:latchkey:problem:not_ready", title: "Not ready", status: 503, detail: "The server's database does not answer at the moment." }) }));
      await page.goto("/health");
      await page.getByText("The server cannot work at the moment.").waitFor();
      await page.unroute("**/api/v1/session");
      await page.getByRole("heading", { name: "Sign in" }).waitFor();
    });
  });
});
