import { expect, it } from "vitest";
import { username_problem } from "./username.ts";

it.each(["anna@example.com", "scanner 3", "Zoë", "a".repeat(128)])("takes %s", (name) => expect(username_problem(name)).toBe(""));
it.each([
  ["", /Choose/],
  ["   ", /Choose/],
  ["a:b", /colon/],
  ["a\u0007b", /Control/],
  ["a".repeat(129), /128/],
])("refuses %j", (name, words) => expect(username_problem(name)).toMatch(words));
