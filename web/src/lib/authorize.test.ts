import { describe, expect, it, vi } from "vitest";
import { ApiError, type Schemas } from "../api/client.ts";
import { AuthorizeFlow, type Outside } from "./authorize.svelte.ts";

type Attempt = Schemas["Authorization"];
const started: Schemas["AuthorizationStarted"] = { id: "a1", start_url: "http://localhost/oauth/start/a1", redirect_uri: "http://localhost/oauth/callback/box", expires_at: "2026-11-23T19:10:00.000Z", presentation: "popup" as const, way: "browser" as const, device: null };
const attempt = (state: Attempt["state"], more: Partial<Attempt> = {}): Attempt => ({ id: "a1", state, started: true, type: "box", username: "hall", redirect_uri: started.redirect_uri, expires_at: started.expires_at, problem: null, confirmation: null, result: null, way: "browser", device: null, link: "", ...more });
const confirmation = { code: "account_differs" as const, question: "q1", holder: "", before: { id: "1", name: "anna" }, now: { id: "2", name: "bob" }, detail: "" };
const refusal = (status: number, code: string) => new ApiError({ type: `urn:latchkey:problem:${code}`, title: code, status, detail: code });

class FakePopup {
  closed = false;
  went_to = "";
  document = { title: "", body: { textContent: "" } };
  location = { replace: (url: string) => (this.went_to = url) };
  close() {
    this.closed = true;
  }
  focus() {}
}
function outside(looks: (Attempt | ApiError)[], popup: FakePopup | null = new FakePopup()) {
  const sent: unknown[] = [];
  const fake = {
    popup,
    sent,
    left_to: "",
    looks_made: 0,
    open_popup: () => popup as unknown as Window | null,
    leave_to: (url: string) => (fake.left_to = url),
    start: async (body: Schemas["NewAuthorization"]) => {
      sent.push(body);
      return { ...started, presentation: body.presentation ?? "popup" };
    },
    look: async () => {
      fake.looks_made++;
      const next = looks.shift();
      if (!next) return new Promise<Attempt>(() => undefined);
      if (next instanceof ApiError) throw next;
      return next;
    },
    cancel: async () => attempt("cancelled"),
    answers: [] as (Attempt | ApiError)[],
    answered: [] as unknown[],
    confirm: async (_: string, accept: boolean, question: string) => {
      fake.answered.push([accept, question]);
      const next = fake.answers.shift() ?? attempt(accept ? "completed" : "cancelled");
      if (next instanceof ApiError) throw next;
      return next;
    },
    undo: async () => attempt("cancelled"),
    pause: async () => undefined,
  };
  return fake satisfies Outside & Record<string, unknown>;
}
const body = { type: "box", group_id: "g1", username: "hall", pin: "h7kq2mx9aw", allow_token: false };

