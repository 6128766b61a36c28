// npm run pictures [-- --schemes light --widths 360,1280 name...]: every view in light and dark at three widths, into screenshots/.
import { mkdir } from "node:fs/promises";
import { parseArgs } from "node:util";
import { start } from "../mock/server.ts";
import { fits, open_browser, open_page, sign_in, violations } from "./browser.ts";
import { kFlowViews, kViews } from "./views.ts";

const { values, positionals: wanted } = parseArgs({ allowPositionals: true, options: { schemes: { type: "string", default: "light,dark" }, widths: { type: "string", default: "360,768,1280" } } });
const directory = new URL("../screenshots/", import.meta.url).pathname;
await mkdir(directory, { recursive: true });
const { url, world, server } = await start({ port: 0, people: 130 });
const browser = await open_browser();
for (const scheme of values.schemes.split(",") as ("light" | "dark")[]) {
  for (const width of values.widths.split(",").map(Number)) {
    const { context, page, complaints } = await open_page(browser, { scheme, width }, url);
    await sign_in(page);
    for (const view of [...kViews, ...kFlowViews]) {
      if (wanted.length > 0 && !wanted.includes(view.name)) continue;
      try {
        await view.open(page, world);
      } catch (error) {
        console.log(`${view.name} ${scheme} ${width}: did not open: ${String(error).slice(0, 300)}`);
      }
      await page.screenshot({ path: `${directory}${view.name}-${scheme}-${width}.png` });
      for (const v of await violations(page)) console.log(`${view.name} ${scheme} ${width}: ${v}`);
      if (!(await fits(page))) console.log(`${view.name} ${scheme} ${width}: scrolls sideways`);
      for (const c of complaints.splice(0)) console.log(`${view.name} ${scheme} ${width}: ${c}`);
    }
    await context.close();
  }
}
await browser.close();
server.closeAllConnections();
server.close();
