import { expect, test } from "vitest";
import { asked_of, confirms, fates_of, no_figures, scope_words, with_page } from "./revoke_all.ts";

test("pages add up by type and by provider", () => {
  const first = with_page(no_figures(), { grants: 3, by_type: { gmail: 2, box: 1 }, by_hand: { Box: 1 }, next_cursor: "x" });
  const both = with_page(first, { grants: 2, by_type: { box: 2 }, by_hand: { Box: 1, Acme: 1 }, next_cursor: null });
  expect(both.grants).toBe(5);
  expect(both.by_type).toEqual({ gmail: 2, box: 3 });
  expect(asked_of(both)).toBe(2);
  const [by_hand, ...none] = fates_of(both);
  expect(none).toEqual([]);
  expect(by_hand).toMatchObject({ title: "To be ended by hand", total: 3, providers: [{ name: "Box", count: 2 }, { name: "Acme", count: 1 }] });
});

test("figures that a later server adds are shown by their name, and not counted as asked", () => {
  const figures = with_page(no_figures(), { grants: 9, by_type: {}, by_hand: {}, perhaps_not: { Acme: 2 }, unnamed: 3, next_cursor: null });
  expect(asked_of(figures)).toBe(4);
  expect(fates_of(figures).map(({ title, total, providers }) => ({ title, total, providers }))).toEqual([
    { title: "Perhaps not", total: 2, providers: [{ name: "Acme", count: 2 }] },
    { title: "Unnamed", total: 3, providers: [] },
  ]);
});

test("nothing is confirmed by less than the words", () => {
  expect(confirms(" Revoke  all ")).toBe(true);
  expect(confirms("revoke")).toBe(false);
  expect(confirms("revoke all of them")).toBe(false);
  expect(confirms("")).toBe(false);
});

test("the scope is named", () => {
  expect(scope_words(1, { app: "", type: "" }, "")).toBe("1 grant");
  expect(scope_words(12, { app: "box", type: "" }, "")).toBe("12 grants of the app box");
  expect(scope_words(12, { app: "box", type: "box" }, "Box")).toBe("12 grants of Box, of the app box");
});
