import { randomUUID } from "node:crypto";
import type { components } from "../src/api/schema.d.ts";
import { make_apps, make_settings, make_types } from "./catalogue.ts";

export type Schemas = components["schemas"];
export type User = Schemas["UserDetail"];
/** `asks_next`: what accepting it turns up, once. */
export type Attempt = Schemas["Authorization"] & { request: Schemas["NewAuthorization"]; start_url: string; asks_next?: NonNullable<Schemas["Authorization"]["confirmation"]> };

export const kNotEnrolled: Schemas["CloudService"] = { enrolled: false, used: true, address: "", label: "", office: "", service_key: "", enrolled_at: null, return_origin: "", apps: [] };
/** Enrolled at a Cloud Service that has added a registration since, a type to another, and has turned a third to exchange mode. */
export const kEnrolledAnew = (world: World): Schemas["CloudService"] => ({
  enrolled: true, used: true, address: "https://oauth.practice.example", label: "Practice Ltd", office: "019ab6c6-0000-7000-8000-000000000001", service_key: "9f2c41d07ab86e5d", enrolled_at: world.at(-260_000), return_origin: world.public_url,
  apps: [
    { id: "cloud-xero-0a1b2c", provider: "xero", types: ["xero"], mode: "forward", params: {}, agreed: true, agreed_types: ["xero"], changes: [] },
    { id: "cloud-dynamics-3d4e5f", provider: "microsoft", types: ["dynamics365"], mode: "forward", params: { environment_url: "https://northwind.crm4.dynamics.com" }, agreed: false, agreed_types: [], changes: ["a registration that nobody here has agreed to"] },
    { id: "cloud-box-6a7b8c", provider: "box", types: ["box"], mode: "exchange", params: {}, agreed: false, agreed_types: [], changes: ["mode: exchange instead of forward"] },
    { id: "cloud-google-9d0e1f", provider: "google", types: ["gmail", "google-drive"], mode: "assertion", params: {}, agreed: false, agreed_types: ["google-drive"], changes: ["new type: gmail"] },
  ],
});

/** The same people at every start, so that pictures can be compared. */
function dice(seed: number): () => number {
  return () => {
    seed = (seed * 1664525 + 1013904223) >>> 0;
    return seed / 2 ** 32;
  };
}
const kFirst = ["Anna", "Bilal", "Chiara", "David", "Elif", "Farid", "Grace", "Hanna", "Ivan", "Jonas", "Katja", "Liam", "Mei", "Nora", "Omar", "Paula", "Quinn", "Rosa", "Stefan", "Tara", "Uwe", "Vera", "Wim", "Ximena", "Yusuf", "Zoë"];
const kLast = ["Albers", "Brandt", "Castillo", "Dubois", "Eriksen", "Fischer", "Grant", "Hoffmann", "Iversen", "Jansen", "Kowalski", "Lindqvist", "Moreau", "Novak", "O'Brien", "Petrov", "Rossi", "Schneider", "Tanaka", "Visser"];
const kTypes = ["onedrive-business", "email-office365", "google-drive", "sharepoint", "smtp-office365", "box", "dropbox", "gmail", "salesforce", "onedrive"];
const kWhy: Record<Schemas["GrantState"], string> = {
  active: "Keeps itself alive.",
  unreachable: "Microsoft has not answered for 9 minutes; the present token is still served.",
  uncertain: "The line broke in the middle of a refresh; trying once more before the token runs out.",
  paused: "Dropbox refuses the client secret. Mend the app registration.",
  needs_authorization: "The account's owner took the consent back on 19 Nov. Authorize again.",
  held: "Consent came from another browser. Approve the account.",
  disabled: "Switched off by mara on 12 Nov.",
  revoked: "Ended here on 3 Nov.",
};

