import { svelte } from "@sveltejs/vite-plugin-svelte";
import { defineConfig } from "vitest/config";
import { precompress } from "./vite/precompress.ts";

export default defineConfig({
  plugins: [svelte(), precompress()],
  // The server replaces this literal, in index.html only, by a fresh nonce per response.
  html: { cspNonce: "__CSP_NONCE__" },
  build: {
    target: ["chrome123", "firefox128", "safari17.5"],
    // No data: URLs beyond what the policy allows, and no inlined scripts.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    reportCompressedSize: false,
  },
  server: { proxy: { "/api": "http://127.0.0.1:8480", "/oauth": "http://127.0.0.1:8480", "/v1": "http://127.0.0.1:8480" } },
  resolve: process.env["VITEST"] ? { conditions: ["browser"] } : {},
  test: { include: ["src/**/*.test.ts"], environment: "node", testTimeout: 30_000 },
});
