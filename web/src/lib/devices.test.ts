import { describe, expect, it } from "vitest";
import { card_text, conversation_text, conversation_way, door_sections, grouped, lines, uses_with_mail, type Doors } from "./devices.ts";

const doors: Doors = { public_url: "https://latchkey.example", drop_domain: "drop.internal", mail_listeners: [{ security: "starttls", port: 587, sources: [] }, { security: "none", port: 2525, sources: ["192.0.2.7"] }] };
const values = (section: { lines: { value: string }[] } | undefined) => section?.lines.map((line) => line.value);

describe("a device's card", () => {
  it("groups the secret by four", () => {
    expect(grouped("abcdefghij")).toBe("abcd efgh ij");
    expect(grouped("")).toBe("");
  });
  it("says host, port, security and the place, door by door", () => {
    const [mail, dav, http, more] = door_sections({ connectors: ["scans"], sources: [] }, doors);
    expect(values(mail)).toEqual(["latchkey.example", "587", "STARTTLS", "scans@drop.internal"]);
    expect(values(dav)).toEqual(["latchkey.example", "443", "TLS (https)", "/dav/scans/"]);
    expect(values(http)).toEqual(["https://latchkey.example/v1/deliver/scans"]);
    expect(more).toBeUndefined();
  });
  it("names a listener without TLS to the devices it takes alone", () => {
    const sections = door_sections({ connectors: ["scans"], sources: ["192.0.2.7"] }, doors);
    expect(sections.map((one) => one.title)).toEqual(["By mail (SMTP)", "By mail (SMTP)", "By WebDAV", "By HTTP"]);
    expect(values(sections[1])).toEqual(["latchkey.example", "2525", "none", "scans@drop.internal"]);
  });
  it("knows a server without TLS and mail, and a device without connectors", () => {
    const [dav, more] = door_sections({ connectors: [], sources: [] }, { ...doors, public_url: "http://127.0.0.1:8480/", mail_listeners: [] });
    expect(values(dav)).toEqual(["127.0.0.1", "8480", "none (http)"]);
    expect(more).toBeUndefined();
  });
  it("gives a camera the secret without spaces", () => {
    expect(card_text({ name: "c", secret: "abcd1234" }, "https://l.example:8443")).toBe("Server: l.example:8443\nUser name: c\nPassword: abcd1234");
  });
  it("may send mail once there is somebody it may write to", () => {
    expect(uses_with_mail(["deliver", "list"], ["x.example"])).toEqual(["deliver", "list", "send"]);
    expect(uses_with_mail(["deliver", "send"], [])).toEqual(["deliver"]);
  });
  it("says from where and by which door a conversation came", () => {
    expect((["smtp", "webdav", "http"] as const).map((door) => conversation_way({ source: "192.0.2.7", door }))).toEqual(["from 192.0.2.7 by mail (SMTP)", "from 192.0.2.7 by WebDAV", "from 192.0.2.7 by HTTP"]);
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
