// Holds pages against axe-core in a headless Chromium, wide and narrow, light and dark.
import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";
import path from "node:path";

const [packages, ...pages] = process.argv.slice(2);
const load = createRequire(pathToFileURL(path.resolve(packages) + "/"));
const { chromium } = load("playwright-core");
const axe = load.resolve("axe-core/axe.min.js");
if (pages.length === 0) throw new Error("usage: axe.mjs PACKAGES PAGE…");

const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
  args: ["--no-sandbox", "--disable-gpu", "--disable-quic", "--disable-background-networking"],
});
let violations = 0;
for (const page of pages) {
  for (const colorScheme of ["light", "dark"]) {
    for (const width of [360, 1440]) {
      // The page refuses scripts; axe is one.
      const context = await browser.newContext({
        bypassCSP: true, colorScheme, viewport: { width, height: 900 },
      });
      const tab = await context.newPage();
      await tab.goto(pathToFileURL(path.resolve(page)).href);
      await tab.addScriptTag({ path: axe });
      const result = await tab.evaluate(() => axe.run());
      const overflow = await tab.evaluate(
        () => document.documentElement.scrollWidth - document.documentElement.clientWidth);
      if (overflow > 0) {
        console.error(`${page} (${width} px): the page itself is ${overflow} px too wide`);
        violations += 1;
      }
      for (const violation of result.violations) {
        violations += 1;
        const places = violation.nodes.slice(0, 3).map((node) => node.html.slice(0, 120));
        console.error(`${page} (${colorScheme}, ${width} px): ${violation.id}: ${violation.help}`, places);
      }
      if (result.passes.length === 0) throw new Error("axe looked at nothing");
      await context.close();
    }
  }
}
await browser.close();
console.log(`axe: ${pages.length} page(s), ${violations} violation(s)`);
process.exit(violations === 0 ? 0 : 1);
