// The story, as a visitor reads it: nothing is trained before.
import type { Page } from "playwright";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { executablePath, hasChromium, type Laboratory, openLaboratory, type PageLog, watchPage } from "./browser.ts";

if (!hasChromium) console.warn(`No Chromium at ${executablePath}: the laboratory's tests are skipped (CHROMIUM_PATH).`);

describe.skipIf(!hasChromium)("the story", () => {
  let laboratory: Laboratory;
  let page: Page;
  let log: PageLog;
  beforeAll(async () => {
    laboratory = await openLaboratory();
    page = await laboratory.browser.newPage({ viewport: { width: 1280, height: 900 } });
    log = watchPage(page);
    await page.goto(laboratory.url);
    await page.locator(".gallery li").first().waitFor();
  });
  afterAll(() => laboratory?.close());

  const step = () => page.locator("[data-test=story-step]").getAttribute("data-step");
  const scrub = (to: number) => page.getByRole("slider", { name: "Step of the story" }).fill(String(to));

  test("is scrubbed from the picture to lines that a model has found", async () => {
    await scrub(0);
    expect(await step()).toBe("image");
    expect(await page.locator(".story .sentence").count()).toBe(0);
    await scrub(1);
    const sentences = await page.locator(".story .sentence").count();
    expect(sentences).toBeGreaterThan(3);

    await scrub(2);
    const regions = await page.locator(".story .cut").count();
    expect(await page.locator(".story .thread").count()).toBe(sentences * regions);
    // What is right of all that is told from the truth, so it does not depend on the model.
    await page
      .locator("[data-test=story-step]")
      .getByText(/5\d\.\d\u00a0%/)
      .waitFor();

    await scrub(5);
    const found = () => page.locator(".story path.thread.found").count();
    await expect.poll(found).toBeGreaterThan(sentences / 2);
    const wrong = await page.locator(".story path.thread.wrong").count();
    expect((await found()) + wrong).toBeLessThan(sentences * regions);
    expect(await page.locator(".story .fact").allTextContents()).toEqual([
      `${await found()}right`,
      `${wrong}wrong`,
      `${await page.locator(".story path.thread.missed").count()}missed`,
    ]);
    await page
      .locator("[data-test=story-step]")
      .getByText(/7\d\.\d\u00a0%/)
      .waitFor();
  });

  test("marks on the number line exactly the regions within ε of the best", async () => {
    await scrub(4);
    const places = await page.locator(".story .stop").evaluateAll((stops) =>
      stops.map((stop) => ({
        x: Number.parseFloat((stop as SVGElement).style.transform.slice("translate(".length)),
        isIn: stop.classList.contains("in"),
      })),
    );
    const band = await page.locator(".story .band").evaluate((rect) => {
      const [x, width] = ["x", "width"].map((name) => Number(rect.getAttribute(name)));
      return [x!, x! + width!] as const;
    });
    expect(Math.max(...places.map(({ x }) => x))).toBeCloseTo(band[1], 2);
    for (const { x, isIn } of places) expect(isIn).toBe(x > band[0]);
    expect(places.some(({ isIn }) => !isIn)).toBe(true);
  });

  /** Sentences that are cut, or that lie under a line or over their frame; lines over a picture. */
  async function whatIsHidden(): Promise<string[]> {
    const edges = (selector: string) =>
      page.locator(selector).evaluateAll((all) =>
        all.map((element) => {
          const { left, right } = element.getBoundingClientRect();
          return { left, right, text: element.textContent };
        }),
      );
    const [cut] = await edges(".story .cut .frame");
    const [frame] = await edges(".story .sentence rect");
    const sentences = await edges(".story .sentence text");
    const lines = await edges(".story path.thread");
    return [
      ...sentences.filter(({ right, text }) => text.includes("…") || right > frame!.right).map(({ text }) => text),
      ...lines
        .filter(({ left, right }) => left < cut!.right - 1 || right > frame!.left + 1)
        .map(({ left, right }) => `a line from ${left} to ${right}`),
    ];
  }

  test("on a phone sentences can be read to their end, and no line lies on a picture or a sentence", async () => {
    await page.emulateMedia({ reducedMotion: "reduce" }); // nothing is on its way
    for (const width of [390, 360]) {
      await page.setViewportSize({ width, height: 844 });
      await scrub(5);
      await page.locator(".story path.thread.found").first().waitFor();
      // The drawing follows the page's width in its own time.
      await expect.poll(() => whatIsHidden()).toEqual([]);
    }
    await page.setViewportSize({ width: 1280, height: 900 });
    await page.emulateMedia({ reducedMotion: "no-preference" });
  });

  test("plays by itself and pauses", async () => {
    await scrub(0);
    await page.clock.install();
    await page.getByRole("button", { name: "Play" }).click();
    await page.clock.runFor(12_000);
    await expect.poll(step).toBe("sentences");
    await page.getByRole("button", { name: "Pause" }).click();
    await page.clock.runFor(20_000);
    expect(await step()).toBe("sentences");
    await page.clock.resume();
  });

  test("the model that comes with the page maps and answers at once, and is a small file", async () => {
    expect(await page.locator("[data-test=training]").getAttribute("data-state")).toBe("idle");
    await page.locator("#ask").scrollIntoViewIfNeeded();
    await expect.poll(() => page.locator("[data-test=hits] li").count()).toBe(12);
    expect(await page.locator("[data-test=assignments] tbody tr").count()).toBeGreaterThan(1);
    expect(await page.locator("#map").getByText("F1 of giving everything to every region").count()).toBe(1);
    const model = Object.entries(laboratory.files).find(([name]) => name.endsWith(".safetensors"))!;
    expect(model[1]).toBeLessThan(100_000);
    expect(log.problems).toEqual([]);
  });

  test("the map opens at the ε of the best F1, as the story does, and finds back to it", async () => {
    const slider = page.getByRole("slider", { name: "ε" });
    const f1 = () => page.locator("[data-test=metrics] .f1 dd").textContent();
    const best = await slider.inputValue();
    await scrub(4);
    await page
      .locator("[data-test=story-step]")
      .getByText(`here ${Number(best).toFixed(2)}`)
      .waitFor();
    await scrub(5);
    expect(await page.locator("[data-test=story-step]").textContent()).toContain(`F1 is ${await f1()}`);
    const use = page.getByRole("button", { name: "Use the best ε" });
    expect(await use.isDisabled()).toBe(true);
    await slider.fill("0.5");
    expect(Number.parseFloat((await f1())!)).toBeLessThan(73);
    await use.click();
    expect(await slider.inputValue()).toBe(best);
  });

  test("a model that does not know all attributes stays away", async () => {
    await page.getByRole("group", { name: "Shapes" }).getByLabel("triangle").check();
    await expect.poll(() => page.locator("[data-test=hits] li").count()).toBe(0);
    await page.locator("[data-test=dataset][aria-busy=false]").waitFor();
    expect(await page.locator("[data-test=hits] li").count()).toBe(0);
    await page.locator("#map").getByText("No model knows these data yet: train one above.").waitFor();
    await scrub(5);
    await page.locator("[data-test=story-step]").getByText("No model knows these data yet").waitFor();
    await page.getByRole("group", { name: "Shapes" }).getByLabel("triangle").uncheck();
    await expect.poll(() => page.locator("[data-test=hits] li").count()).toBe(12);
  });
});
