import { readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { brotliCompressSync, constants, gzipSync } from "node:zlib";
import type { Plugin } from "vite";

const kCompressible = /\.(?:js|css|svg|json|txt)$/;

/** Writes `file.br` and `file.gz` beside every text asset that gets at least a tenth smaller.
 *  index.html stays plain: the server puts a fresh nonce into each response. */
export function precompress(): Plugin {
  let directory = "dist";
  return {
    name: "precompress",
    apply: "build",
    configResolved(config) {
      directory = join(config.root, config.build.outDir);
    },
    async closeBundle() {
      for (const entry of await readdir(directory, { recursive: true, withFileTypes: true })) {
        if (!entry.isFile() || !kCompressible.test(entry.name)) continue;
        const path = join(entry.parentPath, entry.name);
        const bytes = await readFile(path);
        const br = brotliCompressSync(bytes, { params: { [constants.BROTLI_PARAM_QUALITY]: 11, [constants.BROTLI_PARAM_SIZE_HINT]: bytes.length } });
        const gz = gzipSync(bytes, { level: 9 });
        if (br.length < bytes.length * 0.9) await writeFile(`${path}.br`, br);
        if (gz.length < bytes.length * 0.9) await writeFile(`${path}.gz`, gz);
      }
    },
  };
}
