import type { components, paths } from "./schema.d.ts";

export type Schemas = components["schemas"];
export type Problem = Schemas["Problem"];

type Method = "get" | "post" | "put" | "patch" | "delete";
type PathsWith<M extends Method> = { [P in keyof paths]: paths[P] extends Record<M, { responses: unknown }> ? P : never }[keyof paths];
type Operation<P extends keyof paths, M extends Method> = paths[P] extends Record<M, infer O> ? O : never;
type Json<T> = T extends { content: { "application/json": infer J } } ? J : void;
type Reply<O> = O extends { responses: infer R } ? (R extends { 200: infer T } ? Json<T> : R extends { 201: infer T } ? Json<T> : void) : never;
type PathParameters<O> = O extends { parameters: { path: infer T } } ? { path: T } : { path?: never };
type QueryParameters<O> = O extends { parameters: { query?: infer T } } ? { query?: T } : { query?: never };
type Body<O> = O extends { requestBody: { content: { "application/json": infer T } } } ? { body: T } : { body?: never };
export type Options<P extends keyof paths, M extends Method> = PathParameters<Operation<P, M>> &
  QueryParameters<Operation<P, M>> &
  Body<Operation<P, M>> & { signal?: AbortSignal };

/** A refusal by the server, or (status 0) no answer at all. */
export class ApiError extends Error {
  readonly problem: Problem;
  constructor(problem: Problem) {
    super(problem.detail);
    this.name = "ApiError";
    this.problem = problem;
  }
  /** `username_taken` of `urn:latchkey:problem:username_taken`. */
  get code(): string {
    return this.problem.type.replace(/^urn:latchkey:problem:/, "");
  }
  /** Message per field of the request. */
  get fields(): Record<string, string> {
    return Object.fromEntries((this.problem.errors ?? []).map((e) => [e.field, e.message]));
  }
}

let csrf_token = "";
let on_signed_out: () => void = () => undefined;

export function set_csrf_token(token: string): void {
  csrf_token = token;
}
/** Called when the server says that the session has ended. */
export function when_signed_out(callback: () => void): void {
  on_signed_out = callback;
}

export function fill_path(path: string, parameters: Record<string, unknown> | undefined, query: Record<string, unknown> | undefined): string {
  let url = path.replace(/\{(\w+)\}/g, (_, name: string) => encodeURIComponent(String(parameters?.[name])));
  const search = new URLSearchParams();
  for (const [name, value] of Object.entries(query ?? {})) {
    if (value !== undefined && value !== null && value !== "") search.set(name, String(value));
  }
  if (search.size > 0) url += `?${search}`;
  return url;
}

async function problem_of(response: Response): Promise<Problem> {
  try {
    const body = (await response.json()) as Problem;
    if (typeof body.type === "string" && typeof body.detail === "string") return body;
  } catch {
    // Not ours: a proxy's page, say. Said below.
  }
  return {
    type: "urn:latchkey:problem:internal",
    title: "Unexpected answer",
    status: response.status,
    detail: `The server answered ${response.status} without an explanation. If a proxy stands in between, look at its log.`,
  };
}

async function call<P extends keyof paths, M extends Method>(method: M, path: P, options: Options<P, M>): Promise<Reply<Operation<P, M>>> {
  const headers: Record<string, string> = { Accept: "application/json" };
  if (method !== "get") headers["X-CSRF-Token"] = csrf_token;
  const init: RequestInit = { method: method.toUpperCase(), headers, credentials: "same-origin", cache: "no-store", redirect: "error" };
  if (options.body !== undefined) {
    headers["Content-Type"] = "application/json";
    init.body = JSON.stringify(options.body);
  }
  if (options.signal) init.signal = options.signal;
  let response: Response;
  try {
    response = await fetch(fill_path(path, options.path as Record<string, unknown> | undefined, options.query as Record<string, unknown> | undefined), init);
  } catch (cause) {
    if (cause instanceof DOMException && cause.name === "AbortError") throw cause;
    throw new ApiError({
      type: "urn:latchkey:problem:no_answer",
      title: "No answer",
      status: 0,
      detail: "The Latchkey server does not answer. Check that it is running and that this machine can reach it, then try again.",
    });
  }
  if (!response.ok) {
    const problem = await problem_of(response);
    if (problem.type === "urn:latchkey:problem:not_signed_in") on_signed_out();
    throw new ApiError(problem);
  }
  if (response.status === 204) return undefined as Reply<Operation<P, M>>;
  return (await response.json()) as Reply<Operation<P, M>>;
}

/** Calls checked at compile time against api/openapi.json. They throw `ApiError`. */
export const api = {
  get: <P extends PathsWith<"get">>(path: P, options: Options<P, "get"> = {} as Options<P, "get">) => call("get", path, options),
  post: <P extends PathsWith<"post">>(path: P, options: Options<P, "post">) => call("post", path, options),
  put: <P extends PathsWith<"put">>(path: P, options: Options<P, "put">) => call("put", path, options),
  patch: <P extends PathsWith<"patch">>(path: P, options: Options<P, "patch">) => call("patch", path, options),
  delete: <P extends PathsWith<"delete">>(path: P, options: Options<P, "delete"> = {} as Options<P, "delete">) => call("delete", path, options),
};