export class World {
  public_url: string;
  setup_done = true;
  master_key_backup_done = false;
  store: "sqlite" | "postgresql" = "sqlite";
  key_prepared: { id: string; since: string; server: string; path: string; awaited: string[] } | null = null;
  connectors: Schemas["Connector"][] = [
    connector("front-office", "Front office", "caller", null, ["Accounting"], "Scans/{user}"),
    connector("invoices", "Invoices", "fixed", "ledger", [], "Inbox"),
  ];
  conversations: Schemas["DeviceConversation"][] = [
    {
      began_at: "2026-11-27T14:05:00Z", ended_at: "2026-11-27T14:05:02Z", door: "smtp", source: "192.0.2.7",
      lines: [
        { from: "server", text: "220 latchkey.example ESMTP" }, { from: "device", text: "HELO COPIER" }, { from: "server", text: "250 latchkey.example" },
        { from: "device", text: "AUTH LOGIN" }, { from: "server", text: "334 VXNlcm5hbWU6" }, { from: "device", text: "(hidden)" }, { from: "server", text: "334 UGFzc3dvcmQ6" },
        { from: "device", text: "(hidden)" }, { from: "server", text: "535 5.7.8 Username or PIN is wrong." }, { from: "note", text: "The device closed the connection" },
      ],
    },
    {
      began_at: "2026-11-27T13:58:10Z", ended_at: "2026-11-27T13:58:11Z", door: "webdav", source: "192.0.2.7",
      lines: [
        { from: "device", text: "PUT /dav/invoice/SCAN0007.PDF" }, { from: "device", text: "Authorization: Basic (hidden)" }, { from: "device", text: "Content-Length: 48213" },
        { from: "note", text: "The body was not read" }, { from: "server", text: "404 Not Found" }, { from: "server", text: "no_such_connector: There is no connector of this name, or it is not for you." },
      ],
    },
    {
      began_at: "2026-11-27T13:50:00Z", ended_at: "2026-11-27T13:50:00Z", door: "http", source: "192.0.2.7",
      lines: [
        { from: "device", text: "GET /v1/connectors/invoices/list?(hidden)" }, { from: "device", text: "Authorization: (hidden)" },
        { from: "server", text: "401 Unauthorized" }, { from: "server", text: "invalid_credentials: Username or PIN is wrong." },
      ],
    },
  ];
  devices: Schemas["Device"][] = [
    device(1, "copier-hall", ["invoices"], ["192.0.2.7"], "2026-11-27T14:05:00Z", ""),
    device(2, "Scanner Büro 2", ["invoices"], [], null, "The right secret came from 203.0.113.5, which is not among the device's addresses."),
  ];
  deliveries: Schemas["DeliveryDetail"][] = [
    delivery(1, "sending", "Scans/printer-hall/2026-11-27 14-05-09 contract.pdf", 48_200_000, 20_100_000, ""),
    delivery(2, "queued", "Scans/printer-hall/floor plan.tif", 12_400_000, 0, "The practice drive asks to wait."),
    delivery(3, "parked", "Inbox/Rechnung März.pdf", 840_000, 0, "The account must be authorised again; then the document goes by itself."),
    delivery(4, "failed", "Inbox/invoice.pdf", 51_000, 0, "A document of that name is there already, and the connector's rule is not to touch it."),
    delivery(5, "maybe_sent", "Inbox/letter.pdf", 17_300, 17_300, "The destination took it but did not answer in time."),
    delivery(6, "delivered", "Scans/anna/2026-11-27 09-12-44 delivery note.pdf", 1_204_000, 1_204_000, ""),
  ];
  nodes = [
    { id: "019ab6c4-5d10-7c3a-8f21-4b7d2a90e611", name: "attic", version: "0.1.0", here: true, alive: true, stopped: false, started_at: this.at(-9000), seen_at: this.at(-2), open_exchanges: 1 },
    { id: "019ab6c4-9e02-7b18-9c55-0d1f6e83a7b2", name: "cellar", version: "0.1.0", here: false, alive: false, stopped: false, started_at: this.at(-90_000), seen_at: this.at(-5400), open_exchanges: 2 },
    { id: "019ab6c5-01aa-74f0-b6d3-77c0925e4d19", name: "garage", version: "0.1.0", here: false, alive: false, stopped: true, started_at: this.at(-80_000), seen_at: this.at(-7200), open_exchanges: 0 },
  ];
  groups: { id: string; name: string; created_at: string }[] = [];
  users: User[] = [];
  apps: Schemas["App"][];
  settings = make_settings();
  cloud_service: Schemas["CloudService"] = kNotEnrolled;
  doctor: Schemas["DoctorReport"] | null = null;
  channel_secrets = new Map<string, string>();
  /** Figures beside by_hand, as a later server may count them. */
  more_fates: (grants: number) => Record<string, Record<string, number>> = () => ({});
  activity: Schemas["ActivityItem"][] = [];
  attempts = new Map<string, Attempt>();
  /** Who is at /my. */
  owner: Schemas["Owner"] = { signed_in: false, by: null, username: "", ends_at: null, grants: [] };
  waiters = new Map<string, (() => void)[]>();
  alerts: Schemas["Alert"][];

