import type { Page } from "playwright-core";
import type { Schemas } from "../src/api/client.ts";
import { kEnrolledAnew, kNotEnrolled, type World } from "../mock/world.ts";

export interface View {
  name: string;
  open: (page: Page, world: World) => Promise<unknown>;
}
const heading = (page: Page, name: string | RegExp) => page.getByRole("heading", { name }).first().waitFor();

/** Every page and dialog of the signed-in console; each opens from a fresh load. */
export const kViews: View[] = [
  { name: "users", open: async (page) => { await page.goto("/users"); await page.locator("tbody").first().waitFor(); } },
  {
    name: "users-consent-waits",
    open: async (page, world) => {
      const id = "00000000-0000-4000-8000-00000000cafe";
      world.attempts.set(id, { id, state: "held", started: true, type: "sandbox", username: "printer-hall", redirect_uri: "", expires_at: world.at(3600), problem: null, result: null, way: "browser", device: null, link: "", start_url: "", confirmation: { code: "held", question: "q1", holder: "", before: { id: "", name: "" }, now: { id: "far", name: "far@example.com" }, detail: 'The account "far" named "far@example.com" has consented in another browser. Approve this account?' }, request: {} as Schemas["NewAuthorization"] });
      await page.goto("/users");
      await page.getByRole("group", { name: "Consent for printer-hall" }).waitFor();
      world.attempts.delete(id);
    },
  },
  { name: "users-chosen", open: async (page) => { await page.goto("/users"); await page.getByRole("checkbox").nth(1).click(); await page.getByRole("checkbox").nth(2).click(); await page.getByText("2 users chosen").waitFor(); } },
  { name: "users-nothing-found", open: async (page) => { await page.goto("/users"); await page.getByLabel("Search users").fill("qqqq"); await heading(page, "Nobody matches"); } },
  { name: "users-menu", open: async (page) => { await page.goto("/users"); await page.getByRole("button", { name: /^Actions for/ }).first().click(); await page.getByRole("menu").waitFor(); } },
  { name: "users-filter", open: async (page) => { await page.goto("/users"); await page.locator("tbody").first().waitFor(); await page.getByRole("combobox", { name: /^State/ }).click(); await page.getByRole("listbox").waitFor(); } },
  { name: "add", open: async (page) => { await page.goto("/users/new"); await page.getByRole("button", { name: "Authorize" }).waitFor(); } },
  {
    name: "add-filled",
    open: async (page) => {
      await page.goto("/users/new");
      const dialog = page.getByRole("dialog");
      await dialog.getByLabel("Group", { exact: true }).fill("Accounting");
      await page.getByRole("option", { name: /^Accounting/ }).click();
      await dialog.getByRole("combobox", { name: /^Type/ }).click();
      await page.getByRole("option", { name: /Dynamics 365/ }).click();
      await dialog.getByLabel("Username").fill("printer-hall");
      await dialog.getByRole("button", { name: "Generate" }).click();
      await dialog.getByText("Write it down").waitFor();
    },
  },
  { name: "add-type-list", open: async (page) => { await page.goto("/users/new"); await page.getByRole("dialog").getByRole("combobox", { name: /^Type/ }).click(); await page.getByRole("listbox").waitFor(); } },
  {
    name: "add-missing-app",
    open: async (page) => {
      await page.goto("/users/new");
      await page.getByRole("dialog").getByRole("combobox", { name: /^Type/ }).click();
      await page.getByRole("option", { name: "Xero" }).click();
      await page.getByText("does not know this server yet").waitFor();
    },
  },
  { name: "add-mistakes", open: async (page) => { await page.goto("/users/new"); await page.getByRole("button", { name: "Authorize" }).click(); await page.getByText("Choose what to connect.").waitFor(); } },
  { name: "add-details", open: async (page) => { await page.goto("/users/new/details"); await page.getByLabel(/^Mail address/).waitFor(); } },
  { name: "add-activity", open: async (page) => { await page.goto("/users/new/activity"); await heading(page, "Nothing has happened yet"); } },
  { name: "health", open: async (page) => { await page.goto("/health"); await page.getByRole("img", { name: /^Grants by state/ }).waitFor(); } },
  { name: "notice-secret", open: async (page) => { await page.goto("/health"); await page.getByRole("button", { name: "Set secret… of Webhook" }).click(); await page.getByRole("dialog").getByRole("button", { name: "Generate" }).click(); await page.getByRole("button", { name: "Show secret" }).click(); } },
  { name: "revoke-all", open: async (page) => { await page.goto("/health/revoke"); await heading(page, "At their providers"); } },
  { name: "revoke-all-confirm", open: async (page) => { await page.goto("/health/revoke?app=microsoft"); await page.getByRole("button", { name: /^Revoke \d+ grants?…$/ }).click(); await page.getByRole("alertdialog").getByLabel("Type “revoke all” to go on").fill("revoke all"); } },
  {
    name: "revoke-all-done",
    open: async (page, world) => {
      const before = new Map(world.users.flatMap((u) => u.grants).map((g) => [g, g.state]));
      await page.goto("/health/revoke?type=gmail");
      await page.getByRole("button", { name: /^Revoke \d+ grants?…$/ }).click();
      await page.getByRole("alertdialog").getByLabel("Type “revoke all” to go on").fill("revoke all");
      await page.keyboard.press("Enter");
      await heading(page, /^Revoked$/);
      for (const [grant, state] of before) grant.state = state;
    },
  },
  { name: "edit-life", open: async (page, world) => { await page.goto(`/users/${two_grants(world)}/activity`); await page.getByRole("combobox", { name: /^Show/ }).click(); await page.getByRole("option", { name: /^Life of/ }).first().click(); await page.getByRole("listitem").filter({ hasText: "Not refreshed" }).first().waitFor(); } },
  { name: "edit", open: async (page, world) => { await page.goto(`/users/${two_grants(world)}`); await page.getByRole("button", { name: "Authorize again" }).first().waitFor(); } },
  {
    name: "edit-deliveries",
    open: async (page, world) => {
      const user = world.users.find((u) => u.id === two_grants(world));
      const before = user?.username ?? "";
      if (user) user.username = "ledger";
      await page.goto(`/users/${user?.id}`);
      await heading(page, "Documents");
      await page.getByRole("heading", { name: "Documents" }).scrollIntoViewIfNeeded();
      if (user) user.username = before;
    },
  },
  { name: "edit-details", open: async (page, world) => { await page.goto(`/users/${two_grants(world)}/details`); await page.getByText("For the record").waitFor(); } },
  { name: "edit-activity", open: async (page, world) => { await page.goto(`/users/${two_grants(world)}/activity`); await page.getByRole("list").first().waitFor(); } },
  { name: "edit-regular", open: async (page, world) => { await page.goto(`/users/${world.users.find((u) => u.grants.length === 0)?.id}`); await heading(page, "No grants yet"); } },
  { name: "pin", open: async (page, world) => { await page.goto(`/users/${two_grants(world)}`); await page.getByRole("button", { name: "Change or reset PIN…" }).click(); await page.getByLabel("Present PIN", { exact: true }).waitFor(); } },
  { name: "revoke", open: async (page, world) => { await page.goto(`/users/${two_grants(world)}`); await page.getByRole("button", { name: /^More for/ }).first().click(); await page.getByRole("menuitem", { name: "Revoke…" }).click(); await page.getByRole("alertdialog").waitFor(); } },
  { name: "delete", open: async (page) => { await page.goto("/users"); await page.getByRole("button", { name: /^Actions for/ }).first().click(); await page.getByRole("menuitem", { name: "Delete…" }).click(); await page.getByText("It cannot be undone").waitFor(); } },
  { name: "add-regular", open: async (page) => { await page.goto("/users/regular"); await page.getByRole("button", { name: "Create user" }).waitFor(); } },
  { name: "groups", open: async (page) => { await page.goto("/groups"); await page.getByRole("button", { name: /^Rename/ }).first().waitFor(); } },
  { name: "group-delete", open: async (page) => { await page.goto("/groups"); await page.getByRole("button", { name: "Delete Accounting" }).click(); await page.getByRole("radio").first().waitFor(); } },
  { name: "apps", open: async (page) => { await page.goto("/settings/apps"); await heading(page, "Registered"); } },
  { name: "app", open: async (page) => { await page.goto("/settings/apps/microsoft"); await heading(page, "Here"); } },
  { name: "app-missing", open: async (page) => { await page.goto("/settings/apps/xero"); await heading(page, "Here"); } },
  {
    name: "cloud-service",
    open: async (page, world) => {
      world.cloud_service = kEnrolledAnew(world);
      await page.goto("/settings/apps");
      await page.getByRole("button", { name: "Agree to these" }).first().waitFor();
      world.cloud_service = kNotEnrolled;
    },
  },
  { name: "certificate", open: async (page) => { await page.goto("/settings/certificate"); await heading(page, "Root of the own authority"); } },
  { name: "check-before", open: async (page, world) => { world.doctor = null; await page.goto("/settings/check"); await heading(page, "Not examined yet"); } },
  { name: "check", open: async (page) => { await page.goto("/settings/check"); await page.getByRole("button", { name: /^Check/ }).click(); await heading(page, "Redirect URIs"); } },
  { name: "keys", open: async (page) => { await page.goto("/settings/keys"); await page.getByRole("progressbar").waitFor(); } },
  { name: "keys-prepared", open: async (page, world) => { world.store = "postgresql"; world.key_prepared = { id: "9f2c41d07ab86e5d3f10c7b2a9e4d815", since: world.at(-4), server: "office-1", path: "/etc/latchkey/master.key.next", awaited: ["office-2", "office-3"] }; await page.goto("/settings/keys"); await page.getByText("office-2, office-3").waitFor(); } },
  { name: "connectors", open: async (page) => { await page.goto("/settings/connectors"); await heading(page, "Front office"); } },
  { name: "connector-add", open: async (page) => { await page.goto("/settings/connectors"); await page.getByRole("button", { name: "Add connector" }).click(); await page.getByRole("dialog").getByLabel("Name", { exact: true }).fill("Scans of the front office"); await page.getByText("invoice.pdf becomes").waitFor(); } },
  {
    name: "connector-versions",
    open: async (page) => {
      await page.goto("/settings/connectors");
      await page.getByRole("button", { name: "Add connector" }).click();
      const dialog = page.getByRole("dialog");
      await dialog.getByRole("combobox", { name: /^Type/ }).click();
      await page.getByRole("option", { name: /oidc|OpenID|WebDAV/i }).first().click();
      await dialog.getByRole("combobox", { name: /^Where that name/ }).click();
      await page.getByText("This destination keeps no versions").waitFor();
    },
  },
  { name: "connector-fixed", open: async (page) => { await page.goto("/settings/connectors"); await page.getByRole("button", { name: "Edit Invoices" }).click(); await page.getByRole("dialog").getByRole("button", { name: "End that" }).waitFor(); } },
  { name: "devices", open: async (page) => { await page.goto("/settings/devices"); await heading(page, "copier-hall"); } },
  { name: "device-add", open: async (page) => { await page.goto("/settings/devices"); await page.getByRole("button", { name: "Add device" }).click(); await page.getByRole("dialog").getByText("Invoices", { exact: true }).waitFor(); } },
  { name: "device-conversations", open: async (page) => { await page.goto("/settings/devices"); await page.getByRole("button", { name: "Conversations of copier-hall" }).click(); await page.getByRole("dialog").getByText("535 5.7.8").first().waitFor(); } },
  { name: "device-secret", open: async (page) => { await page.goto("/settings/devices"); await page.getByRole("button", { name: "New secret for copier-hall" }).click(); await page.getByRole("button", { name: "Make it" }).click(); await page.getByRole("button", { name: "Print the card" }).waitFor(); } },
  { name: "deliveries", open: async (page) => { await page.goto("/deliveries"); await page.getByRole("progressbar").first().waitFor(); } },
  { name: "delivery-road", open: async (page) => { await page.goto("/deliveries"); await page.getByRole("button", { name: /delivery note\.pdf$/ }).first().click(); await heading(page, "Its road"); } },
  { name: "delivery-reroute", open: async (page) => { await page.goto("/deliveries"); await page.getByRole("button", { name: /^Send invoice.* elsewhere$/ }).click(); await heading(page, "Send elsewhere"); } },
  { name: "delivery-sending", open: async (page) => { await page.goto("/deliveries"); await page.getByRole("button", { name: /contract\.pdf$/ }).first().click(); await page.getByText(/%$/).first().waitFor(); } },
  { name: "delivery-delete", open: async (page) => { await page.goto("/deliveries"); await page.getByRole("button", { name: /^Delete invoice/ }).click(); await page.getByRole("alertdialog").waitFor(); } },
  { name: "servers", open: async (page) => { await page.goto("/settings/servers"); await page.getByRole("button", { name: "Forget cellar" }).waitFor(); } },
  { name: "server-forget", open: async (page) => { await page.goto("/settings/servers"); await page.getByRole("button", { name: "Forget cellar" }).click(); await page.getByRole("alertdialog").waitFor(); } },
  { name: "registry", open: async (page) => { await page.goto("/settings/registry"); await page.getByRole("button", { name: "Change oauth.polling_time" }).waitFor(); } },
  { name: "registry-change", open: async (page) => { await page.goto("/settings/registry"); await page.getByRole("button", { name: "Change oauth.polling_time" }).click(); await page.getByLabel("Value").waitFor(); } },
  { name: "activity", open: async (page) => { await page.goto("/activity"); await page.locator("tbody tr").first().waitFor(); await page.getByRole("button", { name: "Verify the chain" }).click(); await page.getByText("whole and in order").waitFor(); } },
  { name: "me", open: async (page) => { await page.goto("/me"); await heading(page, "My grants"); await heading(page, "Password"); } },
  { name: "backup", open: async (page) => { await page.goto("/groups"); await page.getByRole("button", { name: "Back it up" }).click(); await page.getByLabel("I have put a copy in a safe place").waitFor(); } },
  { name: "not-found", open: async (page) => { await page.goto("/nowhere"); await heading(page, "There is no such page"); } },
];
function two_grants(world: World): string {
  return world.users.find((u) => u.grants.length === 2 && u.grants.some((g) => g.state === "active"))?.id ?? "";
}

