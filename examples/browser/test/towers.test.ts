// Stage 2 in the page: towers trained on whole images and on mapped regions, few steps each.
import { readFileSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { useNodeBackend } from "@villa/backend-node";
import { readAnnotations, writeAnnotations } from "@villa/data";
import { openDataset } from "@villa/data/node";
import { evaluateCheckpoint } from "@villa/vlm/node";
import type { Page } from "playwright";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import {
  download,
  executablePath,
  hasChromium,
  type Laboratory,
  openLaboratory,
  type PageLog,
  unpack,
  watchPage,
} from "./browser.ts";

if (!hasChromium) console.warn(`No Chromium at ${executablePath}: the laboratory's tests are skipped (CHROMIUM_PATH).`);

/** Small data: training takes seconds. */
const address = "?seed=7&train=500&val=200&colors=red,blue&shapes=none";
const long = { timeout: 150_000 };

describe.skipIf(!hasChromium)("towers of Stage 2", () => {
  let laboratory: Laboratory;
  let page: Page;
  let log: PageLog;
  let dataset: string;

  beforeAll(async () => {
    laboratory = await openLaboratory();
    page = await laboratory.browser.newPage({ viewport: { width: 1280, height: 900 } });
    log = watchPage(page);
    await page.goto(`${laboratory.url}${address}`);
    await ready(page);
  });
  afterAll(() => laboratory?.close());

  test("nothing of it is loaded, and nothing empty is shown, before a training", async () => {
    const names = Object.keys(laboratory.files).filter((name) => /train-towers/.test(name));
    expect(names.length).toBe(1);
    expect(log.requests.filter((url) => url.endsWith(names[0]!))).toEqual([]);
    expect(await page.locator("#compare .chart, #train .chart").count()).toBe(0);
    expect(await page.locator("#compare").getByText("R-Precision").count()).toBe(1);
  });

  test("stopped before the first tower, it says so without an alert", async () => {
    await steps(page, 10);
    await trainButton(page).click();
    // The other training waits, and so do the data.
    await page.locator("[data-test=towers][data-state=running]").waitFor();
    expect(await page.getByRole("button", { name: "Train", exact: true }).getAttribute("aria-disabled")).toBe("true");
    expect(await page.getByLabel("Sample complexity").isDisabled()).toBe(true);
    await page.locator("#compare").getByRole("button", { name: "Stop" }).focus();
    await page.keyboard.press("Enter");
    await page.getByText("Stopped. No tower was finished.").waitFor(long);
    expect(await alerts(page)).toEqual([]);
    expect(await page.evaluate(() => document.activeElement?.textContent)).toBe("Train towers");
  }, 180_000);

  test("where software stands in for a graphics card, it says that this is slow, and what is faster", async () => {
    await page.getByLabel("Run on").selectOption("webgl");
    await trainButton(page).click();
    await page.locator("#compare [data-test=software]").getByText("“auto” takes wasm").waitFor(long);
    await page.locator("#compare").getByRole("button", { name: "Stop" }).click();
    await page.getByText("Stopped. No tower was finished.").waitFor(long);
    await page.getByLabel("Run on").selectOption("auto");
    expect(await alerts(page)).toEqual([]);
  }, 180_000);

  test("stopped later, it keeps the towers that are finished, and trains the rest when asked", async () => {
    await trainButton(page).click();
    await page.locator("[data-test=towers][data-points='1']").waitFor(long);
    await page.locator("#compare").getByRole("button", { name: "Stop" }).click();
    await page.getByText(/Stopped\. [1-5] of 6 towers trained\. They are kept\./).waitFor(long);
    expect(await alerts(page)).toEqual([]);
    const first = (await figures(page))[0]!;

    await trainButton(page).click();
    await page
      .locator("[data-test=towers-progress]")
      .getByText(/about \d+ (s|min) left/)
      .waitFor(long);
    await page.getByText("All 6 towers are trained.").waitFor(long);
    const rows = await figures(page);
    expect(rows[0]).toEqual(first);
    expect(rows.map(({ pairs }) => pairs)).toEqual(Array(3).fill(["Whole images", "Mapped regions"]).flat());
    for (const { regionToText } of rows) expect(regionToText).toBeGreaterThan(0);
    expect(new Set(rows.map(({ complexity }) => complexity)).size).toBe(3);
    expect(await page.locator("#compare .chart circle").count()).toBe(6);
    const amount = String.raw`by [\d.]+\u00a0points at [\d.]+ pairs an image`;
    const who = "(mapped regions|whole images) lead";
    expect(await page.locator("[data-test=finding]").textContent()).toMatch(
      new RegExp(`grow apart: ${who} ${amount}(, ${who}| and) ${amount}\\.`),
    );
  }, 300_000);

  test("the checkpoint is judged by villa as it was here, and the ONNX file is its own", async () => {
    const rows = await figures(page);
    dataset = await unpack(await download(page, "Dataset (.zip)"), join(laboratory.folder, "data"));
    const checkpoint = join(laboratory.folder, "tower_mapped.safetensors");
    const file = await download(page, "Checkpoint (.safetensors)");
    expect(file.suggestedFilename()).toBe("tower_mapped.safetensors");
    await file.saveAs(checkpoint);
    await useNodeBackend({ name: "wasm" });
    const { regionToText, textToRegion } = await evaluateCheckpoint({ dataDir: dataset, checkpoint, split: "val" });
    expect(regionToText.rPrecision).toBeCloseTo(rows[5]!.regionToText, 2);
    expect(textToRegion.rPrecision).toBeCloseTo(rows[5]!.textToRegion, 2);

    const onnx = await download(page, "Tower (.onnx)");
    expect(onnx.suggestedFilename()).toBe("tower_mapped.onnx");
    const bytes = readFileSync(await onnx.path());
    for (const name of ["images", "boxes", "embeddings", "villa-region-encoder"])
      expect(bytes.includes(name)).toBe(true);
  }, 120_000);

  test("towers are shown for their settings alone, whatever the complexity of the data", async () => {
    const rows = await figures(page);
    await page.getByLabel("Sample complexity").fill("9");
    await ready(page);
    await expect.poll(() => figures(page)).toEqual(rows);

    await steps(page, 20);
    await page.getByText("belong to other data or another length").waitFor();
    expect(await figures(page)).toEqual([]);
    expect(await page.locator("#compare .chart").count()).toBe(0);
    expect(await page.getByRole("button", { name: "Checkpoint (.safetensors)" }).count()).toBe(0);
    await steps(page, 10);
    await expect.poll(() => figures(page)).toEqual(rows);

    await page.getByLabel("Attribute budget, train").fill("600");
    await page.getByText("belong to other data or another length").waitFor();
    expect(await figures(page)).toEqual([]);
    await page.getByLabel("Attribute budget, train").fill("500");
    await expect.poll(() => figures(page)).toEqual(rows);
    await page.getByLabel("Sample complexity").fill("12");
    await ready(page);
  });

  test("they outlast a reload", async () => {
    const rows = await figures(page);
    expect(rows.length).toBe(6);
    await page.reload();
    await ready(page);
    await steps(page, 10);
    await expect.poll(() => figures(page)).toEqual(rows);
    expect((await download(page, "Tower (.onnx)")).suggestedFilename()).toBe("tower_mapped.onnx");
  });

  test("axe finds nothing in any panel, wide or as a phone, light or dark, and nothing is wider than the window", async () => {
    // A model of one's own, so that every panel has something to show.
    await page.getByRole("slider", { name: "Epochs" }).fill("1");
    await page.getByRole("button", { name: "Train", exact: true }).click();
    await page.locator("[data-test=training][data-state=done]").waitFor(long);
    await expect.poll(() => page.locator("[data-test=hits] li").count()).toBe(12);
    expect(await page.locator(".chart").count()).toBe(3);
    await page.emulateMedia({ reducedMotion: "reduce" });
    await page.evaluate(axeCore());
    const found: string[] = [];
    for (const width of [1280, 390]) {
      await page.setViewportSize({ width, height: 844 });
      await openAll(page);
      for (const colorScheme of ["light", "dark"] as const) {
        await page.emulateMedia({ colorScheme });
        for (const step of ["1", "4", "5"]) {
          await page.getByRole("slider", { name: "Step of the story" }).fill(step);
          await page.locator(`[data-test=story-step]`).waitFor();
          const findings = await axeFindings(page);
          found.push(...findings.map((finding) => `${width} ${colorScheme}, step ${step} of the story: ${finding}`));
        }
        const [content, window] = await page.evaluate(
          () => [document.documentElement.scrollWidth, innerWidth] as const,
        );
        expect(content).toBeLessThanOrEqual(window);
      }
    }
    expect(found).toEqual([]);
    await page.emulateMedia({ colorScheme: "light", reducedMotion: "no-preference" });
    await page.setViewportSize({ width: 1280, height: 900 });
  }, 180_000);

  test("data from files have one complexity: two towers, and no settings of drawn digits", async () => {
    await page.getByLabel("Open a folder").setInputFiles(dataset);
    await page.getByText("Data from files have one complexity").waitFor();
    expect(await figures(page)).toEqual([]);
    await trainButton(page).click();
    await page.getByText("All 2 towers are trained.").waitFor(long);
    const rows = await figures(page);
    const { annotations } = await openDataset(dataset);
    const train = annotations.filter(({ split }) => split === "train");
    const pairs = train.reduce((sum, { regToAttr }) => sum + regToAttr!.flat().length, 0);
    expect(rows.map(({ complexity }) => complexity)).toEqual(Array(2).fill((pairs / train.length).toFixed(1)));
    expect(await page.locator("#compare .chart g[aria-label=bar] rect").count()).toBe(2);
    await page
      .getByText(/^(Mapped regions|Whole images) lead by [\d.]+\u00a0points at 12\.0 pairs an image\.$/)
      .waitFor();
  }, 180_000);

  test("data whose truth is not known cannot judge towers, which is said", async () => {
    const path = join(dataset, "annotations.feather");
    const rows = await readAnnotations(readFileSync(path));
    const without = rows.map((row) => ({ ...row, regToAttr: undefined }));
    writeFileSync(path, await writeAnnotations(without));
    await page.getByLabel("Open a folder").setInputFiles(dataset);
    await page.getByText("The true attributes of these data are not known").waitFor();
    expect(await trainButton(page).getAttribute("aria-disabled")).toBe("true");
    expect(await figures(page)).toEqual([]);
  });

  test("had nothing to complain of", () => {
    expect(log.problems).toEqual([]);
  });
});

const ready = (page: Page): Promise<void> => page.locator("[data-test=dataset][aria-busy=false]").waitFor();
const trainButton = (page: Page) => page.locator("#compare").getByRole("button", { name: /^Train/ });

async function steps(page: Page, count: number): Promise<void> {
  await page.getByRole("slider", { name: "Length of each training" }).fill(String(count));
}

/** The site depends on axe-core and checks its pages with it. */
function axeCore(): string {
  const site = createRequire(join(import.meta.dirname, "../../../site/package.json"));
  return readFileSync(site.resolve("axe-core/axe.min.js"), "utf8");
}

/** What axe-core finds on the page as it is shown now, one line each. */
const axeFindings = (page: Page): Promise<string[]> =>
  page.evaluate(async () => {
    type Finding = { id: string; nodes: { target: unknown[]; failureSummary?: string }[] };
    const { axe } = globalThis as unknown as { axe: { run(): Promise<{ violations: Finding[] }> } };
    const { violations } = await axe.run();
    return violations.map(({ id, nodes }) => `${id}: ${nodes[0]!.target} ${nodes[0]!.failureSummary}`);
  });

const alerts = async (page: Page): Promise<string[]> =>
  (await page.getByRole("alert").allTextContents()).filter((text) => text !== "");

/** The table of the towers. */
async function figures(page: Page) {
  const rows = await page.locator("[data-test=tower-figures] tbody tr").all();
  return Promise.all(
    rows.map(async (row) => {
      const values = await row.locator("data").evaluateAll((all) => all.map((cell) => cell.getAttribute("value")));
      return {
        pairs: await row.locator("th").textContent(),
        complexity: await row.locator("td").first().textContent(),
        regionToText: Number(values[0]),
        textToRegion: Number(values[1]),
      };
    }),
  );
}

/** Opens what is folded, from the outside in. */
async function openAll(page: Page): Promise<void> {
  const closed = page.locator("details:not([open]) > summary").filter({ visible: true });
  while ((await closed.count()) > 0) await closed.first().click();
}
