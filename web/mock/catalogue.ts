import type { components } from "../src/api/schema.d.ts";

type Schemas = components["schemas"];
type Kind = Schemas["Type"]["kind"];

const param = (name: string, label: string, hint: string, more: Partial<Schemas["Param"]> = {}): Schemas["Param"] => ({ name, label, kind: "text", required: true, default: "", options: [], hint, ...more });
const tenant = param("tenant", "Tenant", "Directory id or domain; “organizations” for any work account.", { required: false, default: "organizations" });

const rows: [id: string, name: string, kind: Kind, provider: string, provider_name: string, params: Schemas["Param"][], scopes: string[], unverified: string[]][] = [
  ["box", "Box", "storage", "box", "Box", [], ["root_readwrite"], []],
  ["dropbox", "Dropbox", "storage", "dropbox", "Dropbox", [], ["files.content.write", "account_info.read"], ["How long an authorization code lives."]],
  ["google-drive", "Google Drive", "storage", "google", "Google", [], ["https://www.googleapis.com/auth/drive.file", "openid", "email"], []],
  ["onedrive", "OneDrive", "storage", "microsoft", "Microsoft", [], ["https://graph.microsoft.com/Files.ReadWrite", "offline_access"], []],
  ["onedrive-business", "OneDrive for Business", "storage", "microsoft", "Microsoft", [tenant], ["https://graph.microsoft.com/Files.ReadWrite", "offline_access"], []],
  ["sharepoint", "SharePoint Online", "storage", "microsoft", "Microsoft", [tenant], ["https://graph.microsoft.com/Sites.ReadWrite.All", "offline_access"], []],
  ["sharefile", "ShareFile", "storage", "sharefile", "ShareFile", [param("subdomain", "Subdomain", "The first part of example.sharefile.com.")], [], ["How long an access token lives."]],
  ["nextcloud", "Nextcloud", "storage", "nextcloud", "Nextcloud", [param("server", "Server", "Where your Nextcloud runs, for example https://cloud.example.com", { kind: "url" })], [], []],
  ["email-office365", "Email (Office 365)", "mail", "microsoft", "Microsoft", [tenant], ["https://graph.microsoft.com/Mail.Send", "offline_access"], []],
  ["gmail", "Gmail", "mail", "google", "Google", [], ["https://www.googleapis.com/auth/gmail.send"], []],
  ["smtp-office365", "SMTP (Office 365)", "mail_smtp", "microsoft", "Microsoft", [tenant], ["https://outlook.office.com/SMTP.Send", "offline_access"], []],
  ["smtp-gmail", "SMTP (Gmail)", "mail_smtp", "google", "Google", [], ["https://mail.google.com/"], []],
  ["dynamics365", "Dynamics 365", "crm", "microsoft", "Microsoft", [tenant, param("environment_url", "Environment address", "For example https://contoso.crm4.dynamics.com", { kind: "url" })], ["{environment_url}/user_impersonation"], []],
  ["salesforce", "Salesforce", "crm", "salesforce", "Salesforce", [param("login_host", "Sign-in host", "Sandboxes sign in elsewhere.", { kind: "enum", required: false, default: "login.salesforce.com", options: [{ value: "login.salesforce.com", label: "Production" }, { value: "test.salesforce.com", label: "Salesforce sandbox" }] })], ["api", "refresh_token"], []],
  ["exact", "Exact Online", "erp", "exact", "Exact Online", [param("region", "Country", "Where the administration is kept.", { kind: "enum", default: "nl", options: [{ value: "nl", label: "Netherlands" }, { value: "be", label: "Belgium" }, { value: "de", label: "Germany" }, { value: "uk", label: "United Kingdom" }] })], [], ["Whether PKCE is understood."]],
  ["sage200", "Sage 200", "erp", "sage200", "Sage 200", [], [], ["How refresh tokens rotate.", "Where tokens are revoked."]],
  ["xero", "Xero", "erp", "xero", "Xero", [], ["files", "offline_access"], []],
  ["imanage", "iManage Work", "legal_dms", "imanage", "iManage", [param("host", "Host", "For example cloudimanage.com")], ["user"], ["The authorization address."]],
  ["leap", "LEAP", "legal_dms", "leap", "LEAP", [], ["*"], ["How refresh tokens rotate."]],
  ["propertyme", "PropertyMe", "property", "propertyme", "PropertyMe", [], ["property:write", "contact:write", "offline_access"], []],
  ["xplan", "XPLAN", "advice", "xplan", "XPLAN (Iress)", [param("site_url", "Site address", "For example https://example.xplan.iress.com", { kind: "url" })], [], ["How long an access token lives."]],
  ["oidc", "Any OpenID provider", "generic", "oidc", "OpenID provider", [], ["openid", "offline_access"], []],
  ["sandbox", "Sandbox", "practice", "sandbox", "Sandbox", [], ["files", "mail", "offline_access"], []],
];