let made = 0;
async function begin(page: Page): Promise<Page> {
  // A window left open would be used again instead of opening one.
  for (const other of page.context().pages()) if (other !== page) await other.close();
  await page.goto("/users/new");
  const dialog = page.getByRole("dialog");
  await dialog.getByLabel("Group", { exact: true }).fill("Sales");
  await page.getByRole("option", { name: /^Sales/ }).click();
  await dialog.getByRole("combobox", { name: /^Type/ }).click();
  await page.getByRole("option", { name: "OneDrive for Business", exact: true }).click();
  await dialog.getByLabel("Username").fill(`scanner-hall-${++made}`);
  await dialog.getByRole("button", { name: "Generate" }).click();
  await dialog.getByLabel("Programs may fetch the token").click();
  const [popup] = await Promise.all([page.waitForEvent("popup"), dialog.getByRole("button", { name: "Authorize", exact: true }).click()]);
  return popup;
}
/** Stations of a consent; for pictures, since the tests walk through them anyway. */
export const kFlowViews: View[] = [
  { name: "flow-waiting", open: async (page) => { await begin(page); await page.getByText("Waiting for consent").waitFor(); } },
  { name: "flow-authorized", open: async (page) => { await (await begin(page)).locator("#allow").click(); await page.getByText(/^Authorized as/).waitFor(); await page.getByRole("button", { name: "Check", exact: true }).click(); await page.getByText(/answered as/).waitFor(); } },
  {
    name: "flow-held",
    open: async (page, world) => {
      await begin(page);
      const attempt = [...world.attempts.values()].at(-1);
      if (!attempt) throw new Error("nothing was begun");
      attempt.confirmation = { code: "held", question: "q1", holder: "", before: { id: "", name: "" }, now: { id: "6f1c2a54-0b1d-4d0e-9d0c-7a4b1f0e2c11/019ab0f0-5f30", name: "anna.schmidt-lindemann@contoso.example" }, detail: 'The account "6f1c2a54-0b1d-4d0e-9d0c-7a4b1f0e2c11/019ab0f0-5f30" named "anna.schmidt-lindemann@contoso.example" has consented in another browser. Approve this account?' };
      attempt.state = "held";
      world.wake(attempt.id);
      await page.getByText("waits for your approval").waitFor();
    },
  },
  { name: "flow-refused", open: async (page) => { await (await begin(page)).locator("#refuse").click(); await page.getByText("Consent was refused").waitFor(); } },
  { name: "sign-in", open: async (page) => { await page.context().clearCookies(); await page.goto("/"); await page.getByRole("heading", { name: "Sign in" }).waitFor(); } },
  { name: "set-up", open: async (page, world) => { world.setup_done = false; await page.goto("/setup#code=mock-code"); await page.getByRole("heading", { name: "Welcome to Latchkey" }).waitFor(); world.setup_done = true; } },
];
