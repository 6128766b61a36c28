import { describe, expect, it } from "vitest";
import source from "../../../src/console/api_activity.cpp?raw";
import { action_words, event_words, join_handouts, reason_of, with_detail } from "./words.ts";

describe("words for what happened", () => {
  it("has words of its own for every action the server writes", () => {
    const list = /kActions\[\] = \{([^}]*)\}/.exec(source)?.[1] ?? "";
    const actions = [...list.matchAll(/"([a-z_.]+)"/g)].map((found) => found[1] ?? "");
    expect(actions.length).toBeGreaterThan(35);
    const made_up = actions.filter((action) => action_words(action).toLowerCase() === action.replaceAll(/[._]/g, " ") && !["group created", "group deleted", "group renamed", "grant deleted", "grant disabled", "grant enabled", "user created", "user changed", "user deleted", "setting changed", "authorization cancelled", "authorization failed"].includes(action.replaceAll(/[._]/g, " ")));
    expect(made_up).toEqual([]);
  });
  it("says something even for an action it does not know", () => {
    expect(action_words("grant.became_blue")).toBe("Grant became blue");
    expect(action_words("")).toBe("Something happened");
  });
  it("adds the detail, and is never empty", () => {
    expect(with_detail(action_words("session.opened"), "")).toBe("Signed in");
    expect(with_detail(event_words("authorized"), "as anna@example.com")).toBe("Authorized: as anna@example.com");
    expect(with_detail("Access token handed out", "Access token handed out.")).toBe("Access token handed out");
  });
});

describe("hand-outs", () => {
  const minute = (at: string, count: number, grant_id = "g1") => ({ at: `2026-11-23T10:${at}:00.000Z`, grant_id, type: "box", count });
  it("joins minutes of one grant until something else happened between them", () => {
    const lines = join_handouts([minute("09", 2), minute("08", 1), minute("02", 4)], ["2026-11-23T10:05:00.000Z"]);
    expect(lines.map((line) => [line.count, line.minutes])).toEqual([[3, 2], [4, 1]]);
  });
  it("keeps grants apart", () => {
    const lines = join_handouts([minute("09", 2), minute("08", 1, "g2"), minute("07", 3)], []);
    expect(lines.map((line) => line.count)).toEqual([5, 1]);
  });
});

describe("a grant's reason", () => {
  it("is not the date that stands beside it", () => {
    expect(reason_of({ state: "active", why: "Good until 2026-11-24T04:54 UTC; keeps itself alive." })).toBe("");
    expect(reason_of({ state: "active", why: "The provider granted less than was asked for." })).toBe("The provider granted less than was asked for.");
    expect(reason_of({ state: "needs_authorization", why: "Good until nobody knows." })).toBe("Good until nobody knows.");
  });
});