  constructor(public_url: string, people: number) {
    this.public_url = public_url;
    this.apps = make_apps(public_url);
    this.alerts = [
      { id: "app-dropbox", severity: "critical", title: "Dropbox refuses the client secret", detail: "Refreshing is paused for every Dropbox grant; nobody is lost.", since: this.at(-40 * 60), link: "/settings/apps/dropbox", dismissible: false },
    ];
    for (const name of ["Accounting", "Front office", "Machine room", "Sales"]) this.groups.push({ id: randomUUID(), name, created_at: "2026-03-02T08:00:00.000Z" });
    this.fill(people);
  }
  at(seconds: number): string {
    return new Date(Date.now() + seconds * 1000).toISOString();
  }
  get types(): Schemas["Type"][] {
    return make_types(this.apps);
  }
  fill(people: number) {
    const roll = dice(7);
    const pick = <T>(list: T[]): T => list[Math.floor(roll() * list.length)] as T;
    for (let i = 0; i < people; i++) {
      const first = pick(kFirst);
      const last = pick(kLast);
      const group = this.groups[Math.floor(roll() ** 1.6 * this.groups.length)] ?? this.groups[0];
      if (!group) continue;
      const plain = (s: string) => s.normalize("NFKD").replace(/[^a-zA-Z]/g, "").toLowerCase();
      const user = this.make_user({ username: i % 7 === 3 ? `scanner-${i}` : `${plain(first)}.${plain(last)}${i > 60 ? i : ""}`, name: i % 7 === 3 ? "" : `${first} ${last}`, email: "", group_id: group.id });
      user.role = "regular";
      if (i % 13 === 6) continue;
      user.has_pin = true;
      user.pin_set_at = "2026-10-02T10:12:00.000Z";
      const kinds = i % 11 === 4 ? 2 : 1;
      for (let k = 0; k < kinds; k++) {
        const type = kTypes[(i * 3 + k) % kTypes.length] ?? "box";
        const chance = roll();
        const state: Schemas["GrantState"] = type === "dropbox" ? "paused" : chance > 0.975 ? "held" : chance > 0.94 ? "needs_authorization" : chance > 0.92 ? "uncertain" : chance > 0.89 ? "unreachable" : chance > 0.87 ? "disabled" : "active";
        this.add_grant(user, type, { id: randomUUID(), name: `${plain(first)}@example.com` }, state, 60 + Math.floor(roll() * 3500), Math.floor(roll() * 90_000));
      }
    }
    const mara = this.make_user({ username: "mara", name: "Mara Lindqvist", email: "mara@example.com", group_id: this.groups[1]?.id ?? "" });
    mara.role = "administrator";
    mara.has_password = true;
    mara.signed_in_at = this.at(-300);
    const words: [string, string, string][] = [
      ["grant.authorized", "Consent for OneDrive for Business by anna@example.com", "192.0.2.14"],
      ["session.signed_in", "Signed in to the console", "192.0.2.14"],
      ["grant.handed_out", "Access token handed out 12 times", "198.51.100.7"],
      ["setting.changed", "oauth.polling_time: 20m → 15m", "192.0.2.14"],
      ["user.pin_reset", "PIN reset; every grant is refreshed with new keys", "192.0.2.14"],
      ["app.paused", "Dropbox answered invalid_client; its grants are paused", ""],
    ];
    for (let i = 240; i > 0; i--) {
      const [action, detail, source] = words[i % words.length] ?? words[0] as [string, string, string];
      const user = this.users[(i * 5) % this.users.length] as User;
      this.activity.push({ seq: 241 - i, at: this.at(-i * 1300), actor: source === "" ? { kind: "server", id: null, name: "Latchkey" } : { kind: "user", id: mara.id, name: "mara" }, action, subject: { kind: "user", id: user.id, name: user.username }, source, detail });
    }
  }
  make_user(from: { username: string; name: string; email: string; group_id: string }): User {
    const group = this.groups.find((g) => g.id === from.group_id) as { id: string; name: string };
    const user: User = {
      id: randomUUID(), username: from.username, name: from.name, email: from.email, role: "regular", enabled: true,
      group: { id: group.id, name: group.name }, has_pin: false, has_password: false, uses: ["deliver", "list", "send"], sources: [],
      last_used_at: null, created_at: "2026-05-04T09:00:00.000Z", grants: [], pin_set_at: null,
      throttle: { wrong_pins: 0, wrong_passwords: 0, limit: 100, locked: false, locked_out: [] }, signed_in_at: null,
    };
    this.users.push(user);
    return user;
  }
  add_grant(user: User, type_id: string, account: Schemas["Account"], state: Schemas["GrantState"], good_for: number, used_ago: number | null): Schemas["Grant"] {
    const type = this.types.find((t) => t.id === type_id) as Schemas["Type"];
    const alive = state === "active" || state === "unreachable" || state === "uncertain" || state === "paused";
    const grant: Schemas["Grant"] = {
      id: randomUUID(), user_id: user.id, type: type.id, type_name: type.name, app: type.apps[0]?.id ?? type.provider, params: {}, account, state,
      why: state === "active" ? `Keeps itself alive; next refresh in ${Math.max(1, Math.round(good_for / 120))} min.` : kWhy[state],
      enabled: state !== "disabled",
      access_expires_at: this.at(alive ? good_for : -3 * 86400), next_refresh_at: state === "active" ? this.at(good_for / 2) : null,
      last_refreshed_at: this.at(-1200), last_used_at: used_ago === null ? null : this.at(-used_ago), dies_at: null,
      scopes: type.scopes, missing_scopes: [], generation: 118, created_at: "2026-05-04T09:05:00.000Z", authorized_at: "2026-05-04T09:05:00.000Z",
    };
    user.grants.push(grant);
    if (grant.last_used_at && (!user.last_used_at || user.last_used_at < grant.last_used_at)) user.last_used_at = grant.last_used_at;
    return grant;
  }
  find_grant(id: string): { user: User; grant: Schemas["Grant"] } | null {
    for (const user of this.users) for (const grant of user.grants) if (grant.id === id) return { user, grant };
    return null;
  }
  log(actor: User | null, action: string, subject: Schemas["ActivityItem"]["subject"], detail: string) {
    this.activity.push({ seq: this.activity.length + 1, at: this.at(0), actor: actor ? { kind: "user", id: actor.id, name: actor.username } : { kind: "owner", id: null, name: "Account's owner" }, action, subject, source: "127.0.0.1", detail });
  }
  wake(id: string) {
    for (const go of this.waiters.get(id) ?? []) go();
    this.waiters.delete(id);
  }
}

