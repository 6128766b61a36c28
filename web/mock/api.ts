import { randomUUID } from "node:crypto";
import { kNotEnrolled, type Attempt, type Schemas, type User, type World } from "./world.ts";

export interface Call {
  method: string;
  path: string;
  query: URLSearchParams;
  body: Record<string, any>;
  who: User | null;
  set_cookie: (user: User | null) => void;
}
export interface Answer {
  status: number;
  body?: unknown;
}
class Refusal extends Error {
  answer: Answer;
  constructor(status: number, code: string, title: string, detail: string, more: Record<string, unknown> = {}) {
    super(code);
    this.answer = { status, body: { type: `urn:latchkey:problem:${code}`, title, status, detail, ...more } };
  }
}
const kDevice: Schemas["DevicePrompt"] = { user_code: "WDJB-MJHT", verification_uri: "https://provider.example/device", verification_uri_complete: "https://provider.example/device?user_code=WDJB-MJHT" };
const field = (name: string, message: string) => new Refusal(422, "invalid_fields", "Please look again", message, { errors: [{ field: name, message }] });
const not_found = () => new Refusal(404, "not_found", "Not found", "There is no such thing here, or it is gone. Go back and load the list again.");

function page<T>(all: T[], query: URLSearchParams, size = 50) {
  const from = Number(query.get("cursor") ?? 0);
  const limit = Number(query.get("limit") ?? size);
  const items = all.slice(from, from + limit);
  return { items, next_cursor: from + limit < all.length ? String(from + limit) : null, total: all.length };
}
function certificate_of(world: World): Schemas["CertificateStatus"] {
  const made = (subject: string, issuer: string, days: number, names: string[]) => ({ subject, issuer, names, not_before: world.at(-86_400 * 20), not_after: world.at(86_400 * days + 600), days_left: days, fingerprint: "3f10c7b2a9e4d8159f2c41d07ab86e5d".repeat(2), self_signed: subject === issuer });
  const root = made("Latchkey of latchkey.example", "Latchkey of latchkey.example", 3630, []);
  return { source: "own_authority", served: true, chain: [made("latchkey.example", root.subject, 70, ["latchkey.example", "192.0.2.10"]), root], certificate_file: "/var/lib/latchkey/tls/certificate.pem", key_file: "/var/lib/latchkey/tls/key.pem", root, root_pem: "", problem: "" };
}
/** One finding of each severity, and one of each kind of handover. */
function report_of(world: World): Schemas["DoctorReport"] {
  const redirect = `${world.public_url}/oauth/callback/`;
  return {
    examined_at: world.at(0), took_ms: 1840, worst: "error",
    findings: [
      { check: "public_url", subject: world.public_url, severity: "ok", seen: "Set, and https.", remedy: "", handovers: [] },
      { check: "certificate", subject: "latchkey.example:443", severity: "warning", seen: "TLSv1.3, a certificate of Example CA for latchkey.example: good until 2026-12-09 (12 days).", remedy: "Renew it now. If something was to renew it by itself, look why it has not.", handovers: [] },
      { check: "redirect_uris", subject: "box", severity: "error", seen: "Box refuses this redirect URI for this client.", remedy: "Register exactly this address with the app there, upper and lower case and the missing slash at its end included.", handovers: [{ kind: "copy", label: "Redirect URI of Box", text: `${redirect}box` }] },
      { check: "redirect_uris", subject: "microsoft", severity: "note", seen: "Microsoft does not say beforehand whether it knows this redirect URI.", remedy: "Compare it with the registration there: exactly this address, byte for byte.", handovers: [{ kind: "copy", label: "Redirect URI of Microsoft", text: `${redirect}microsoft` }] },
      { check: "outgoing", subject: "https://api.box.com", severity: "error", seen: "DNS: The name api.box.com cannot be resolved. Check the address, and this machine's DNS. Needed for tokens of Box.", remedy: "Mend this machine's DNS (/etc/resolv.conf), or the address in the app's settings.", handovers: [] },
      { check: "clock", subject: "https://login.microsoftonline.com", severity: "ok", seen: "This clock and the one there agree.", remedy: "", handovers: [] },
      { check: "tenant_consent", subject: "microsoft", severity: "note", seen: "Microsoft lets an administrator there approve the app once for everybody; whether that has happened it does not tell.", remedy: "If your organization allows it only to administrators, send this address to one.", handovers: [{ kind: "link", label: "Consent for the whole organization at Microsoft", text: "https://login.microsoftonline.com/organizations/adminconsent?client_id=11111111-2222-3333-4444-555555555555" }] },
    ],
  };
}
const fold = (s: string) => s.normalize("NFKD").toLowerCase();

