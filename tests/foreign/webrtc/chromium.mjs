// Chromium places a call from the softphone page, as a person would: Call, wait, Hang up.
// Usage: node chromium.mjs SOFTPHONE_URL RECORDING SCREENSHOT
import { writeFileSync } from "node:fs";
import { launch } from "./browser.mjs";

const [url, recording, screenshot] = process.argv.slice(2);
const browser = await launch();
try {
  const page = await browser.newPage({ viewport: { width: 720, height: 900 } });
  const complaints = [];
  page.on("pageerror", error => complaints.push(String(error)));
  page.on("console", message => message.type() === "error" && complaints.push(message.text()));
  await page.goto(url);
  await page.getByRole("button", { name: "Call" }).click();
  await page.getByText("In call").waitFor({ timeout: 30_000 });
  // Long enough for several of the fake device's beeps.
  await page.waitForFunction(() => parseInt(document.querySelector("#sent").textContent) >= 300,
    null, { timeout: 30_000 });
  await page.screenshot({ path: screenshot });
  const session = await page.locator("#session").textContent();
  await page.getByRole("button", { name: "Hang up" }).click();
  await page.getByText("Call over").waitFor();
  const ended = page.locator("#recording:not([hidden])");
  await ended.waitFor({ timeout: 10_000 });
  const audio = await ended.getAttribute("data-url");
  const answer = await page.request.get(new URL(audio, url).href);
  if (!answer.ok()) throw new Error(`no recording: ${answer.status()}`);
  writeFileSync(recording, await answer.body());
  // Chromium itself reports the recording that is not there yet.
  const serious = complaints.filter(text => !text.includes("404"));
  if (serious.length) throw new Error(serious.join("\n"));
  console.log(`session ${session}, path ${await page.locator("#path").textContent()}, ` +
    `keys ${await page.locator("#keys").textContent()}, ${await page.locator("#sent").textContent()}`);
} finally {
  await browser.close();
}
