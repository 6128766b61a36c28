import { describe, expect, it } from "vitest";
import type { Schemas } from "../api/client.ts";
import { kPerPage, UserList, type FetchPage } from "./user_list.svelte.ts";

type User = Schemas["User"];
const group = (n: number) => ({ id: `g${n}`, name: `Group ${n}` });
const user = (n: number, g: number) => ({ id: `u${n}`, username: `user${n}`, group: group(g), grants: [] }) as unknown as User;

/** A server with `sizes[i]` users in group i, which counts what it was asked. */
function server(sizes: number[]) {
  const all = sizes.flatMap((size, g) => Array.from({ length: size }, (_, n) => user(g * 1_000_000 + n, g)));
  const asked: Record<string, unknown>[] = [];
  const fetch: FetchPage = async (query) => {
    asked.push(query);
    const from = Number(query.cursor ?? 0);
    const limit = query.limit ?? 50;
    const fits = all.filter((u) => (!query.group || u.group.id === query.group) && (!query.search || u.username.includes(query.search)));
    const groups = sizes.map((_, g) => ({ ...group(g), total: fits.filter((u) => u.group.id === `g${g}`).length })).filter((g) => g.total > 0);
    return { items: fits.slice(from, from + limit), next_cursor: from + limit < fits.length ? String(from + limit) : null, total: fits.length, groups: query.cursor ? null : groups };
  };
  return { asked, fetch };
}

describe("UserList", () => {
  it("shows a small house with one request, every group open", async () => {
    const { asked, fetch } = server([3, 40]);
    const list = new UserList(fetch);
    await list.load();
    expect(asked.length).toBe(1);
    expect(list.sections.map((s) => [s.id, s.open, s.rows.length])).toEqual([["g0", true, 3], ["g1", true, 40]]);
  });

  it("shows 100,000 users with two requests and pages through one group", async () => {
    const { asked, fetch } = server([60_000, 10_000, 10_000, 10_000, 10_000]);
    const list = new UserList(fetch);
    await list.load();
    expect(list.total).toBe(100_000);
    expect(asked.length).toBe(2);
    const [first, second] = list.sections;
    expect(first?.rows.length).toBe(kPerPage);
    expect(second?.open).toBe(false);
    await first?.go(2);
    await first?.go(3);
    expect(first?.rows[0]?.username).toBe("user100");
    await first?.go(2);
    expect(first?.rows[0]?.username).toBe("user50");
    await first?.go(9);
    expect(first?.page).toBe(2);
    await second?.show();
    expect(second?.rows.length).toBe(kPerPage);
    expect(asked.length).toBe(6);
  });

  it("knows when there are more groups than the server counts in one answer", async () => {
    const few = new UserList(server([5, 5]).fetch);
    await few.load();
    expect(few.cut_off).toBe(false);
    const many = new UserList(server(Array.from({ length: 1_000 }, () => 1)).fetch);
    await many.load();
    expect(many.cut_off).toBe(true);
  });

  it("keeps open what was open, and sends the filters along", async () => {
    const { asked, fetch } = server([5, 5]);
    const list = new UserList(fetch);
    await list.load();
    list.sections[1]?.hide();
    await list.load();
    expect(list.sections[1]?.open).toBe(false);
    list.filters.group = "g0";
    await list.load();
    expect(asked.at(-1)).toMatchObject({ group: "g0" });
    expect(list.sections.map((s) => s.id)).toEqual(["g0"]);
    expect(list.filtered).toBe(true);
  });

  it("lets a late answer of an earlier search fall", async () => {
    const { fetch } = server([4]);
    let release = () => {};
    let turn = 0;
    const list = new UserList(async (query, signal) => {
      if (turn++ === 0) await new Promise<void>((resolve) => (release = resolve));
      return fetch(query, signal);
    });
    const slow = list.load();
    list.filters.search = "user3";
    await list.load();
    release();
    await slow;
    expect(list.total).toBe(1);
  });
});
