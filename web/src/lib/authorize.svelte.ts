import { api, ApiError, type Schemas } from "../api/client.ts";

type Started = Schemas["AuthorizationStarted"];
type Attempt = Schemas["Authorization"];
export type NewAuthorization = Schemas["NewAuthorization"];

/** The parts of the outside that a flow touches; replaced in tests. */
export interface Outside {
  open_popup(): Window | null;
  leave_to(url: string): void;
  start(body: NewAuthorization): Promise<Started>;
  look(id: string, wait: number, signal: AbortSignal): Promise<Attempt>;
  cancel(id: string): Promise<Attempt>;
  confirm(id: string, accept: boolean, question: string): Promise<Attempt>;
  undo(id: string): Promise<Attempt>;
  pause(ms: number): Promise<void>;
}

export const browser: Outside = {
  open_popup: () => window.open("about:blank", "latchkey-authorize", "popup,width=560,height=760"),
  leave_to: (url) => location.assign(url),
  start: (body) => api.post("/api/v1/authorizations", { body }),
  look: (id, wait, signal) => api.get("/api/v1/authorizations/{id}", { path: { id }, query: { wait }, signal }),
  cancel: (id) => api.post("/api/v1/authorizations/{id}/cancel", { path: { id } }),
  confirm: (id, accept, question) => api.post("/api/v1/authorizations/{id}/confirm", { path: { id }, body: { accept, question } }),
  undo: (id) => api.post("/api/v1/authorizations/{id}/undo", { path: { id } }),
  pause: (ms) => new Promise((resolve) => setTimeout(resolve, ms)),
};

const kWaitSeconds = 25;
export const asks_a_person = (attempt: Attempt | null): boolean => attempt?.state === "held" || attempt?.state === "needs_confirmation";

/** One attempt to authorise, from the click to its end. What counts is what the server says: a closed window
 *  proves nothing (a provider that severs the opener looks the same), so waiting ends only by callback, Cancel or expiry. */
export class AuthorizeFlow {
  phase = $state<"idle" | "starting" | "waiting" | "leaving" | "over">("idle");
  started = $state.raw<Started | null>(null);
  attempt = $state.raw<Attempt | null>(null);
  /** The server refused to begin, or an action on the attempt failed. */
  error = $state.raw<ApiError | null>(null);
  /** The browser shows no popup; the whole page goes instead. */
  popup_blocked = $state(false);
  /** The last look did not reach the server; it is tried again. */
  unreachable = $state(false);
  /** The answer turned up another question. */
  asks_anew = $state(false);

  #outside: Outside;
  #popup: Window | null = null;
  #looking = new AbortController();

  constructor(outside: Outside = browser) {
    this.#outside = outside;
  }

  /** Call synchronously from the click: browsers allow a popup only there. With the Cloud Service the page itself goes; ways other
   *  than the browser need neither. */
  async begin(body: Omit<NewAuthorization, "presentation">, how: "popup" | "page" = "popup"): Promise<void> {
    const here = (body.way ?? "browser") === "browser";
    this.stop();
    this.#looking = new AbortController();
    this.error = null;
    this.asks_anew = false;
    this.attempt = null;
    this.started = null;
    this.phase = "starting";
    const popup = here && how === "popup" ? this.#outside.open_popup() : null;
    this.popup_blocked = here && how === "popup" && (popup === null || popup.closed);
    this.#popup = this.popup_blocked ? null : popup;
    this.#say_opening();
    try {
      this.started = await this.#outside.start({ ...body, presentation: this.#popup || !here ? "popup" : "page" });
    } catch (error) {
      this.#close_popup();
      this.phase = "idle";
      this.error = as_api_error(error);
      return;
    }
    if (here && (this.#popup === null || this.started.presentation === "page")) {
      this.#close_popup();
      this.phase = "leaving";
      this.#outside.leave_to(this.started.start_url);
      return;
    }
    this.#popup?.location.replace(this.started.start_url);
    this.phase = "waiting";
    await this.#watch(this.started.id);
  }

  /** Picks up an attempt that this page has not begun, or that returned by full-page redirect. */
  async resume(id: string): Promise<void> {
    this.stop();
    this.#looking = new AbortController();
    this.phase = "waiting";
    await this.#watch(id, 0);
  }

  async #watch(id: string, first_wait = kWaitSeconds): Promise<void> {
    const { signal } = this.#looking;
    for (let wait = first_wait; !signal.aborted; wait = kWaitSeconds) {
      try {
        const attempt = await this.#outside.look(id, wait, signal);
        if (signal.aborted) return;
        this.unreachable = false;
        this.#take(attempt);
        if (attempt.state !== "pending") return;
      } catch (error) {
        if (signal.aborted) return;
        const failure = as_api_error(error);
        if (failure.problem.status >= 400 && failure.problem.status < 500 && failure.problem.status !== 429) {
          this.error = failure;
          this.phase = "over";
          return;
        }
        this.unreachable = true;
        await this.#outside.pause(2000);
      }
    }
  }

