import { expect, test } from "vitest";
import { against_consent, by_check, count_of, type Finding } from "./findings.ts";

const finding = (check: string, severity: Finding["severity"], subject = "box"): Finding => ({ check, subject, severity, seen: "seen", remedy: "", handovers: [] });

test("groups keep the server's order and bear their worst finding", () => {
  const groups = by_check([finding("dns", "ok"), finding("redirect_uris", "note"), finding("redirect_uris", "error"), finding("redirect_uris", "ok"), finding("new_check", "warning")]);
  expect(groups.map((g) => [g.name, g.worst, g.findings.length])).toEqual([["DNS", "ok", 1], ["Redirect URIs", "error", 3], ["new check", "warning", 1]]);
});

test("findings are counted by severity", () => {
  expect(count_of([finding("dns", "error"), finding("disk", "error"), finding("disk", "note")], "error")).toBe(2);
});

test("only errors that spoil this app's consent are held against it", () => {
  const all = [finding("redirect_uris", "error", "box"), finding("redirect_uris", "error", "xero"), finding("public_url", "error", "https://a"), finding("certificate", "warning", "a"), finding("disk", "error", "/d"), finding("app_secrets", "error", "box")];
  const named = (app: Parameters<typeof against_consent>[1]) => against_consent(all, app).map((f) => `${f.check} ${f.subject}`);
  expect(named({ id: "box", from_cloud_service: false })).toEqual(["redirect_uris box", "public_url https://a", "app_secrets box"]);
  expect(named(undefined)).toEqual(["public_url https://a"]);
});

test("what is wrong with the Cloud Service is held against a consent by way of it, and against no other", () => {
  const relayed = "cloud-op-0123";
  const all = [finding("cloud_service", "error", "https://relay.example"), finding("cloud_service", "error", "cloud-op-9876"), finding("cloud_service", "note", "https://office.example"), finding("redirect_uris", "error", "box")];
  const named = (id: string, from_cloud_service: boolean) => against_consent(all, { id, from_cloud_service }).map((f) => f.subject);
  expect(named(relayed, true)).toEqual(["https://relay.example"]);
  expect(named("cloud-op-9876", true)).toEqual(["https://relay.example", "cloud-op-9876"]);
  expect(named("dropbox", false)).toEqual([]);
  expect(against_consent([finding("cloud_service", "error", "enrolment"), finding("cloud_service", "warning", "https://relay.example")], { id: relayed, from_cloud_service: true }).map((f) => f.subject)).toEqual(["enrolment"]);
});