const kReady = new Set(["microsoft", "google", "box", "dropbox", "salesforce", "sandbox"]);

export function make_apps(public_url: string): Schemas["App"][] {
  const providers = new Map(rows.map((r) => [r[3], r[4]]));
  return [...providers].map(([id, name]): Schemas["App"] => {
    const mine = rows.filter((r) => r[3] === id);
    const configured = kReady.has(id);
    const paused = id === "dropbox";
    const scopes = [...new Set(mine.flatMap((r) => r[6]))];
    return {
      id, provider: id, provider_name: name, name, configured,
      client_id: configured ? "3b1f6a52-6f0c-4f2e-9a55-0c6e8d1b7a90" : "",
      params: {},
      param_specs: id === "oidc" ? [param("issuer", "Issuer", "The provider's own name, for example https://id.example.com", { kind: "url" })] : [],
      secrets: [
        { set: configured && id !== "sandbox", set_at: configured ? "2026-06-02T08:11:00.000Z" : null, expires_at: id === "microsoft" ? "2027-06-01T00:00:00.000Z" : null },
        { set: false, set_at: null, expires_at: null },
      ],
      secret_needed: id !== "sandbox",
      redirect_uri: `${public_url}/oauth/callback/${id}`,
      state: paused ? "paused" : configured ? "ok" : "missing",
      why: paused ? "Dropbox refuses the client secret since 18:40 (invalid_client). Paste a new one; every grant then goes on by itself." : configured ? "Ready. Consent and refresh work." : `Register Latchkey at ${name} and paste the client id here.`,
      steps: [
        { text: `Sign in to ${name}'s page for developers.`, url: "https://example.com/developers" },
        { text: "Create an app of the kind “web application” and name it Latchkey." },
        { text: "Paste the redirect address below, exactly as it stands." },
        { text: "Tick the scopes below." },
        { text: "Create a client secret, and paste its value and the client id here." },
      ],
      scopes: scopes.map((scope) => ({ scope, why: scope.includes("offline") || scope === "refresh_token" ? "keeps the access alive" : "delivers documents or mail", types: mine.map((r) => r[0]) })),
      types: mine.map((r) => r[0]),
      unverified: mine.flatMap((r) => r[7]),
      grants: 0,
      from_cloud_service: false,
    };
  });
}

export function make_types(apps: Schemas["App"][]): Schemas["Type"][] {
  return rows.map(([id, name, kind, provider, provider_name, params, scopes, unverified]) => {
    const app = apps.find((a) => a.provider === provider);
    return {
      id, name, kind, provider, provider_name, params, unverified,
      apps: app ? [{ id: app.id, name: app.name, state: app.state, why: app.why, from_cloud_service: app.from_cloud_service, device_code: !app.from_cloud_service }] : [],
      keeps_forever: kind !== "storage",
      idle_expiry_days: kind === "storage" ? 60 : null,
      absolute_expiry_days: null,
      scopes,
      uses: ["deliver", "token"],
      device_code: true,
    };
  });
}

export function make_settings(): Schemas["Setting"][] {
  const s = (key: string, type: Schemas["Setting"]["type"], value: string, min: string | null, max: string | null, unit: string, explanation: string): Schemas["Setting"] => ({ key, type, default: value, value, min, max, unit, explanation, changed_at: null, changed_by: null });
  const list = [
    s("oauth.polling_time", "duration", "20m", "1m", "24h", "minutes", "How often an access token is renewed, unless its provider asks for less often or it would expire sooner."),
    s("oauth.use_cloud_service", "boolean", "false", null, null, "", "Consent goes through the Cloud Service, so that this server needs no public name."),
    s("oauth.warn_before_end", "duration", "14d", "1d", "90d", "days", "How long before a grant ends for good somebody is told."),
    s("auth.pin_min_length", "integer", "6", "4", "64", "characters", "The shortest PIN that is accepted from now on. PINs already set stay."),
    s("auth.refusal_delay", "duration", "300ms", "100ms", "5s", "milliseconds", "How long every refusal takes, whatever its reason, so that answers tell nothing."),
    s("auth.wrong_pins_per_user", "integer", "100", "10", "1000", "", "Different wrong PINs from unknown places until those are refused for the user."),
    s("console.session_lifetime", "duration", "12h", "15m", "30d", "minutes", "How long a sign-in to this console lasts without a click."),
    s("http.body_limit", "integer", "1048576", "65536", "16777216", "bytes", "Largest request body of the admin API."),
    s("refresh.connect_timeout", "duration", "10s", "1s", "60s", "seconds", "How long connecting to a provider may take."),
    s("refresh.total_timeout", "duration", "50s", "5s", "120s", "seconds", "How long one refresh may take in all."),
  ];
  const polling = list[0];
  if (polling) Object.assign(polling, { value: "15m", changed_at: "2026-11-20T09:30:00.000Z", changed_by: "mara" });
  return list;
}
