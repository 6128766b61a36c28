import { expect, test } from "vitest";
import type { Schemas } from "../api/client.ts";
import { life_of } from "./life.ts";

const item = (event: Schemas["TimelineItem"]["event"], since: string, at: string, count = 1): Schemas["TimelineItem"] => ({ at, since, event, detail: "", generation: 1, count, actor: "", reply: null });

test("a life is told in lanes, and lanes in which nothing happened are left out", () => {
  const life = life_of([item("refresh_failed", "2026-11-26T09:00:00Z", "2026-11-26T09:30:00Z", 3), item("refreshed", "2026-11-25T00:00:00Z", "2026-11-26T08:00:00Z", 70), item("needs_authorization", "2026-11-26T10:00:00Z", "2026-11-26T10:00:00Z")], (i) => i.event);
  expect(life.lanes).toEqual(["Refreshed", "Failed"]);
  expect(life.marks.map((m) => [m.lane, m.tone, m.until - m.from])).toEqual([[1, "warn", 1_800_000], [0, "ok", 115_200_000], [1, "bad", 0]]);
  expect(life.summary).toBe("refreshed 70, failed 4");
});
