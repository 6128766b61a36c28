import { api, type ApiError } from "../api/client.ts";
import { as_api_error } from "./authorize.svelte.ts";
import { no_figures, with_page, type RevokeFigures, type RevokeScope } from "./revoke_all.ts";

type Step = "choosing" | "running" | "broken off" | "done";

/**
 * The bad day, page by page. It lives beside the pages, so that it goes on while another page of the console is looked at;
 * closing the window breaks it off, and what is left can be revoked later: what is revoked already is not found again.
 */
class Revocation {
  scope = $state.raw<RevokeScope>({ app: "", type: "" });
  step = $state<Step>("choosing");
  /** What would be revoked; null until it is counted. */
  there = $state.raw<RevokeFigures | null>(null);
  /** Counted so far, while `there` is not known. */
  counted = $state(0);
  /** Revoked here so far. */
  ended = $state.raw<RevokeFigures>(no_figures());
  failure = $state.raw<ApiError | null>(null);
  #looking: AbortController | null = null;
  #stopping = false;

  async #sweep(dry_run: boolean, seen: (page: object) => void, signal?: AbortSignal): Promise<boolean> {
    let cursor: string | null = null;
    do {
      const page: { next_cursor: string | null } = await api.post("/api/v1/grants/revoke", {
        body: { dry_run, ...(this.scope.app ? { app: this.scope.app } : {}), ...(this.scope.type ? { type: this.scope.type } : {}), ...(cursor ? { cursor } : {}) },
        ...(signal ? { signal } : {}),
      });
      seen(page);
      cursor = page.next_cursor;
    } while (cursor && !this.#stopping);
    return cursor === null;
  }
  /** Counts, and changes nothing. A later look takes the place of one under way. */
  async look(scope: RevokeScope): Promise<void> {
    this.#looking?.abort();
    const mine = (this.#looking = new AbortController());
    this.scope = scope;
    this.step = "choosing";
    this.there = null;
    this.failure = null;
    this.counted = 0;
    this.#stopping = false;
    let figures = no_figures();
    try {
      await this.#sweep(true, (page) => { figures = with_page(figures, page); if (mine === this.#looking) this.counted = figures.grants; }, mine.signal);
      if (mine === this.#looking) this.there = figures;
    } catch (error) {
      if (mine === this.#looking && !mine.signal.aborted) this.failure = as_api_error(error);
    }
  }
  /** Revokes what was counted, or what is left of it. */
  async run(): Promise<void> {
    if (this.step === "running") return;
    if (this.step === "choosing") this.ended = no_figures();
    this.step = "running";
    this.failure = null;
    this.#stopping = false;
    const stay = (event: BeforeUnloadEvent) => event.preventDefault();
    addEventListener("beforeunload", stay);
    try {
      const through = await this.#sweep(false, (page) => (this.ended = with_page(this.ended, page)));
      this.step = through ? "done" : "broken off";
    } catch (error) {
      this.failure = as_api_error(error);
      this.step = "broken off";
    } finally {
      removeEventListener("beforeunload", stay);
    }
  }
  stop() {
    this.#stopping = true;
  }
}
export const revocation = new Revocation();
