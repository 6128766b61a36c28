import { describe, expect, it } from "vitest";
import { absolute, counted, relative } from "./time.ts";

const now = Date.parse("2026-11-23T19:00:00.000Z");
const at = (seconds: number) => new Date(now + seconds * 1000).toISOString();

describe("relative", () => {
  it.each([
    [0, "just now"],
    [-9, "just now"],
    [30, "in under 1 min"],
    [-30, "under 1 min ago"],
    [60, "in 1 min"],
    [119, "in 1 min"],
    [-3600, "1 h ago"],
    [41 * 60, "in 41 min"],
    [86400, "tomorrow"],
    [-86400 * 3, "3 days ago"],
    [86400 * 400, "next year"],
  ])("%d s", (seconds, words) => expect(relative(at(seconds), now)).toBe(words));
  it("never promises longer than it lasts", () => expect(relative(at(7199), now)).toBe("in 1 h"));
});

it("writes dates that read the same everywhere, with the year when it is another", () => {
  expect(absolute("2026-11-23T19:05:00.000Z", now, "UTC")).toBe("23 Nov, 19:05");
  expect(absolute("2027-02-01T07:05:00.000Z", now, "UTC")).toBe("1 Feb 2027, 07:05");
});
it("counts in words", () => {
  expect(counted(1, "user")).toBe("1 user");
  expect(counted(12345, "user")).toBe("12,345 users");
});
