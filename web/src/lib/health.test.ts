import { expect, test } from "vitest";
import { days_ahead, kept, label_layout, labelled, last_day_words, outcome_columns, secrets_end, share, span_label, two_lines } from "./health.ts";

test("spans read like speech", () => {
  const label = (from_s: number | null, until_s: number | null) => span_label({ from_s, until_s, count: 1 }, "overdue");
  expect(label(null, 0)).toBe("overdue");
  expect(label(0, 60)).toBe("< 1 min");
  expect(label(300, 900)).toBe("5–15 min");
  expect(label(1800, 3600)).toBe("30 min – 1 h");
  expect(label(86_400, null)).toBe("> 1 d");
});

test("a day on which nothing worked is not a day without tries", () => {
  const hour = { at: "2026-11-26T10:00:00Z", refreshed: 0, refused: 1, transient: 20, ambiguous: 0, not_sent: 1, misconfigured_app: 0 };
  expect(last_day_words([hour])).toBe("0 refreshes in the last 24 hours, 22 tries failed.");
  expect(last_day_words([{ ...hour, refreshed: 1, refused: 0, transient: 0 }])).toBe("1 refresh in the last 24 hours, 1 try failed.");
  expect(last_day_words([{ ...hour, refreshed: 7, refused: 0, transient: 0, not_sent: 0 }])).toBe("7 refreshes in the last 24 hours.");
});

test("labels of columns break, slant or stand where they have no room", () => {
  expect(two_lines("30 min – 1 h")).toEqual(["30 min", "– 1 h"]);
  expect(two_lines("overdue")).toEqual(["overdue"]);
  expect(label_layout(["< 5 min", "5–15 min"], 90)).toBe("flat");
  expect(label_layout(["< 5 min", "30 min – 1 h"], 46)).toBe("two lines");
  expect(label_layout(["< 5 min", "30 min – 1 h"], 34)).toBe("slanted");
  expect(label_layout(["10:00", "11:00"], 12)).toBe("upright");
});

test("every column that holds a value has a label", () => {
  expect(labelled([0, 0, 0], 40)).toEqual([true, true, true]);
  const narrow = labelled([0, 7, 0, 0, 0, 3, 3, 0], 11);
  expect(narrow.map((shown, n) => (shown ? n : -1)).filter((n) => n >= 0)).toEqual([1, 5, 6]);
});

test("a share never rounds up to all", () => {
  expect(share(999_999, 1_000_000)).toBe("99.9 %");
  expect(share(5, 5)).toBe("100 %");
  expect(share(0, 0)).toBe("–");
});

test("outcomes are told in three kinds, and no count is lost", () => {
  const [column] = outcome_columns([{ at: "2026-11-26T10:00:00Z", refreshed: 10, refused: 1, transient: 2, ambiguous: 3, not_sent: 4, misconfigured_app: 5 }], "UTC");
  expect(column).toEqual({ label: "10:00", values: [10, 9, 6] });
});

test("each of the days ahead has what ends in it, and the first what has ended", () => {
  const by_day = Array.from({ length: 14 }, (_, n) => (n === 2 ? 5 : 0));
  const days = days_ahead(by_day, ["2026-11-20T00:00:00Z", "2026-11-28T11:59:59Z", "2026-11-28T12:00:00Z", "2026-12-10T12:00:00Z"], Date.parse("2026-11-26T12:00:00Z"), "UTC");
  expect(days.length).toBe(14);
  expect(days.slice(0, 3)).toEqual([{ label: "Thu 26", values: [0, 1] }, { label: "Fri 27", values: [0, 1] }, { label: "Sat 28", values: [5, 1] }]);
  expect(days.reduce((sum, d) => sum + (d.values[1] ?? 0), 0), "what runs out later is left out").toBe(3);
});

test("grants switched off on purpose do not spoil the freshness", () => {
  expect(kept({ active: 3, unreachable: 1, uncertain: 0, paused: 0, needs_authorization: 1, held: 4, disabled: 7, revoked: 2 })).toBe(5);
});

test("an app's secrets end with the last of them", () => {
  const app = (expiries: (string | null)[]) => ({ id: "a", provider: "p", provider_name: "P", paused: false, why: "", circuit: "closed" as const, failures: 0, open_since: null, next_try_at: null, secrets: expiries.map((expires_at) => ({ set_at: null, expires_at })) });
  expect(secrets_end(app([]))).toBe(null);
  expect(secrets_end(app(["2026-12-01T00:00:00Z", null]))).toBe(null);
  expect(secrets_end(app(["2026-12-01T00:00:00Z", "2026-12-05T00:00:00Z"]))).toBe("2026-12-05T00:00:00Z");
});
