// Takes the documentation's pictures of every panel: node --import tsx --conditions=@villa/source scripts/pictures.ts
// or, of some alone, with their ids: scripts/pictures.ts story compare. Takes minutes: it trains a mapping model and the towers with the page's own settings.
import { join } from "node:path";
import { writeSafetensors } from "@villa/data";
import { golden } from "@villa/testing";
import { clipConfig, type GoldenClipConfig, namedStateDict } from "@villa/testing/clip-weights";
import { openLaboratory } from "../test/browser.ts";

const images = join(import.meta.dirname, "../../../docs/images");
/** Panels by their ids, and what their picture is called. */
const panels = {
  story: "laboratory-story",
  generate: "laboratory-generate",
  train: "laboratory-train",
  map: "laboratory",
  ask: "laboratory-ask",
  compare: "laboratory-compare",
  encoder: "laboratory-encoder",
  files: "laboratory-files",
} as const;

const chosen = process.argv.slice(2);
const wants = (id: string) => chosen.length === 0 || chosen.includes(id);

const laboratory = await openLaboratory();
try {
  const page = await laboratory.browser.newPage({
    viewport: { width: 1240, height: 900 },
    colorScheme: "light",
    reducedMotion: "reduce",
  });
  await page.goto(laboratory.url);
  await page.locator("[data-test=dataset][aria-busy=false]").waitFor();
  for (const name of ["Compute on", "Run on"]) await page.getByLabel(name).selectOption("wasm");
  await page.getByRole("button", { name: "Train", exact: true }).click();
  await page.locator("[data-test=training][data-state=done]").waitFor({ timeout: 300_000 });
  if (wants("compare")) {
    await page.getByRole("button", { name: "Train towers" }).click();
    await page.locator("[data-test=towers][data-state=done]").waitFor({ timeout: 900_000 });
  }
  if (wants("encoder")) {
    // A small CLIP with weights made from their names stands in for real ones.
    const [{ salt, config }] = golden().json<[{ salt: string; config: GoldenClipConfig }]>("clip.json");
    const buffer = Buffer.from(writeSafetensors(namedStateDict(salt, clipConfig(config))));
    const weights = { name: "model.safetensors", mimeType: "application/octet-stream", buffer };
    await page.getByLabel("Choose weights").setInputFiles(weights);
    await page.getByText(/^Vectors of/).waitFor();
  }
  await page.getByRole("slider", { name: "Step of the story" }).fill("5");
  await page.locator(".story .thread.found").first().waitFor({ state: "attached" });
  for (const [id, name] of Object.entries(panels)) {
    if (!wants(id)) continue;
    await page.locator(`#${id}`).scrollIntoViewIfNeeded();
    await page.waitForTimeout(1000); // charts and pictures are drawn
    await page.locator(`#${id}`).screenshot({ path: join(images, `${name}.png`) });
    console.log(`${name}.png`);
  }
} finally {
  await laboratory.close();
}
