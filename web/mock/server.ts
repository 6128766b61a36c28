// Development only, never shipped: serves dist/ under the strict policy of the real server and answers the API from memory.
// node mock/server.ts [--port 8490] [--people 130] [--fresh]    sign in as mara / practice-only; with --fresh open /setup#code=mock-code
import { randomBytes } from "node:crypto";
import { readFile } from "node:fs/promises";
import { createServer, type IncomingMessage, type Server } from "node:http";
import { extname, join, normalize } from "node:path";
import { parseArgs } from "node:util";
import { answer, finish } from "./api.ts";
import { World, type User } from "./world.ts";

const kDist = join(import.meta.dirname, "..", "dist");
const kTypes: Record<string, string> = { ".html": "text/html; charset=utf-8", ".js": "text/javascript; charset=utf-8", ".css": "text/css; charset=utf-8", ".svg": "image/svg+xml" };

export const policy = (nonce: string) =>
  `default-src 'none'; script-src 'self'; style-src 'self' 'nonce-${nonce}'; img-src 'self' data:; connect-src 'self'; font-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'`;

async function read_json(request: IncomingMessage): Promise<Record<string, unknown>> {
  let text = "";
  for await (const chunk of request) text += chunk;
  return text ? JSON.parse(text) : {};
}
const consent = (id: string, page: boolean) => `<!doctype html><html lang="en"><title>Practice consent</title><main><h1>Practice provider</h1><p>May Latchkey deliver in your name?</p>
${["allow", "refuse", "other", "less"].map((how) => `<form method="post" action="/oauth/answer/${id}/${how}${page ? "/page" : ""}"><button id="${how}">${how}</button></form>`).join("")}</main></html>`;

/** Listens on loopback; port 0 picks a free one. */
export async function start(options: { port: number; people: number; fresh?: boolean }): Promise<{ url: string; world: World; server: Server }> {
  const sessions = new Map<string, User>();
  let world = new World("", 0);

  const server = createServer((request, response) => {
    void serve().catch((error: unknown) => {
      response.writeHead(500, { "Content-Type": "text/plain" }).end(String(error));
    });

    async function serve() {
      const url = new URL(request.url ?? "/", world.public_url);
      const method = request.method ?? "GET";
      if (url.pathname.startsWith("/api/v1/")) {
        const cookie = /latchkey=(\w+)/.exec(request.headers.cookie ?? "")?.[1] ?? "";
        const who = sessions.get(cookie) ?? null;
        if (method !== "GET" && request.headers["x-csrf-token"] !== "mock-token") return json(403, { type: "urn:latchkey:problem:csrf_failed", title: "Please try again", status: 403, detail: "The page was open too long. Load it again." });
        const reply = await answer(world, {
          method, path: url.pathname, query: url.searchParams, body: method === "GET" ? {} : await read_json(request), who,
          set_cookie(user) {
            const id = randomBytes(12).toString("hex");
            if (user) sessions.set(id, user);
            response.setHeader("Set-Cookie", user ? `latchkey=${id}; HttpOnly; SameSite=Strict; Path=/` : "latchkey=; Max-Age=0; Path=/");
          },
        });
        return json(reply.status, reply.body);
      }
      const flow = /^\/oauth\/(start|answer)\/([0-9a-f-]+)(?:\/(\w+))?(\/page)?$/.exec(url.pathname);
      if (flow) {
        const attempt = world.attempts.get(flow[2] ?? "");
        if (!attempt) return response.writeHead(404).end();
        if (flow[1] === "start") {
          attempt.started = true;
          return response.writeHead(200, { "Content-Type": kTypes[".html"] }).end(consent(attempt.id, attempt.request.presentation === "page"));
        }
        finish(world, attempt, flow[3] as "allow");
        return response.writeHead(303, { Location: flow[4] ? `/users?authorization=${attempt.id}` : "/oauth/done" }).end();
      }
      if (url.pathname === "/oauth/done") return response.writeHead(200, { "Content-Type": kTypes[".html"] }).end('<!doctype html><html lang="en"><title>Done</title><p>Done. You may close this window.</p>');
      const file = normalize(url.pathname);
      const asset = extname(file) !== "";
      try {
        let bytes = await readFile(join(kDist, asset ? file : "index.html"));
        const nonce = randomBytes(16).toString("base64");
        if (!asset) bytes = Buffer.from(bytes.toString().replaceAll("__CSP_NONCE__", nonce));
        response.writeHead(200, { "Content-Type": kTypes[asset ? extname(file) : ".html"] ?? "application/octet-stream", "Content-Security-Policy": policy(nonce), "X-Content-Type-Options": "nosniff", "Cross-Origin-Opener-Policy": "same-origin-allow-popups", "Cache-Control": file.startsWith("/assets/") ? "public, max-age=31536000, immutable" : "no-cache" }).end(bytes);
      } catch {
        response.writeHead(404).end();
      }
    }
    function json(status: number, body: unknown) {
      response.writeHead(status, { "Content-Type": status >= 400 ? "application/problem+json" : "application/json", "Cache-Control": "no-store" }).end(body === undefined ? undefined : JSON.stringify(body));
    }
  });
  await new Promise<void>((resolve) => server.listen(options.port, "127.0.0.1", resolve));
  const address = server.address();
  const url = `http://localhost:${typeof address === "object" && address ? address.port : options.port}`;
  world = new World(url, options.people);
  if (options.fresh) Object.assign(world, { setup_done: false, users: [], groups: [], activity: [], alerts: [] });
  return { url, world, server };
}

if (import.meta.main) {
  const { values } = parseArgs({ options: { port: { type: "string", default: "8490" }, people: { type: "string", default: "130" }, fresh: { type: "boolean", default: false } } });
  const { url } = await start({ port: Number(values.port), people: Number(values.people), fresh: values.fresh });
  console.log(`${url}  (mara / practice-only)`);
}