  #take(attempt: Attempt): void {
    this.attempt = attempt;
    if (attempt.state === "pending") return;
    this.phase = "over";
    this.#close_popup();
  }

  async cancel(): Promise<void> {
    const id = this.started?.id ?? this.attempt?.id;
    if (!id) return;
    await this.#act(() => this.#outside.cancel(id));
  }
  async confirm(accept: boolean): Promise<void> {
    const asked = this.attempt;
    if (!asked) return;
    await this.#act(() => this.#outside.confirm(asked.id, accept, asked.confirmation?.question ?? ""));
    this.asks_anew = !this.error && asks_a_person(this.attempt);
    if (this.error?.code === "question_changed") await this.#look_once(asked.id);
  }
  /** For the words of what is asked now; the refusal that told so stays on the page. */
  async #look_once(id: string): Promise<void> {
    try {
      this.#take(await this.#outside.look(id, 0, new AbortController().signal));
    } catch {
      // It still says what it said; another answer is refused as this one was.
    }
  }
  async undo(): Promise<void> {
    const id = this.attempt?.id;
    if (id) await this.#act(() => this.#outside.undo(id));
  }
  async #act(action: () => Promise<Attempt>): Promise<void> {
    this.error = null;
    try {
      const attempt = await action();
      this.#looking.abort();
      this.#take(attempt);
    } catch (error) {
      this.error = as_api_error(error);
    }
  }

  /** How the owner is asked, once that is known. */
  get way(): Attempt["way"] {
    return this.started?.way ?? this.attempt?.way ?? "browser";
  }
  /** The address for the owner, while it can be used. */
  get link(): string {
    if (this.attempt) return this.attempt.link;
    return this.started?.way === "owner_link" ? this.started.start_url : "";
  }
  get device(): Attempt["device"] {
    return this.started?.device ?? this.attempt?.device ?? null;
  }

  focus_popup(): void {
    this.#popup?.focus();
  }
  /** Forgets the attempt on this page; the server's record lives until its end. */
  stop(): void {
    this.#looking.abort();
    this.#close_popup();
  }
  reset(): void {
    this.stop();
    this.phase = "idle";
    this.attempt = null;
    this.started = null;
    this.error = null;
  }

  #say_opening(): void {
    try {
      if (!this.#popup) return;
      this.#popup.document.title = "Latchkey";
      this.#popup.document.body.textContent = "Opening the provider's page…";
    } catch {
      // The words are a courtesy; a browser that refuses them still goes on.
    }
  }
  #close_popup(): void {
    this.#popup?.close();
    this.#popup = null;
  }
}

export function as_api_error(error: unknown): ApiError {
  if (error instanceof ApiError) return error;
  return new ApiError({ type: "urn:latchkey:problem:internal", title: "A fault of this page", status: 0, detail: `Something unexpected happened on this page: ${error instanceof Error ? error.message : String(error)}. Reload it and try again.` });
}
