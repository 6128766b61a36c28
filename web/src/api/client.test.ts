import { afterEach, describe, expect, it, vi } from "vitest";
import { api, ApiError, fill_path, set_csrf_token, when_signed_out } from "./client.ts";

afterEach(() => vi.unstubAllGlobals());
const reply = (status: number, body?: unknown) => new Response(body === undefined ? null : JSON.stringify(body), { status });

describe("fill_path", () => {
  it("escapes what stands in the path and leaves empty parameters out", () => {
    expect(fill_path("/api/v1/registry/{key}", { key: "a/b?" }, undefined)).toBe("/api/v1/registry/a%2Fb%3F");
    expect(fill_path("/api/v1/users", undefined, { search: "a b&c", group: "", cursor: undefined, limit: 50 })).toBe("/api/v1/users?search=a+b%26c&limit=50");
  });
});

describe("api", () => {
  it("sends the CSRF token with what changes something, and only with that", async () => {
    set_csrf_token("t1");
    const fetch = vi.fn(async (_url: string, _init: RequestInit) => reply(200, { needed: false, expires_at: null }));
    vi.stubGlobal("fetch", fetch);
    await api.get("/api/v1/setup");
    await api.patch("/api/v1/grants/{id}", { path: { id: "g" }, body: { enabled: false } });
    const [get, patch] = fetch.mock.calls.map(([, init]) => init.headers as Record<string, string>);
    expect(get).not.toHaveProperty("X-CSRF-Token");
    expect(patch?.["X-CSRF-Token"]).toBe("t1");
    expect(fetch.mock.calls[1]?.[1].body).toBe('{"enabled":false}');
  });

  it("turns problem details into an error with code and fields", async () => {
    vi.stubGlobal("fetch", async () => reply(422, { type: "urn:latchkey:problem:invalid_fields", title: "", status: 422, detail: "", errors: [{ field: "value", message: "too long" }] }));
    const error = await api.put("/api/v1/registry/{key}", { path: { key: "k" }, body: { value: "" } }).catch((e: unknown) => e);
    expect(error).toBeInstanceOf(ApiError);
    expect((error as ApiError).code).toBe("invalid_fields");
    expect((error as ApiError).fields).toEqual({ value: "too long" });
  });

  it("explains a proxy's page and a dead line in words", async () => {
    vi.stubGlobal("fetch", async () => new Response("<html>", { status: 502 }));
    await expect(api.get("/api/v1/setup")).rejects.toMatchObject({ problem: { status: 502, detail: expect.stringContaining("502") } });
    vi.stubGlobal("fetch", async () => Promise.reject(new TypeError("fetch failed")));
    await expect(api.get("/api/v1/setup")).rejects.toMatchObject({ code: "no_answer" });
  });

  it("says when the session has ended, and only then", async () => {
    const ended = vi.fn();
    when_signed_out(ended);
    const problem = (code: string, status: number) => reply(status, { type: `urn:latchkey:problem:${code}`, title: "", status, detail: "" });
    vi.stubGlobal("fetch", async () => problem("invalid_credentials", 401));
    await api.get("/api/v1/groups").catch(() => undefined);
    expect(ended).not.toHaveBeenCalled();
    vi.stubGlobal("fetch", async () => problem("not_signed_in", 401));
    await api.get("/api/v1/groups").catch(() => undefined);
    expect(ended).toHaveBeenCalledOnce();
  });
});
