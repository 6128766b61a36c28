import { describe, expect, it } from "vitest";
import { preview_name, suggested_id } from "./connectors.ts";

describe("suggested ids", () => {
  it("hold what addresses may hold", () => {
    expect(suggested_id("Scans of the front office")).toBe("scans-of-the-front-office");
    expect(suggested_id("  Büro: Eingang! ")).toBe("bu-ro-eingang");
    expect(suggested_id("—")).toBe("");
    expect(suggested_id(`${"a".repeat(62)} b`)).toBe("a".repeat(62));
  });
});

describe("the preview of names", () => {
  const now = new Date("2026-11-27T14:05:09Z");
  it("fills in what the server fills in", () => {
    expect(preview_name("/Scans/{user}/", "{date} {time} {name}", "front", now)).toBe("Scans/anna/2026-11-27 14-05-09 invoice.pdf");
    expect(preview_name("", "{connector}-{id}", "front", now)).toBe("front-3f9a01c7.pdf");
  });
  it("shows a device and a number as examples, with as many digits as are asked for", () => {
    expect(preview_name("{device}", "{counter} {counter:4} {counter:12}", "front", now)).toBe("Copier 2/17 0017 000000000017.pdf");
  });
  it("leaves alone what nobody knows", () => {
    expect(preview_name("", "{what}", "front", now)).toBe("{what}.pdf");
    expect(preview_name("", "{counter:0}{counter:13}{counter:04}", "front", now)).toBe("{counter:0}{counter:13}{counter:04}.pdf");
  });
});