function device(number: number, name: string, connectors: string[], sources: string[], last_seen_at: string | null, last_error: string): Schemas["Device"] {
  return { id: `019ab0f0-0000-7000-8000-0000000000d${number}`, name, connectors, sources, recipient_domains: [], uses: ["deliver", "list"], enabled: true, secret_set_at: "2026-11-20T09:00:00Z", created_at: "2026-11-20T09:00:00Z", last_seen_at, last_source: last_seen_at ? "192.0.2.7" : "", last_error_at: last_error ? "2026-11-27T15:30:00Z" : null, last_error };
}

function connector(id: string, name: string, account: "caller" | "fixed", owner: string | null, groups: string[], folder: string): Schemas["Connector"] {
  return { id, name, type: "sandbox", account, owner, groups: groups.map((g, i) => ({ id: `00000000-0000-4000-8000-00000000c00${i}`, name: g })), devices: account === "fixed" ? [{ id: "019ab0f0-0000-7000-8000-0000000000d1", name: "copier-hall" }] : [], delegation: account === "fixed" ? { since: "2026-11-20T09:00:00Z", ended: false } : null, folder, url: null, app: null, aliases: [], naming: "{date} {time} {name}", conflict: "rename", size_bytes_max: 0, content_types: [], enabled: true, deliver_url: `https://latchkey.example/v1/deliver/${id}`, dav_url: `https://latchkey.example/dav/${id}/`, mail_address: `${id}@drop.internal`, drop_folder: account === "fixed" ? { path: `/srv/drop/${id}`, there: true } : null, created_at: new Date(Date.now() - 864e5).toISOString() };
}

function delivery(number: number, state: Schemas["DeliveryState"], name: string, size: number, sent: number, why: string): Schemas["DeliveryDetail"] {
  const at = (seconds: number) => new Date(Date.now() - number * 240_000 + seconds * 1000).toISOString();
  const done = state === "delivered";
  const receipt = done ? { id: name, link: `https://drive.example/${number}`, path: name, size, hash: `sha256:${"3f9a01c7".repeat(8)}`, proof: "hash" as const, delivered_at: at(4) } : null;
  const timeline = [{ at: at(0), what: "accepted", words: "Came in whole and is safe on the disk of this server." }, { at: at(1), what: "sending", words: "" }];
  if (state !== "sending") timeline.push({ at: at(4), what: state === "queued" ? "retry" : state, words: done ? "The destination has it; its hash agrees." : why });
  return { id: `019ab0f0-0000-7000-8000-00000000000${number}`, connector: name.startsWith("Inbox") ? "invoices" : "front-office", state, name, content_type: "application/pdf", size, sha256: "3f9a01c7".repeat(8), sent, tries: 1, why, source: "http 192.0.2.17", created_at: at(0), finished_at: done || state === "failed" ? at(4) : null, next_try_at: state === "queued" ? at(30) : null, receipt, submitter: "printer-hall", timeline };
}
