import type { Schemas } from "../api/client.ts";

export type Finding = Schemas["DoctorFinding"];
export type Severity = Finding["severity"];

/** Names of the checks; one that this page does not know yet is shown by its own name. */
const kNames: Record<string, string> = {
  public_url: "Public address",
  dns: "DNS",
  certificate: "Certificate",
  doors: "Doors",
  webdav: "WebDAV",
  mail_doors: "Mail doors",
  drop_folders: "Drop folders",
  connectors: "Connectors",
  redirect_uris: "Redirect URIs",
  outgoing: "Outgoing reach",
  clock: "Clock",
  app_secrets: "Client secrets",
  scopes: "Scopes",
  tenant_consent: "Consent for an organization",
  cloud_service: "Cloud Service",
  disk: "Disk",
  spool: "Documents on this disk",
  master_key: "Master key and backup",
};
const kRank: Record<Severity, number> = { ok: 0, note: 1, warning: 2, error: 3 };

export interface CheckGroup {
  check: string;
  name: string;
  worst: Severity;
  findings: Finding[];
}

/** One group a check, in the order in which the server tells them. */
export function by_check(findings: Finding[]): CheckGroup[] {
  const groups: CheckGroup[] = [];
  for (const finding of findings) {
    let group = groups.find((g) => g.check === finding.check);
    if (!group) groups.push((group = { check: finding.check, name: kNames[finding.check] ?? finding.check.replaceAll("_", " "), worst: "ok", findings: [] }));
    group.findings.push(finding);
    if (kRank[finding.severity] > kRank[group.worst]) group.worst = finding.severity;
  }
  return groups;
}

export function count_of(findings: Finding[], severity: Severity): number {
  return findings.filter((f) => f.severity === severity).length;
}

/** What would spoil a consent that is about to be asked for with this app; undefined: none is chosen yet. */
export function against_consent(findings: Finding[], app: Pick<Schemas["Type"]["apps"][number], "id" | "from_cloud_service"> | undefined): Finding[] {
  const general = ["public_url", "dns", "certificate", "doors", "clock"];
  const spoils = (f: Finding) => {
    if (general.includes(f.check)) return true;
    if (["redirect_uris", "app_secrets"].includes(f.check)) return f.subject === app?.id;
    // The service itself, or this app of a service that was left; those that others left behind do no harm here.
    return f.check === "cloud_service" && app?.from_cloud_service === true && (f.subject === app.id || !f.subject.startsWith("cloud-"));
  };
  return findings.filter((f) => f.severity === "error" && spoils(f));
}
