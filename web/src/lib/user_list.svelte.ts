import { api, type Schemas } from "../api/client.ts";
import { as_api_error } from "./authorize.svelte.ts";
import type { ApiError } from "../api/client.ts";

type User = Schemas["User"];
export interface Filters {
  search: string;
  group: string;
  type: string;
  state: string;
}
export const kNoFilters: Filters = { search: "", group: "", type: "", state: "" };
export const kPerPage = 50;
// The server counts no more groups than this in one answer.
const kGroupsMost = 1_000;
// Up to here every group starts open, since all rows came with the first page.
const kWholeList = 200;

type Query = NonNullable<Parameters<typeof api.get<"/api/v1/users">>[1]>["query"];
export type FetchPage = (query: NonNullable<Query>, signal: AbortSignal) => Promise<Schemas["UserPage"]>;

/** One group of the list: its rows come page by page, and only while it is open. */
export class GroupSection {
  readonly id: string;
  readonly name: string;
  total = $state(0);
  open = $state(false);
  page = $state(1);
  rows = $state.raw<User[]>([]);
  busy = $state(false);
  failure = $state.raw<ApiError | null>(null);
  /** cursors[n] leads to page n + 1; the first needs none. */
  #cursors: (string | undefined)[] = [undefined];
  #fetch: (cursor: string | undefined) => Promise<Schemas["UserPage"]>;

  constructor(group: { id: string; name: string; total: number }, fetch: (cursor: string | undefined) => Promise<Schemas["UserPage"]>, rows: User[] | null) {
    this.id = group.id;
    this.name = group.name;
    this.total = group.total;
    this.#fetch = fetch;
    if (rows) this.rows = rows;
  }
  get whole(): boolean {
    return this.rows.length === this.total;
  }
  async show() {
    this.open = true;
    if (this.rows.length === 0 && this.total > 0) await this.go(1);
  }
  hide() {
    this.open = false;
  }
  async go(page: number) {
    if (page > this.#cursors.length) return;
    this.busy = true;
    try {
      const reply = await this.#fetch(this.#cursors[page - 1]);
      this.rows = reply.items;
      this.total = reply.total;
      this.page = page;
      this.#cursors = this.#cursors.slice(0, page);
      if (reply.next_cursor) this.#cursors.push(reply.next_cursor);
      this.failure = null;
    } catch (error) {
      if (!(error instanceof DOMException)) this.failure = as_api_error(error);
    } finally {
      this.busy = false;
    }
  }
  replace(user: User) {
    this.rows = this.rows.map((row) => (row.id === user.id ? user : row));
  }
}

/** The users page: one request for a small house; for a large one, the counts per group and then a page per open group. */
export class UserList {
  sections = $state.raw<GroupSection[]>([]);
  total = $state(0);
  loading = $state(true);
  failure = $state.raw<ApiError | null>(null);
  filters = $state<Filters>({ ...kNoFilters });
  #fetch: FetchPage;
  #running = new AbortController();

  constructor(fetch: FetchPage = (query, signal) => api.get("/api/v1/users", { query, signal })) {
    this.#fetch = fetch;
  }
  get filtered(): boolean {
    return Object.values(this.filters).some((v) => v !== "");
  }
  #query(): Record<string, string> {
    return Object.fromEntries(Object.entries(this.filters).filter(([, v]) => v !== ""));
  }

  async load() {
    this.#running.abort();
    const running = (this.#running = new AbortController());
    this.loading = true;
    const query = this.#query();
    try {
      const first = await this.#fetch({ ...query, sort: "group", limit: kWholeList } as NonNullable<Query>, running.signal);
      if (running.signal.aborted) return;
      const groups = (first.groups ?? []).filter((g) => !this.filters.group || g.id === this.filters.group);
      const whole = first.total <= first.items.length;
      const before = new Map(this.sections.map((s) => [s.id, s.open]));
      const fetch_group = (id: string) => (cursor: string | undefined) =>
        this.#fetch({ ...query, group: id, sort: "group", limit: kPerPage, ...(cursor ? { cursor } : {}) } as NonNullable<Query>, running.signal);
      this.sections = groups.map((g, index) => {
        const section = new GroupSection(g, fetch_group(g.id), whole ? first.items.filter((u) => u.group.id === g.id) : null);
        section.open = before.get(g.id) ?? (whole || index === 0 || groups.length <= 4 || this.filters.search !== "");
        return section;
      });
      this.total = first.total;
      this.failure = null;
      // Searching opens what was found, but not a hundred requests at once.
      await Promise.all(this.sections.filter((s) => s.open).map((s, n) => (n < 8 ? s.show() : s.hide())));
    } catch (error) {
      if (running.signal.aborted) return;
      this.failure = as_api_error(error);
    } finally {
      if (!running.signal.aborted) this.loading = false;
    }
  }
  /** Looks again at what is shown, keeping pages and open groups. */
  async refresh() {
    if (this.loading) return;
    if (this.sections.every((s) => !s.open || s.whole)) await this.load();
    else await Promise.all(this.sections.filter((s) => s.open).map((s) => s.go(s.page)));
  }
  replace(user: User) {
    for (const section of this.sections) section.replace(user);
  }
  /** There are more groups than the page can show. */
  get cut_off(): boolean {
    return this.sections.length >= kGroupsMost;
  }
  get visible(): User[] {
    return this.sections.flatMap((s) => (s.open ? s.rows : []));
  }
}
