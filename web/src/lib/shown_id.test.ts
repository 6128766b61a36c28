import { describe, expect, it } from "vitest";
import { shown_id } from "./shown_id.ts";

describe("an account's id", () => {
  it("A4: is shown with all that is in it", () => {
    for (const [id, shown] of [
      ["acc-1 / ü", "acc-1 / ü"],
      ["ann\u200ca", "ann\\u{200c}a"],
      ["\u2764\ufe0f", "\u2764\\u{fe0f}"],
      [" a  b\u00a0", "\\u{20}a\\u{20}\\u{20}b\\u{a0}"],
      ["a\u001b\u009b\u{e0041}\u202e", "a\\u{1b}\\u{9b}\\u{e0041}\\u{202e}"],
      ["CORP\\ulf", "CORP\\ulf"],
      ["ann\\u{200c}a", "ann\\u{5c}u{200c}a"],
    ] as const) {
      expect(shown_id(id)).toBe(shown);
    }
  });
});
