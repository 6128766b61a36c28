import { describe, expect, it } from "vitest";
import { generate_pin, pin_problem, pin_strength } from "./pin.ts";

const rules = { min_length: 6, max_bytes: 256, generate_length: 10 };

describe("generate_pin", () => {
  it("has the length asked for and no character that is mistaken for another", () => {
    for (let i = 0; i < 200; i++) expect(generate_pin(10)).toMatch(/^[a-km-np-z2-9]{10}$/);
  });
  it("makes every character equally likely", () => {
    const all = generate_pin(256, (into) => into.map((_, i) => i));
    const counts = new Map<string, number>();
    for (const c of all) counts.set(c, (counts.get(c) ?? 0) + 1);
    expect([...counts.values()]).toEqual(Array.from({ length: 32 }, () => 8));
  });
  it("differs from time to time", () => {
    expect(generate_pin(10)).not.toBe(generate_pin(10));
  });
});

describe("pin_problem", () => {
  it.each([
    ["", /Choose a PIN/],
    ["12345", /at least 6/],
    ["abc\tdef", /control characters/],
    ["ü".repeat(129), /256 bytes/],
  ])("refuses %j", (pin, words) => expect(pin_problem(pin, rules)).toMatch(words));
  it("counts characters, not bytes, for the minimum", () => {
    expect(pin_problem("😀😀😀😀😀", rules)).toMatch(/at least 6/);
    expect(pin_problem("ü".repeat(128), rules)).toBe("");
  });
});

describe("pin_strength", () => {
  it.each(["123456", "987654", "aaaaaa", "abcdef", "1984", "121212", "abcabc"])("calls %s trivial", (pin) => expect(pin_strength(pin).word).toBe("Trivial"));
  it("rises with length and variety", () => {
    const scores = ["4711", "471198", "h7kq2m", "h7kq2mx9aw", "correct horse battery"].map((p) => pin_strength(p).score);
    expect(scores).toEqual([...scores].sort((a, b) => a - b));
    expect(scores[0]).toBe(1);
    expect(scores[4]).toBe(4);
  });
  it("says nothing about an empty one", () => expect(pin_strength("").score).toBe(0));
  it("calls what Generate makes at least good", () => {
    for (let i = 0; i < 100; i++) expect(pin_strength(generate_pin(10)).score).toBeGreaterThanOrEqual(3);
  });
});