function session_of(world: World, who: User | null): Schemas["Session"] {
  return {
    signed_in: who !== null, setup_needed: !world.setup_done,
    user: who ? { id: who.id, username: who.username, name: who.name, role: who.role } : null,
    csrf_token: "mock-token", expires_at: who ? world.at(3600) : null,
    server: { version: who ? "0.1.0" : "", public_url: world.public_url, sandbox: true, master_key_backup_done: who?.role === "administrator" ? world.master_key_backup_done : true, master_key_path: "/var/lib/latchkey/master.key", store: who?.role === "administrator" ? world.store : "", insecure_notice: null, cloud_service: false },
  };
}
function group_of(world: World, id: string) {
  const g = world.groups.find((x) => x.id === id);
  if (!g) throw new Refusal(422, "no_such_group", "No such group", "The group is gone. Choose another.", { errors: [{ field: "group_id", message: "The group is gone. Choose another." }] });
  return g;
}
const group_row = (world: World, g: World["groups"][number]): Schemas["Group"] => {
  const mine = world.users.filter((u) => u.group.id === g.id);
  return { ...g, users: mine.length, oauth_users: mine.filter((u) => u.grants.length > 0).length };
};
function taken(world: World, username: string, but?: string): void {
  const other = world.users.find((u) => fold(u.username) === fold(username) && u.id !== but);
  if (other) throw new Refusal(409, "username_taken", "Username taken", `${other.username} already exists in ${other.group.name}. Choose another name, or link to this user.`, { existing_user: { id: other.id, username: other.username, name: other.name, group: other.group, has_grants: other.grants.length > 0 } });
}
function user_of(world: World, id: string): User {
  const u = world.users.find((x) => x.id === id);
  if (!u) throw not_found();
  return u;
}
function attempt_of(world: World, id: string): Attempt {
  const a = world.attempts.get(id);
  if (!a) throw not_found();
  return a;
}
const shown = ({ request: _r, start_url: _s, asks_next: _n, ...attempt }: Attempt): Schemas["Authorization"] => attempt;
function preview(world: World, u: User): Schemas["DeletionPreview"] {
  return { user: { id: u.id, username: u.username }, losses: u.grants.map((g) => `${g.type_name} of ${g.account?.name}: Latchkey's access is revoked at ${world.types.find((t) => t.id === g.type)?.provider_name}`), grants: u.grants.length, revocable_grants: u.grants.length, blocked_by: u.role === "administrator" ? "This is the last administrator; nobody could sign in any more." : null };
}

/** What the consent page decided. */
export function finish(world: World, attempt: Attempt, how: "allow" | "refuse" | "other" | "less"): void {
  if (attempt.state !== "pending") return;
  const { request } = attempt;
  if (how === "refuse") {
    attempt.state = "failed";
    attempt.problem = { code: "access_denied", title: "Consent was refused", detail: "Somebody pressed Refuse on the provider's page. Nothing was kept. If that was a mistake, authorize again.", provider_error: "access_denied" };
  } else if (request.replace_grant_id) {
    const held = world.find_grant(request.replace_grant_id);
    if (held && how === "other") {
      attempt.state = "needs_confirmation";
      attempt.confirmation = { code: "account_differs", question: "q-differs", holder: "", before: held.grant.account ?? { id: "", name: "" }, now: { id: "other", name: "somebody.else@example.com" }, detail: "Devices that use this grant would deliver to the other account from now on. The present grant stays until you choose." };
    } else if (held) {
      held.grant.state = "active";
      held.grant.why = "Keeps itself alive.";
      complete(world, attempt, held.user, held.grant);
    }
  } else if (how === "other") {
    const holder = world.users.find((u) => u.grants.length > 0)?.username ?? "printer-1";
    attempt.state = "needs_confirmation";
    attempt.confirmation = { code: "account_held", question: "q-held", holder, before: { id: "", name: "" }, now: { id: "other", name: "somebody.else@example.com" }, detail: `The account "other" named "somebody.else@example.com" is authorised already for ${holder}. With some providers a second consent ends the first. Keep this one as well?` };
  } else {
    let user = world.users.find((u) => u.id === request.link_user_id);
    if (!user) {
      let group = world.groups.find((g) => g.id === request.group_id);
      if (!group) world.groups.push((group = { id: randomUUID(), name: request.new_group ?? "New", created_at: world.at(0) }));
      user = world.make_user({ username: request.username ?? "", name: request.name ?? "", email: request.email ?? "", group_id: group.id });
    }
    if (request.pin) {
      user.has_pin = true;
      user.pin_set_at = world.at(0);
    }
    if (request.allow_token) user.uses = [...new Set([...user.uses, "token" as const])];
    const grant = world.add_grant(user, request.type ?? "sandbox", { id: randomUUID(), name: `${user.username.split(/[@.]/)[0]}@example.com` }, "active", 3600, null);
    if (how === "less") grant.missing_scopes = grant.scopes.slice(-1);
    complete(world, attempt, user, grant);
  }
  world.wake(attempt.id);
}
function complete(world: World, attempt: Attempt, user: User, grant: Schemas["Grant"]) {
  attempt.state = "completed";
  attempt.username = user.username;
  attempt.result = {
    user_id: user.id, grant_id: grant.id, account: grant.account ?? { id: "", name: "" }, scopes: grant.scopes.filter((s) => !grant.missing_scopes.includes(s)), missing_scopes: grant.missing_scopes,
    curl: user.uses.includes("token") ? `curl -u '${user.username}' -X POST ${world.public_url}/v1/token` : "", undo_until: world.at(600),
  };
  world.log(null, "grant.authorized", { kind: "user", id: user.id, name: user.username }, `Consent for ${grant.type_name} by ${grant.account?.name}`);
}