describe("AuthorizeFlow", () => {
  it("opens the popup before anything is awaited, and sends it to the start address", async () => {
    const fake = outside([attempt("pending"), attempt("completed")]);
    const opened = vi.spyOn(fake, "open_popup");
    const flow = new AuthorizeFlow(fake);
    const done = flow.begin(body);
    expect(opened).toHaveBeenCalledOnce();
    await done;
    expect(fake.popup?.went_to).toBe(started.start_url);
    expect(flow.attempt?.state).toBe("completed");
    expect(flow.phase).toBe("over");
    expect(fake.popup?.closed).toBe(true);
  });

  it("goes on waiting when the popup looks closed (a severed opener looks the same)", async () => {
    const popup = new FakePopup();
    const fake = outside([attempt("pending"), attempt("pending"), attempt("completed")], popup);
    const start = fake.start;
    fake.start = async (b) => {
      const reply = await start(b);
      setTimeout(() => (popup.closed = true));
      return reply;
    };
    const flow = new AuthorizeFlow(fake);
    await flow.begin(body);
    expect(flow.attempt?.state).toBe("completed");
    expect(fake.looks_made).toBe(3);
  });

  it("goes with the whole page when the popup is blocked", async () => {
    const fake = outside([], null);
    const flow = new AuthorizeFlow(fake);
    await flow.begin(body);
    expect(fake.sent[0]).toMatchObject({ presentation: "page" });
    expect(fake.left_to).toBe(started.start_url);
    expect(flow.popup_blocked).toBe(true);
    expect(fake.looks_made).toBe(0);
  });

  it("opens no popup when the Cloud Service carries the flow", async () => {
    const fake = outside([]);
    const opened = vi.spyOn(fake, "open_popup");
    const flow = new AuthorizeFlow(fake);
    await flow.begin(body, "page");
    expect(opened).not.toHaveBeenCalled();
    expect(fake.left_to).toBe(started.start_url);
    expect(flow.popup_blocked).toBe(false);
  });

  it("opens no window with a device code, and waits here", async () => {
    const device = { user_code: "WDJB-MJHT", verification_uri: "https://p.example/device", verification_uri_complete: "" };
    const fake = outside([attempt("pending", { way: "device_code", device }), attempt("held", { way: "device_code" })]);
    fake.start = async () => ({ ...started, start_url: "", presentation: "popup" as const, way: "device_code" as const, device });
    const opened = vi.spyOn(fake, "open_popup");
    const flow = new AuthorizeFlow(fake);
    await flow.begin({ ...body, way: "device_code" });
    expect(opened).not.toHaveBeenCalled();
    expect(fake.left_to).toBe("");
    expect(flow.popup_blocked).toBe(false);
    expect(flow.attempt?.state).toBe("held");
    expect(flow.way).toBe("device_code");
  });

  it("shows a link that another page has made at once, without waiting for a change", async () => {
    const link = "http://localhost/oauth/start/a1";
    const fake = outside([attempt("pending", { way: "owner_link", link, started: false })]);
    const waits: number[] = [];
    const look = fake.look;
    fake.look = async (_id?: string, wait?: number) => {
      waits.push(wait ?? -1);
      return look();
    };
    const flow = new AuthorizeFlow(fake);
    void flow.resume("a1");
    await vi.waitFor(() => expect(flow.link).toBe(link));
    expect(flow.way).toBe("owner_link");
    await vi.waitFor(() => expect(waits).toEqual([0, 25]));
    flow.stop();
  });

  it("closes the popup and keeps the form when the server refuses to begin", async () => {
    const fake = outside([]);
    fake.start = async () => Promise.reject(refusal(409, "username_taken"));
    const flow = new AuthorizeFlow(fake);
    await flow.begin(body);
    expect(flow.phase).toBe("idle");
    expect(flow.error?.code).toBe("username_taken");
    expect(fake.popup?.closed).toBe(true);
  });

  it("tries again while the server does not answer, and gives up when it says there is no such attempt", async () => {
    const away = new ApiError({ type: "urn:latchkey:problem:no_answer", title: "", status: 0, detail: "" });
    const flow = new AuthorizeFlow(outside([away, refusal(503, "not_ready"), attempt("completed")]));
    await flow.begin(body);
    expect(flow.attempt?.state).toBe("completed");
    expect(flow.unreachable).toBe(false);

    const lost = new AuthorizeFlow(outside([refusal(404, "not_found")]));
    await lost.begin(body);
    expect(lost.phase).toBe("over");
    expect(lost.error?.code).toBe("not_found");
  });

  it("cancels at the server and stops looking", async () => {
    const fake = outside([attempt("pending")]);
    const flow = new AuthorizeFlow(fake);
    void flow.begin(body);
    await vi.waitFor(() => expect(flow.phase).toBe("waiting"));
    await flow.cancel();
    expect(flow.attempt?.state).toBe("cancelled");
    expect(flow.phase).toBe("over");
    expect(fake.popup?.closed).toBe(true);
  });

  it("asks before another account takes over", async () => {
    const fake = outside([attempt("needs_confirmation", { confirmation })]);
    const flow = new AuthorizeFlow(fake);
    await flow.begin(body);
    expect(flow.phase).toBe("over");
    await flow.confirm(false);
    expect(flow.attempt?.state).toBe("cancelled");
    expect(fake.answered).toEqual([[false, "q1"]]);
  });

  it("shows what is asked now, when an answer turns it up or comes too late for what was asked", async () => {
    const held = { ...confirmation, code: "held" as const };
    const in_use = { ...confirmation, code: "account_held" as const, question: "q2", holder: "hall" };
    const fake = outside([attempt("held", { confirmation: held }), attempt("needs_confirmation", { confirmation: { ...in_use, question: "q3", holder: "copier" } })]);
    const flow = new AuthorizeFlow(fake);
    await flow.begin(body);
    fake.answers = [attempt("needs_confirmation", { confirmation: in_use }), refusal(409, "question_changed")];
    await flow.confirm(true);
    expect(flow.asks_anew).toBe(true);
    expect(flow.attempt?.confirmation?.holder).toBe("hall");
    await flow.confirm(true);
    expect(flow.error?.code).toBe("question_changed");
    expect(flow.attempt?.confirmation?.holder).toBe("copier");
    await flow.confirm(true);
    expect(fake.answered).toEqual([[true, "q1"], [true, "q2"], [true, "q3"]]);
    expect(flow.error).toBe(null);
    expect(flow.asks_anew).toBe(false);
  });
});
