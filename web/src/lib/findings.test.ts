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
  expect(against_consent(all, "box").map((f) => `${f.check} ${f.subject}`)).toEqual(["redirect_uris box", "public_url https://a", "app_secrets box"]);
});
