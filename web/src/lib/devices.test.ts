import { describe, expect, it } from "vitest";
import { card_lines, card_text, grouped, lines } from "./devices.ts";

describe("a device's card", () => {
  it("groups the secret by four", () => {
    expect(grouped("abcdefghij")).toBe("abcd efgh ij");
    expect(grouped("")).toBe("");
  });
  it("says host, port and security as the server's address has them", () => {
    const device = { name: "Copier 1", secret: "abcd1234", connectors: ["scans"] };
    expect(card_lines(device, "https://latchkey.example").map((line) => line.value)).toEqual(["latchkey.example", "443", "TLS (https)", "Copier 1", "abcd 1234", "https://latchkey.example/v1/deliver/scans"]);
    expect(card_lines({ ...device, connectors: [] }, "http://127.0.0.1:8480/").map((line) => line.value).slice(0, 3)).toEqual(["127.0.0.1", "8480", "none (http)"]);
  });
  it("gives a camera the secret without spaces", () => {
    const device = { name: "c", secret: "abcd1234", connectors: [] };
    expect(card_text(card_lines(device, "https://l.example"), device.secret)).toContain("Password: abcd1234");
  });
});

describe("lists that are typed", () => {
  it("may be separated as people do", () => {
    expect(lines(" 192.0.2.7, 10.0.0.0/8\n2001:db8::1; ")).toEqual(["192.0.2.7", "10.0.0.0/8", "2001:db8::1"]);
  });
});