function list_users(world: World, query: URLSearchParams) {
  const search = fold(query.get("search") ?? "");
  const type = query.get("type");
  const state = query.get("state");
  const fits = world.users.filter((u) => {
    if (search && !fold([u.username, u.name, u.email, ...u.grants.map((g) => g.account?.name ?? "")].join(" ")).includes(search)) return false;
    if (type && !u.grants.some((g) => g.type === type)) return false;
    if (state === "regular") return u.grants.length === 0;
    if (state === "disabled_user") return !u.enabled;
    return !state || u.grants.some((g) => g.state === state);
  });
  const group = query.get("group");
  const by_name = (a: User, b: User) => a.username.localeCompare(b.username);
  const sorted = fits.filter((u) => !group || u.group.id === group).sort(query.get("sort") === "username" ? by_name : (a, b) => a.group.name.localeCompare(b.group.name) || by_name(a, b));
  const counts = new Map<string, number>();
  for (const u of fits) counts.set(u.group.id, (counts.get(u.group.id) ?? 0) + 1);
  const plain = !search && !type && !state;
  const groups = world.groups.map((g) => ({ id: g.id, name: g.name, total: counts.get(g.id) ?? 0 })).filter((g) => g.total > 0 || plain).sort((a, b) => a.name.localeCompare(b.name));
  return { ...page(sorted, query), groups: query.get("cursor") ? null : groups };
}

/** The bad day, a page of 20 looked at a time. Microsoft stands for providers that cannot be asked. */
function revoked_page(world: World, body: Call["body"]) {
  const all = world.users.flatMap((u) => u.grants);
  const from = Number(body["cursor"] ?? 0);
  const mine = all.slice(from, from + 20).filter((g) => g.state !== "revoked" && (!body["app"] || g.app === body["app"]) && (!body["type"] || g.type === body["type"]));
  const by_type: Record<string, number> = {};
  const by_hand: Record<string, number> = {};
  for (const g of mine) {
    by_type[g.type] = (by_type[g.type] ?? 0) + 1;
    if (g.app === "microsoft") by_hand["Microsoft"] = (by_hand["Microsoft"] ?? 0) + 1;
    if (!body["dry_run"]) Object.assign(g, { state: "revoked", why: "Ended here just now." });
  }
  return { grants: mine.length, by_type, by_hand, perhaps: {}, ...world.more_fates(mine.length), next_cursor: from + 20 < all.length ? String(from + 20) : null };
}

