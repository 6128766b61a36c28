import { describe, expect, it } from "vitest";
import { card_sections, card_text, conversation_text, grouped, lines, uses_with_mail, type CardSection } from "./devices.ts";

describe("a device's card", () => {
  it("groups the secret by four", () => {
    expect(grouped("abcdefghij")).toBe("abcd efgh ij");
    expect(grouped("")).toBe("");
  });
  const mail = { host: "latchkey.example", drop_domain: "drop.internal", submission: 587, submissions: 465, plain: null, legacy: null, starttls: true };
  const device = { name: "Copier 1", secret: "abcd1234" };
  const connectors = [{ id: "scans", sends_mail: false }, { id: "post", sends_mail: true }];
  const told = (sections: CardSection[]) => Object.fromEntries(sections.map((section) => [section.title, section.lines.map((line) => `${line.what}: ${line.value}`)]));

  it("says for each way of delivering where to, as the server listens", () => {
    expect(told(card_sections(device, connectors, { public_url: "https://latchkey.example", mail }))).toEqual({
      "Sign-in": ["User name: Copier 1", "Password: abcd 1234"],
      "Scan to e-mail": ["SMTP server: latchkey.example", "Port and security: 587, STARTTLS", "or: 465, SSL/TLS", "Authentication: on (LOGIN or PLAIN)", "Send to: scans@drop.internal", "Send to: people's own addresses"],
      "Scan to WebDAV or HTTPS": ["Host: latchkey.example", "Port: 443", "Security: TLS (https)", "WebDAV folder: /dav/scans/", "or POST to: https://latchkey.example/v1/deliver/scans"],
    });
  });
  it("leaves out what is off, and follows another path", () => {
    const sections = card_sections(device, connectors, { public_url: "http://127.0.0.1:8480/key/", mail: null });
    expect(sections.map((section) => section.title)).toEqual(["Sign-in", "Scan to WebDAV or HTTPS"]);
    expect(told(sections)["Scan to WebDAV or HTTPS"]).toEqual(["Host: 127.0.0.1", "Port: 8480", "Security: none (http)", "WebDAV folder: /key/dav/scans/", "or POST to: http://127.0.0.1:8480/key/v1/deliver/scans"]);
    const old = card_sections(device, [], { public_url: "https://l.example", mail: { ...mail, submission: null, submissions: null, plain: 25, legacy: 2525 } });
    expect(told(old)["Scan to e-mail"]).toContain("With TLS 1.0: 2525, STARTTLS, from its own address");
  });
  it("gives a camera the secret without spaces", () => {
    expect(card_text(card_sections(device, [], { public_url: "https://l.example", mail: null }), device.secret)).toContain("Password: abcd1234");
  });
  it("may send mail once there is somebody it may write to", () => {
    expect(uses_with_mail(["deliver", "list"], ["x.example"])).toEqual(["deliver", "list", "send"]);
    expect(uses_with_mail(["deliver", "send"], [])).toEqual(["deliver"]);
  });
  it("writes a conversation down as mail people do", () => {
    expect(conversation_text([{ from: "server", text: "220 x" }, { from: "device", text: "EHLO y" }, { from: "note", text: "The line was cut" }])).toBe("S: 220 x\nC: EHLO y\n   -- The line was cut");
  });
});

describe("lists that are typed", () => {
  it("may be separated as people do", () => {
    expect(lines(" 192.0.2.7, 10.0.0.0/8\n2001:db8::1; ")).toEqual(["192.0.2.7", "10.0.0.0/8", "2001:db8::1"]);
  });
});
