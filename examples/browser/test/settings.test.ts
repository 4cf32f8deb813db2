// What visitors stumble over: settings that are not what is shown, boxes beside their digits, files of the wrong kind.
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Page } from "playwright";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { drop, executablePath, hasChromium, type Laboratory, openLaboratory } from "./browser.ts";

const isolation = "cross-origin-embedder-policy";

if (!hasChromium) console.warn(`No Chromium at ${executablePath}: the laboratory's tests are skipped (CHROMIUM_PATH).`);

describe.skipIf(!hasChromium)("the laboratory's settings", () => {
  let laboratory: Laboratory;
  let page: Page;
  beforeAll(async () => {
    laboratory = await openLaboratory();
    page = await laboratory.browser.newPage({ viewport: { width: 1280, height: 900 } });
    await page.goto(laboratory.url);
    await ready(page);
  });
  afterAll(() => laboratory?.close());

  test.each([1440, 1000, 700, 375])("boxes lie on the digits on a page %i pixels wide", async (width) => {
    await page.setViewportSize({ width, height: 900 });
    if (width < 900) await open(page, "Settings of the data");
    for (const complexity of [6, 20, 36]) {
      await page.getByLabel("Sample complexity").fill(String(complexity));
      await ready(page);
      const truth = page.getByText("What the regions truly are");
      if (!(await page.locator("[data-test=details] details[open]").count())) await truth.click();
      const pictures = await page.locator(".picture").evaluateAll((all) =>
        all.map((picture) => {
          const [outer, canvas, svg] = [picture, ...picture.querySelectorAll("canvas, svg")].map((element) => {
            const { left, top, right, bottom } = element!.getBoundingClientRect();
            return [left, top, right, bottom].map(Math.round);
          });
          return { outer, canvas, svg };
        }),
      );
      expect(pictures.length).toBeGreaterThan(10);
      for (const { outer, canvas, svg } of pictures) {
        expect(svg).toEqual(canvas);
        expect(outer).toEqual(canvas);
      }
    }
  });

  test("on a phone the first picture comes soon, and what is not needed first is folded", async () => {
    const phone = await laboratory.browser.newPage({ viewport: { width: 375, height: 740 } });
    await phone.goto(laboratory.url);
    await ready(phone);
    const top = await phone.locator(".story-drawing").evaluate((drawing) => drawing.getBoundingClientRect().top);
    expect(top).toBeLessThan(740);
    expect(await phone.getByLabel("Sample complexity").isVisible()).toBe(false);
    await phone.getByRole("button", { name: "Step on" }).click(); // loads the model, which fills the sections below
    await phone.locator("[data-test=assignments]").waitFor({ state: "attached" });
    const height = await phone.evaluate(() => document.documentElement.scrollHeight);
    expect(height).toBeLessThan(7000);
    await open(phone, "Settings of the data");
    expect(await phone.getByLabel("Sample complexity").isVisible()).toBe(true);
    // Turned, a tablet has room for all of it; turned back, what was opened is open still.
    await phone.setViewportSize({ width: 1000, height: 740 });
    await expect.poll(() => phone.getByRole("slider", { name: "Epochs" }).isVisible()).toBe(true);
    expect(await phone.getByText("Choose a model’s folder").isVisible()).toBe(true);
    await phone.setViewportSize({ width: 375, height: 740 });
    await expect.poll(() => phone.getByRole("slider", { name: "Epochs" }).isVisible()).toBe(false);
    expect(await phone.getByLabel("Sample complexity").isVisible()).toBe(true);
    await phone.close();
  });

  test("where the host does not isolate the page, its service worker does, so that threads compute", async () => {
    const context = await laboratory.browser.newContext();
    await context.route("**", async (route) => {
      const response = await route.fetch();
      const { [isolation]: _, ...headers } = response.headers();
      await route.fulfill({ response, headers });
    });
    const visit = await context.newPage();
    let loads = 0;
    visit.on("load", () => loads++);
    const first = await visit.goto(laboratory.url);
    expect(first!.headers()[isolation]).toBeUndefined();
    await expect.poll(() => loads).toBe(2); // asking the page would count as a visitor's touch
    await ready(visit);
    expect(await visit.evaluate(() => crossOriginIsolated)).toBe(true);
    await visit.getByLabel("Compute on").selectOption("wasm");
    await visit.getByRole("slider", { name: "Epochs" }).fill("1");
    await visit.getByRole("button", { name: "Train", exact: true }).click();
    await expect.poll(() => visit.locator("[data-test=training]").getAttribute("data-state")).toBe("done");
    const threads = await visit.evaluate(() => navigator.hardwareConcurrency);
    expect(threads).toBeGreaterThan(1);
    expect(await visit.getByText(`WebAssembly, ${threads} threads`).count()).toBe(1);
    await context.unrouteAll({ behavior: "ignoreErrors" }); // what is still being fetched is not waited for
    await context.close();
  });

  test("settings stand in the address and survive a reload", async () => {
    await page.setViewportSize({ width: 1280, height: 900 });
    await page.goto(laboratory.url);
    await ready(page);
    await page.getByLabel("Sample complexity").fill("9");
    await page.getByLabel("Seed").fill("5");
    await page.getByLabel("Seed").blur();
    await ready(page);
    expect(new URL(page.url()).search).toBe("?seed=5&complexity=9");
    await page.reload();
    await ready(page);
    expect(await page.getByLabel("Seed").inputValue()).toBe("5");
    expect(await page.getByText("--seed 5").count()).toBe(1);
    await page.goto(`${laboratory.url}?seed=-3&complexity=ten&colors=pink`);
    await ready(page);
    expect(await page.getByLabel("Seed").inputValue()).toBe("23");
  });

  test("a seed that is none stays in the field, with a sentence", async () => {
    const seed = page.getByLabel("Seed", { exact: true });
    for (const wrong of ["-4", "1.5", "99999999999"]) {
      await seed.fill(wrong);
      await seed.blur();
      await page.getByText("Seed: a whole number from 0 to 4,294,967,295.").waitFor();
      expect(await seed.inputValue()).toBe(wrong);
    }
    await seed.fill("23");
    await seed.blur();
    await page.getByText("Seed: a whole number").waitFor({ state: "hidden" });
  });

  test("once a model is trained, changed settings are said, and what new data replace comes back", async () => {
    await page.getByLabel("Attribute budget, train").fill("500");
    await page.getByLabel("Attribute budget, val").fill("200");
    await ready(page);
    await page.getByRole("slider", { name: "Epochs" }).fill("1");
    await page.getByLabel("Compute on").selectOption("wasm");
    await page.getByRole("button", { name: "Train", exact: true }).click();
    await page.locator("[data-test=training][data-state=done]").waitFor({ timeout: 120_000 });
    expect(await page.locator("[data-test=changed]").textContent()).toBe("");
    await page.getByLabel("Sample complexity").fill("14");
    await page.getByText("Settings changed").waitFor();

    const trained = await page.locator("[data-test=training]").textContent();
    await page.getByRole("button", { name: "Generate" }).click();
    await page.locator("[data-test=training][data-state=idle]").waitFor({ state: "attached" });
    await ready(page);
    expect(await page.locator("[data-test=changed]").textContent()).toBe("");
    expect(await page.getByText("--target-sample-complexity 14").count()).toBe(1);

    await page.getByRole("button", { name: "Undo" }).click();
    await page.locator("[data-test=training][data-state=done]").waitFor();
    expect(await page.locator("[data-test=training]").textContent()).toBe(trained);
    expect(await page.getByText("--target-sample-complexity 14").count()).toBe(0);
    expect(await page.getByLabel("Sample complexity").inputValue()).not.toBe("14");
  });

  test("a trained model outlasts a reload", async () => {
    const trained = await page.locator("[data-test=training]").textContent();
    const figures = await page.locator("[data-test=metrics]").textContent();
    await page.reload();
    await ready(page);
    await page.locator("[data-test=training][data-state=done]").waitFor();
    expect(await page.locator("[data-test=training]").textContent()).toBe(trained);
    expect(await page.locator("[data-test=metrics]").textContent()).toBe(figures);
    await expect.poll(() => page.locator("[data-test=hits] li").count()).toBe(12);
  });

  test.each([
    ["last.pkl", "is a trained model"],
    ["RN50.pt", "RN50.pt: This is not a torch file"],
    ["model.safetensors", "model.safetensors: This is not"],
    ["model.onnx", "holds no image encoder"],
    ["notes.txt", "is a table or a text"],
    ["mugs.csv", "Drop the folder that holds it"],
    ["thing.xyz", "is not a dataset"],
  ])("dropping %s says what it is and what to do", async (name, sentence) => {
    const path = join(laboratory.folder, name);
    writeFileSync(path, "something");
    await drop(page, path);
    await page.getByRole("alert").filter({ hasText: name }).filter({ hasText: sentence }).waitFor();
  });
});

const ready = (page: Page): Promise<void> => page.locator("[data-test=dataset][aria-busy=false]").waitFor();

async function open(page: Page, summary: string): Promise<void> {
  const folded = page.locator("details", { has: page.getByText(summary) });
  // A page that has just become narrow folds it in its next frame.
  await page.evaluate(() => new Promise((drawn) => requestAnimationFrame(() => requestAnimationFrame(drawn))));
  if ((await folded.getAttribute("open")) === null) await page.getByText(summary).click();
}