async function route(world: World, call: Call): Promise<Answer> {
  const { method, query, body } = call;
  const parts = call.path.split("/").slice(3);
  const [area, id = "", verb = ""] = parts.map(decodeURIComponent);
  const key = `${method} ${area}${id ? "/:" : ""}${verb ? `/${verb}` : ""}`;
  const open = key === "GET session" || key === "POST session" || key === "GET owner" || area === "setup";
  if (!open && !call.who) throw new Refusal(401, "not_signed_in", "Not signed in", "The session has ended. Sign in again.");
  const self = area === "session" || area === "types" || area === "grants" || (area === "users" && id === call.who?.id);
  if (!open && !self && call.who?.role !== "administrator") throw new Refusal(403, "not_allowed", "Not allowed", "Only administrators may do this. Ask one.");

  if (area === "cloud-service" && id === "apps") {  // POST …/apps/{app}/agree
    const app = world.cloud_service.apps.find((x) => x.id === verb);
    if (!app) throw not_found();
    const same = (a: unknown, b: unknown) => JSON.stringify(a) === JSON.stringify(b);
    if (body["mode"] !== app.mode || !same(body["types"], app.types) || !same(body["params"], app.params)) {
      throw new Refusal(409, "cloud_values_differ", "Changed meanwhile", "The Cloud Service offers this registration with another mode, other types or other values by now. Nothing was agreed to; look at it again.");
    }
    Object.assign(app, { agreed: true, agreed_types: app.types, changes: [] });
    return { status: 200, body: world.cloud_service };
  }

  switch (key) {
    case "GET setup": return { status: 200, body: { needed: !world.setup_done, expires_at: null } };
    case "POST setup": {
      if (world.setup_done) throw new Refusal(409, "setup_done", "Set-up is done", "Sign in instead.");
      if (body["code"] !== "mock-code") throw new Refusal(403, "setup_code_invalid", "The code is wrong or too old", "Restart the server; it prints a new address.");
      world.setup_done = true;
      world.groups.push({ id: randomUUID(), name: body["group"] ?? "Administrators", created_at: world.at(0) });
      const user = world.make_user({ username: body["username"], name: body["name"] ?? "", email: "", group_id: world.groups.at(-1)?.id ?? "" });
      user.role = "administrator";
      user.has_password = true;
      call.set_cookie(user);
      return { status: 201, body: session_of(world, user) };
    }
    case "GET session": return { status: 200, body: session_of(world, call.who) };
    case "POST session": {
      const user = world.users.find((u) => u.username === body["username"] && u.has_password);
      if (!user || body["password"] !== "practice-only") throw new Refusal(401, "invalid_credentials", "That did not work", "Username or password is wrong, or the user is switched off.");
      call.set_cookie(user);
      return { status: 201, body: session_of(world, user) };
    }
    case "DELETE session": call.set_cookie(null); return { status: 204 };
    case "GET users": return { status: 200, body: list_users(world, query) };
    case "POST users": {
      if (!body["username"]) throw field("username", "Choose a username.");
      taken(world, body["username"]);
      group_of(world, body["group_id"]);
      const user = world.make_user({ username: body["username"], name: body["name"] ?? "", email: body["email"] ?? "", group_id: body["group_id"] });
      user.role = body["role"] ?? "regular";
      user.has_password = Boolean(body["password"]);
      return { status: 201, body: user };
    }
    case "POST users/:": {
      if (id !== "bulk") throw not_found();
      const failed: unknown[] = [];
      let done = 0;
      for (const uid of body["ids"] as string[]) {
        const u = user_of(world, uid);
        if ((body["action"] === "delete" || body["action"] === "disable") && u.role === "administrator") {
          failed.push({ id: uid, username: u.username, reason: "The last administrator stays." });
          continue;
        }
        if (body["action"] === "delete") world.users = world.users.filter((x) => x !== u);
        if (body["action"] === "enable") u.enabled = true;
        if (body["action"] === "disable") u.enabled = false;
        if (body["action"] === "move") { const g = group_of(world, body["group_id"]); u.group = { id: g.id, name: g.name }; }
        done++;
      }
      return { status: 200, body: { done, failed } };
    }
    case "GET users/:": return { status: 200, body: user_of(world, id) };
    case "PATCH users/:": {
      const u = user_of(world, id);
      if (body["username"]) taken(world, body["username"], id);
      if (body["group_id"]) { const g = group_of(world, body["group_id"]); u.group = { id: g.id, name: g.name }; }
      if (body["sources"]?.some((s: string) => !/^[0-9a-f.:]+(\/\d+)?$/i.test(s))) throw field("sources", "Write addresses as 192.0.2.7 or 10.1.0.0/16, separated by commas.");
      const { group_id: _g, ...rest } = body;
      Object.assign(u, rest);
      world.log(call.who, "user.changed", { kind: "user", id: u.id, name: u.username }, `Changed ${Object.keys(body).join(", ")}`);
      return { status: 200, body: u };
    }
    case "GET users/:/delegations": return { status: 200, body: { items: user_of(world, id).username === "ledger" ? [{ connector: "invoices", name: "Invoices", type: "sandbox", account_name: "ledger@example.com", since: "2026-11-20T09:00:00Z" }] : [], next_cursor: null, total: 0 } };
    case "GET users/:/deliveries": {
      const own = user_of(world, id).username === "ledger" ? world.deliveries : [];
      return { status: 200, body: { items: own, next_cursor: null, total: own.length, unattended: own.filter((d) => d.state !== "delivered").length } };
    }
    case "GET users/:/deletion-preview": return { status: 200, body: preview(world, user_of(world, id)) };
    case "DELETE users/:": {
      const u = user_of(world, id);
      const gone = preview(world, u);
      if (gone.blocked_by) throw new Refusal(409, "last_administrator", "The last administrator stays", gone.blocked_by);
      world.users = world.users.filter((x) => x !== u);
      return { status: 200, body: gone };
    }
    case "POST users/:/pin": {
      const u = user_of(world, id);
      if (body["mode"] === "change" && body["current_pin"] !== "right-pin") throw new Refusal(403, "invalid_pin", "The present PIN is wrong", "Type the PIN that works now, or reset it.");
      if (body["mode"] === "reset" && body["admin_password"] !== "practice-only") throw new Refusal(403, "wrong_password", "The password is wrong", "Type the password you sign in with.", { errors: [{ field: "admin_password", message: "That is not your password." }] });
      u.has_pin = true;
      u.pin_set_at = world.at(0);
      return { status: 204 };
    }
    case "POST users/:/password": {
      if (body["current_password"] !== "practice-only") throw new Refusal(403, "wrong_password", "The password is wrong", "Type the password you sign in with.", { errors: [{ field: "current_password", message: "That is not your password." }] });
      user_of(world, id).has_password = body["password"] !== "";
      return { status: 204 };
    }
    case "POST users/:/reset-throttle": user_of(world, id).throttle = { wrong_pins: 0, wrong_passwords: 0, limit: 100, locked: false, locked_out: [] }; return { status: 204 };
    case "GET groups": {
      const search = fold(query.get("search") ?? "");
      return { status: 200, body: page(world.groups.filter((g) => fold(g.name).includes(search)).sort((a, b) => a.name.localeCompare(b.name)).map((g) => group_row(world, g)), query) };
    }
    case "POST groups": {
      if (world.groups.some((g) => fold(g.name) === fold(body["name"]))) throw new Refusal(409, "group_name_taken", "Name taken", "Another group has that name. Choose a different one.");
      const g = { id: randomUUID(), name: body["name"], created_at: world.at(0) };
      world.groups.push(g);
      return { status: 201, body: group_row(world, g) };
    }
    case "PATCH groups/:": {
      const g = group_of(world, id);
      g.name = body["name"];
      for (const u of world.users) if (u.group.id === id) u.group.name = g.name;
      return { status: 200, body: group_row(world, g) };
    }
    case "DELETE groups/:": {
      const g = group_of(world, id);
      const mine = world.users.filter((u) => u.group.id === id);
      const move_to = query.get("move_to");
      if (mine.length > 0 && !move_to && query.get("delete_users") !== "true") throw new Refusal(409, "group_not_empty", "The group has users", "Say where they go, or that they are deleted.", { users: mine.length });
      if (move_to) { const to = group_of(world, move_to); for (const u of mine) u.group = { id: to.id, name: to.name }; }
      else world.users = world.users.filter((u) => u.group.id !== id);
      world.groups = world.groups.filter((x) => x !== g);
      return { status: 200, body: { moved: move_to ? mine.length : 0, deleted: move_to ? 0 : mine.length } };
    }
    case "GET types": return { status: 200, body: { items: world.types, next_cursor: null, total: world.types.length, pin: { min_length: 6, max_bytes: 256, generate_length: 10 } } };
    case "GET apps": {
      const items = world.apps.map((a) => ({ ...a, grants: world.users.reduce((n, u) => n + u.grants.filter((g) => g.app === a.id).length, 0) }));
      return { status: 200, body: { items, next_cursor: null, total: items.length } };
    }
    case "PUT apps/:": {
      const a = world.apps.find((x) => x.id === id);
      if (!a) throw not_found();
      if (/\s/.test(body["client_id"])) throw field("client_id", "A client id has no spaces. Copy it again.");
      const wanted = (body["secrets"] ?? []) as { value?: string; keep?: number; expires_at?: string | null }[];
      const before = a.secrets;
      Object.assign(a, { configured: true, client_id: body["client_id"], params: body["params"] ?? {}, state: "ok", why: "Ready. Consent and refresh work." });
      a.secrets = [0, 1].map((n) => { const s = wanted[n]; return s ? { set: true, set_at: s.keep !== undefined ? (before[s.keep]?.set_at ?? null) : world.at(0), expires_at: s.expires_at ?? null } : { set: false, set_at: null, expires_at: null }; });
      return { status: 200, body: a };
    }
    case "DELETE apps/:": {
      const a = world.apps.find((x) => x.id === id);
      if (!a) throw not_found();
      const uses = world.users.flatMap((u) => u.grants).filter((g) => g.app === id).length;
      if (uses > 0) throw new Refusal(409, "app_in_use", "The registration is in use", `${uses} grants came through it. Revoke them first.`, { in_use: uses });
      Object.assign(a, { configured: false, client_id: "", state: "missing", why: `Register Latchkey at ${a.provider_name} and paste the client id here.`, secrets: [{ set: false, set_at: null, expires_at: null }, { set: false, set_at: null, expires_at: null }] });
      return { status: 204 };
    }
    case "GET cloud-service": case "POST cloud-service/:": return { status: 200, body: world.cloud_service };
    case "PUT cloud-service": {
      if (body["enrolment_code"] !== "LK1-practice") throw field("enrolment_code", "This enrolment code is not known here, or has been used.");
      world.cloud_service = { enrolled: true, used: true, address: body["address"], label: "Practice Ltd", office: "019ab6c6-0000-7000-8000-000000000001", service_key: "9f2c41d07ab86e5d", enrolled_at: world.at(0), return_origin: world.public_url, apps: [{ id: "cloud-xero-0a1b2c", provider: "xero", types: ["xero"], mode: "forward", params: {}, agreed: true, agreed_types: ["xero"], changes: [] }] };
      return { status: 200, body: world.cloud_service };
    }
    case "DELETE cloud-service": world.cloud_service = kNotEnrolled; return { status: 204 };
    case "GET authorizations": {
      const asks = (a: Attempt) => a.state === "held" || a.state === "needs_confirmation";
      const open = [...world.attempts.values()].filter((a) => asks(a) || (a.state === "pending" && query.get("state") !== "asking"));
      return { status: 200, body: { items: open.map(shown), next_cursor: null, total: open.length } };
    }
    case "POST authorizations": {
      const request = body as Schemas["NewAuthorization"];
      if (request.username && !request.link_user_id) taken(world, request.username);
      const aid = randomUUID();
      const type_id = request.type ?? world.find_grant(request.replace_grant_id ?? "")?.grant.type ?? "sandbox";
      const type = world.types.find((t) => t.id === type_id) as Schemas["Type"];
      const attempt: Attempt = { id: aid, state: "pending", started: false, type: type.id, username: request.username ?? world.users.find((u) => u.id === request.link_user_id)?.username ?? world.find_grant(request.replace_grant_id ?? "")?.user.username ?? "", redirect_uri: `${world.public_url}/oauth/callback/${type.provider}`, expires_at: world.at(600), problem: null, confirmation: null, result: null, way: request.way ?? "browser", device: request.way === "device_code" ? kDevice : null, link: request.way === "owner_link" ? `${world.public_url}/oauth/start/${aid}` : "", request, start_url: `${world.public_url}/oauth/start/${aid}` };
      world.attempts.set(aid, attempt);
      return { status: 201, body: { id: aid, start_url: attempt.start_url, redirect_uri: attempt.redirect_uri, expires_at: attempt.expires_at, presentation: request.presentation, way: attempt.way, device: attempt.device } };
    }
    case "GET authorizations/:": {
      const attempt = attempt_of(world, id);
      const wait = Number(query.get("wait") ?? 0);
      if (attempt.state === "pending" && wait > 0) {
        await new Promise<void>((resolve) => {
          const timer = setTimeout(resolve, wait * 1000);
          world.waiters.set(id, [...(world.waiters.get(id) ?? []), () => { clearTimeout(timer); resolve(); }]);
        });
      }
      return { status: 200, body: shown(attempt) };
    }
    case "POST authorizations/:/cancel": {
      const attempt = attempt_of(world, id);
      if (attempt.state === "pending") attempt.state = "cancelled";
      world.wake(id);
      return { status: 200, body: shown(attempt) };
    }
    case "POST authorizations/:/mail": {
      if (!String(body["to"]).includes("@")) throw field("to", "This is no mail address.");
      return { status: 200, body: { to: body["to"] } };
    }
    case "POST authorizations/:/confirm": {
      const attempt = attempt_of(world, id);
      const held = world.find_grant(attempt.request.replace_grant_id ?? "");
      if (body["question"] !== attempt.confirmation?.question) throw new Refusal(409, "question_changed", "Something else is asked now", `Something else is asked now, so nothing was done. ${attempt.confirmation?.detail}`);
      if (body["accept"] && attempt.asks_next) {
        attempt.state = "needs_confirmation";
        attempt.confirmation = attempt.asks_next;
        delete attempt.asks_next;
      } else if (body["accept"] && held) {
        held.grant.account = attempt.confirmation?.now ?? null;
        complete(world, attempt, held.user, held.grant);
      } else if (body["accept"]) {
        attempt.state = "pending";
        finish(world, attempt, "allow");
      }
      else attempt.state = "cancelled";
      if (attempt.state !== "needs_confirmation") attempt.confirmation = null;
      return { status: 200, body: shown(attempt) };
    }
    case "POST authorizations/:/undo": {
      const attempt = attempt_of(world, id);
      const held = world.find_grant(attempt.result?.grant_id ?? "");
      if (held) {
        held.user.grants = held.user.grants.filter((g) => g !== held.grant);
        if (held.user.grants.length === 0 && !attempt.request.link_user_id) world.users = world.users.filter((u) => u !== held.user);
      }
      attempt.state = "cancelled";
      return { status: 200, body: shown(attempt) };
    }
    case "GET owner": return { status: 200, body: world.owner };
    case "GET registry": return { status: 200, body: { items: world.settings, next_cursor: null, total: world.settings.length } };
    case "PUT registry/:": case "DELETE registry/:": {
      const s = world.settings.find((x) => x.key === id);
      if (!s) throw not_found();
      if (method === "PUT" && s.type === "duration" && !/^\d+(ms|s|m|h|d)?$/.test(body["value"])) throw field("value", `Write a duration such as 90s, 20m or 14d, between ${s.min} and ${s.max}.`);
      s.value = method === "PUT" ? (/^\d+$/.test(body["value"]) && s.key === "oauth.polling_time" ? `${body["value"]}m` : body["value"]) : s.default;
      s.changed_at = method === "PUT" ? world.at(0) : null;
      s.changed_by = method === "PUT" ? (call.who?.username ?? "") : null;
      return { status: 200, body: s };
    }
    case "GET activity": {
      const search = fold(query.get("search") ?? "");
      const action = query.get("action") ?? "";
      const user = query.get("user");
      const since = query.get("since");
      const fits = world.activity.filter((a) => (!search || fold(`${a.detail} ${a.actor.name} ${a.subject?.name} ${a.source}`).includes(search)) && (!action || (action.endsWith(".") ? a.action.startsWith(action) : a.action === action)) && (!user || a.subject?.id === user) && (!since || a.at >= since));
      return { status: 200, body: { ...page([...fits].reverse(), query), actions: [...new Set(world.activity.map((a) => a.action))].sort(), handouts: user && !query.get("cursor") ? (world.users.find((u) => u.id === user)?.grants ?? []).flatMap((g, n) => Array.from({ length: 30 }, (_, m) => ({ at: world.at(-(m * 240 + n * 60)), grant_id: g.id, type: g.type, count: 1 + (m % 3) }))) : [] } };
    }
    case "GET activity/:": return { status: 200, body: { ok: true, checked: world.activity.length, first_bad_seq: null, head: "9f2c41d07ab86e5d3f10c7b2a9e4d8156b3f7a20cd94e1188a5f60c2e7b3d914" } };
    case "GET health-summary": {
      const grants = world.users.flatMap((u) => u.grants);
      const by_state = Object.fromEntries(["active", "unreachable", "uncertain", "paused", "needs_authorization", "held", "disabled", "revoked"].map((s) => [s, grants.filter((g) => g.state === s).length]));
      return { status: 200, body: { users: world.users.length, oauth_users: world.users.filter((u) => u.grants.length > 0).length, groups: world.groups.length, grants: grants.length, by_state, dying_soon: 0, apps_paused: [], alerts: world.alerts } };
    }
    case "GET health": {
      const grants = world.users.flatMap((u) => u.grants);
      const count_states = (of: typeof grants) => Object.fromEntries(["active", "unreachable", "uncertain", "paused", "needs_authorization", "held", "disabled", "revoked"].map((s) => [s, of.filter((g) => g.state === s).length]));
      const spans = (edges: number[], counts: number[]) => counts.map((count, i) => ({ from_s: i === 0 ? null : (edges[i - 1] ?? null), until_s: edges[i] ?? null, count }));
      return {
        status: 200,
        body: {
          at: world.at(0), grants: grants.length, by_state: count_states(grants),
          types: [...new Set(grants.map((g) => g.type))].map((type) => ({ type, name: type, states: count_states(grants.filter((g) => g.type === type)) })),
          until_expiry: spans([0, 300, 900, 1800, 3600, 7200, 28800, 86400], [2, 9, 31, 44, 58, 6, 12, 3, 5]),
          until_refresh: spans([0, 60, 300, 600, 1200, 3600, 21600, 86400], [1, 12, 38, 46, 61, 9, 2, 0, 0]),
          hours: Array.from({ length: 24 }, (_, n) => ({ at: world.at(-(23 - n) * 3600), refreshed: 300 + Math.round(60 * Math.sin(n / 3)), refused: n === 14 ? 9 : 0, transient: n > 8 && n < 12 ? 40 : 0, ambiguous: n === 9 ? 2 : 0, not_sent: 0, misconfigured_app: 0 })),
          apps: [
            { id: "google", provider: "google", provider_name: "Google", paused: false, why: "", circuit: "closed", failures: 4, open_since: null, next_try_at: null, secrets: [{ set_at: world.at(-86400), expires_at: null }] },
            { id: "microsoft", provider: "microsoft", provider_name: "Microsoft", paused: false, why: "", circuit: "open", failures: 7, open_since: world.at(-300), next_try_at: world.at(20), secrets: [{ set_at: world.at(-86400), expires_at: world.at(86400 * 20) }] },
            { id: "xero", provider: "xero", provider_name: "Xero", paused: true, why: "invalid_client: the secret is not accepted.", circuit: "closed", failures: 0, open_since: null, next_try_at: null, secrets: [{ set_at: null, expires_at: world.at(-3600) }] },
          ],
          dying: { count: 4, by_day: [0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 3, 0], items: [{ user_id: world.users[0]?.id ?? "", username: "printer-hall", type: "xero", type_name: "Xero", account: "anna@example.com", ends_at: world.at(86400 * 9), limit: "absolute" }] },
          revocations: { waiting: 1, items: [{ subject: "box anna@example.com", app: "box", attempts: 3, since: world.at(-7200), next_try_at: world.at(900), why: "The provider cannot be reached." }] },
          notices: [
            { channel: "mail", on: true, target: "ops@example.com through mail.example.com:587", secret_set: true, last_told_at: world.at(-4000), failing_since: null, problem: "", told: 3, failed: 0 },
            { channel: "webhook", on: true, target: "https://hooks.example.com", secret_set: Boolean(world.channel_secrets.get("webhook")), last_told_at: null, failing_since: world.at(-200), problem: "The webhook answered 500 instead of 200.", told: 0, failed: 4 },
          ],
        },
      };
    }
    case "GET notices": return { status: 200, body: { items: [], next_cursor: null, total: 0 } };
    case "PUT notices/:/secret": world.channel_secrets.set(id, body["value"]); return { status: 204 };
    case "POST grants/:": {
      if (id !== "revoke") throw not_found();
      if (call.who?.role !== "administrator") throw new Refusal(403, "not_allowed", "Not allowed", "Only administrators may do this. Ask one.");
      return { status: 200, body: revoked_page(world, body) };
    }
    case "POST notices/:": return { status: 200, body: { ok: true, detail: "It was taken." } };
    case "GET alerts": return { status: 200, body: { items: world.alerts, next_cursor: null, total: world.alerts.length } };
    case "POST alerts/:/dismiss": world.alerts = world.alerts.filter((a) => a.id !== id); return { status: 204 };
    case "GET doctor": return { status: 200, body: world.doctor ?? { examined_at: null, took_ms: 0, worst: null, findings: [] } };
    case "POST doctor": return { status: 200, body: (world.doctor = report_of(world)) };
    case "GET certificate": return { status: 200, body: certificate_of(world) };
    case "GET keys": return { status: 200, body: { master_key: { id: "9f2c41d07ab86e5d3f10c7b2a9e4d815", path: "/var/lib/latchkey/master.key", place: "/var/lib/latchkey/master.key", backup_done: world.master_key_backup_done }, rotation: world.store === "postgresql" ? null : { from: "3f10c7b2a9e4d8159f2c41d07ab86e5d", to: "9f2c41d07ab86e5d3f10c7b2a9e4d815", started_at: world.at(-2), stage: "grants", passes: 0, done: 61, total: 140, unreadable: 0, awaited: [] }, prepared: world.key_prepared, retired: null, store: world.store, last_backup: world.store === "postgresql" ? null : { made_at: world.at(-60 * 9), size_bytes: 41_943_040, file: "/backup/office-2026-11-26.lkb" } } };
    case "GET connectors": return { status: 200, body: { items: world.connectors, next_cursor: null, total: world.connectors.length, types: ["nextcloud", "oidc", "sandbox"], types_asking_url: ["oidc"] } };
    case "DELETE connectors/:": world.connectors = world.connectors.filter((c) => c.id !== id); return { status: 204 };
    case "POST connectors/:/test": return { status: 204 };
    case "GET devices": return { status: 200, body: { items: world.devices, next_cursor: null, total: world.devices.length, public_url: world.public_url, mail_listeners: [{ security: "starttls", port: 587, sources: [] }], drop_domain: "drop.internal" } };
    case "GET devices/:/conversations": return { status: 200, body: { items: world.conversations, total: world.conversations.length } };
    case "POST devices": {
      const made = { ...world.devices[0], id: crypto.randomUUID(), name: String(body["name"]), connectors: body["connectors"] as string[], sources: body["sources"] as string[], last_seen_at: null } as Schemas["Device"];
      world.devices.push(made);
      return { status: 201, body: { ...made, secret: "k7mq2xw9pd4c8hrtn5vz0bge3fjs6y1akq2m7xw9pd4c8hrtn5vz" } };
    }
    case "POST devices/:/secret": return { status: 200, body: { ...world.devices.find((d) => d.id === id), secret: "k7mq2xw9pd4c8hrtn5vz0bge3fjs6y1akq2m7xw9pd4c8hrtn5vz" } };
    case "DELETE devices/:": world.devices = world.devices.filter((d) => d.id !== id); return { status: 204 };
    case "GET deliveries": return { status: 200, body: { items: world.deliveries.filter((d) => !query.get("state") || d.state === query.get("state")), next_cursor: null, total: world.deliveries.length } };
    case "GET deliveries/:": return { status: 200, body: world.deliveries.find((d) => d.id === id) };
    case "POST deliveries/:/retry": return { status: 200, body: world.deliveries.find((d) => d.id === id) };
    case "POST deliveries/:/reroute": {
      const found = world.deliveries.find((d) => d.id === id);
      if (!found) throw new Refusal(404, "not_found", "Not found", "There is no such delivery.");
      if (body["connector"] === "invoices") throw new Refusal(409, "not_for_submitter", "Conflict", "That connector is not for whoever submitted the document. Allow their group or device there first.");
      found.connector = body["connector"] ?? found.connector;
      found.state = "queued";
      found.why = "";
      return { status: 200, body: found };
    }
    case "DELETE deliveries/:": world.deliveries = world.deliveries.filter((d) => d.id !== id); return { status: 204 };
    case "GET nodes": return { status: 200, body: { items: world.nodes, next_cursor: null, total: world.nodes.length } };
    case "DELETE nodes/:": world.nodes = world.nodes.filter((n) => n.id !== id); return { status: 204 };
    case "POST master-key/:": world.master_key_backup_done = true; return { status: 204 };
  }
  if (area === "grants") {
    const held = world.find_grant(id);
    if (!held || (call.who?.role !== "administrator" && held.user !== call.who)) throw not_found();
    const { grant, user } = held;
    switch (`${method} ${verb}`) {
      case "GET ": return { status: 200, body: grant };
      case "PATCH ": grant.enabled = body["enabled"]; grant.state = grant.enabled ? "active" : "disabled"; grant.why = grant.enabled ? "Keeps itself alive." : "Switched off just now."; return { status: 200, body: grant };
      case "DELETE ": user.grants = user.grants.filter((g) => g !== grant); return { status: 200, body: { revoked_at_provider: true, revocation: "asked", detail: `Revoked, here and at ${grant.type_name}.` } };
      case "POST refresh":
        if (grant.state === "paused") throw new Refusal(409, "app_misconfigured", "The app registration is broken", "Mend it in OAuth settings first; the grant is not lost.");
        grant.generation++; grant.access_expires_at = world.at(3600); return { status: 200, body: grant };
      case "POST check": return { status: 200, body: grant.state === "needs_authorization" ? { ok: false, account: null, took_ms: 88, detail: "The provider refuses the token: the consent was taken back. Authorize again." } : { ok: true, account: grant.account, took_ms: 143, detail: `${grant.type_name} answered as ${grant.account?.name}.` } };
      case "POST approve": grant.state = "active"; grant.why = "Keeps itself alive."; return { status: 200, body: grant };
      case "GET timeline": {
        const line = (n: number, event: Schemas["TimelineItem"]["event"], more: Partial<Schemas["TimelineItem"]> = {}): Schemas["TimelineItem"] => ({ at: world.at(-n * 3600), since: world.at(-n * 3600 - 1800), event, detail: "", generation: 118 - n, count: 1, actor: "", reply: null, ...more });
        const items = [
          line(0, "refreshed", { count: 24 }), line(1, "handed_out", { count: 118, generation: null }),
          line(5, "refresh_failed", { count: 12, detail: "The provider is down for maintenance", reply: { status: 503, error: "temporarily_unavailable" } }),
          line(9, "refreshed", { count: 51 }), line(30, "checked", { detail: `${grant.type_name} answered.`, actor: "mara" }), line(31, "authorized", { detail: `as ${grant.account?.name}`, actor: "mara" }),
        ];
        return { status: 200, body: page(items, query) };
      }
    }
  }
  throw not_found();
}

export async function answer(world: World, call: Call): Promise<Answer> {
  try {
    return await route(world, call);
  } catch (error) {
    if (error instanceof Refusal) return error.answer;
    throw error;
  }
}
