import { describe, expect, it } from "vitest";
import { percent_sent, size_words, step_words } from "./deliveries.ts";

describe("sizes", () => {
  it("are said as people say them", () => {
    expect([0, 1, 999, 1000, 1234, 9_999, 50_000, 999_499, 999_500, 5_000_000, 1_500_000_000].map(size_words)).toEqual(["0 bytes", "1 byte", "999 bytes", "1.0 kB", "1.2 kB", "10.0 kB", "50 kB", "999 kB", "1.0 MB", "5.0 MB", "1.5 GB"]);
  });
});

describe("progress", () => {
  it("is whole only when the destination has said so", () => {
    expect(percent_sent(0, 0, "sending")).toBe(0);
    expect(percent_sent(999, 1000, "sending")).toBe(99);
    expect(percent_sent(0, 0, "delivered")).toBe(100);
    expect(percent_sent(2000, 1000, "sending")).toBe(100);
  });
});

it("steps nobody has words for are shown as they are", () => {
  expect(step_words("accepted")).toBe("Accepted");
  expect(step_words("something_new")).toBe("something_new");
});
