// A visitor's own pictures: a folder with a table, and photographs with drawn boxes that an own encoder is asked about.
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type Box, type RgbImage, readAnnotations, writeSafetensors } from "@villa/data";
import { openDataset } from "@villa/data/node";
import { encodePng } from "@villa/docmnist";
import { blobFiles, loadImageEncoder, loadTextTower } from "@villa/encoders";
import { ingestTable } from "@villa/ingest/node";
import { golden } from "@villa/testing";
import { testBackends } from "@villa/testing/backends";
import { clipConfig, type GoldenClipConfig, namedStateDict } from "@villa/testing/clip-weights";
import { unzipSync } from "fflate";
import type { Page } from "playwright";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { executablePath, hasChromium, type Laboratory, openLaboratory, watchPage } from "./browser.ts";

if (!hasChromium) console.warn(`No Chromium at ${executablePath}: the laboratory's tests are skipped (CHROMIUM_PATH).`);

const [{ salt, config }] = golden().json<[{ salt: string; config: GoldenClipConfig }]>("clip.json");
const clip = writeSafetensors(namedStateDict(salt, clipConfig(config)));
const soon = { timeout: 20_000 };
const head = "image,text,boxes,split";
const rows = Array.from({ length: 8 }, (_, i) => {
  const kind = i === 1 ? "webp" : i === 2 ? "jpeg" : "png";
  const boxes = i === 3 ? "" : `"[[0,0,29.5,40],[30,0,60,40]]"`;
  return `photos/${i}.${kind},A red mug. A ${i % 2 ? "crimson" : "blue"} plate. No spoon.,${boxes},${i < 6 ? "training" : "val"}`;
});

describe.skipIf(!hasChromium)("own data", () => {
  let laboratory: Laboratory;
  let page: Page;
  let problems: readonly string[];
  let folder: string;
  const summary = () => page.locator("[data-test=dataset]").textContent();

  beforeAll(async () => {
    laboratory = await openLaboratory();
    page = await laboratory.browser.newPage({ viewport: { width: 1280, height: 900 } });
    ({ problems } = watchPage(page));
    await page.goto(`${laboratory.url}?train=500&val=200`);
    await page.locator("[data-test=dataset][aria-busy=false]").waitFor();
    folder = join(laboratory.folder, "kitchen");
    mkdirSync(join(folder, "photos"), { recursive: true });
    for (const [i, row] of rows.entries()) {
      const name = row.split(",")[0]!;
      const png = Buffer.from(encodePng(photo(i)));
      writeFileSync(join(folder, name), name.endsWith("png") ? png : await converted(page, png, name.split(".")[1]!));
    }
    writeFileSync(
      join(folder, "attributes.json"),
      JSON.stringify([{ name: "red", synonyms: ["crimson"] }, "blue", "mug", "plate", "spoon"]),
    );
    writeFileSync(join(folder, "kitchen.csv"), `${[head, ...rows].join("\n")}\n`);
  });
  afterAll(() => laboratory?.close());

  test("a folder with a table that has faults is refused row by row, and the data before stay", async () => {
    const before = await summary();
    const bad = join(laboratory.folder, "bad");
    mkdirSync(bad);
    const table = [head, "photos/0.png,,,train", 'a.png,red,"[[0,0,99,9]]",train', "photos/1.png", ""];
    writeFileSync(join(bad, "bad.csv"), table.join("\n"));
    writeFileSync(join(bad, "attributes.json"), '["red"]');
    writeFileSync(join(bad, "a.png"), encodePng(photo(0)));
    await page.getByLabel("Open a folder").setInputFiles(bad);
    const alert = page.getByRole("alert").filter({ hasText: "bad.csv cannot be used" });
    await alert.waitFor();
    const text = await alert.textContent();
    expect(text).toContain("3 rows of bad/bad.csv cannot be used; put right what is listed:");
    expect(text).toContain("row 0: its text is empty");
    expect(text).toContain("row 1 (a.png): box 0, [0, 0, 99, 9], reaches outside of its 60 × 40");
    expect(text).toContain("row 2: it has 1 field, but the head 4");
    expect(await summary()).toBe(before);
    await page.getByLabel("Dismiss").click();
  });

  test("a large folder says how far it is, and can be stopped: the data before stay", async () => {
    const before = await summary();
    const large = join(laboratory.folder, "large");
    mkdirSync(large);
    writeFileSync(join(large, "attributes.json"), '["red"]');
    const size = 1500;
    writeFileSync(
      join(large, "a.png"),
      encodePng({ width: size, height: size, data: new Uint8Array(4 * size * size) }),
    );
    const lines = Array.from({ length: 2000 }, () => "a.png,A red mug.,,train");
    writeFileSync(join(large, "large.csv"), [head, ...lines].join("\n"));
    await page.getByLabel("Open a folder").setInputFiles(large);
    await expect.poll(() => page.locator("[data-test=reading]").textContent(), soon).toMatch(/^\d+ of 2000 rows/);
    await page.getByRole("button", { name: "Stop reading" }).click();
    await page.getByRole("alert").filter({ hasText: "Reading the table was stopped." }).waitFor();
    expect(await page.locator("[data-test=reading]").count()).toBe(0);
    expect(await summary()).toBe(before);
    await page.getByLabel("Dismiss").click();
  });

  test("a folder with a table becomes the dataset that villa ingest makes of it", async () => {
    await page.getByLabel("Open a folder").setInputFiles(folder);
    await expect.poll(summary, soon).toContain("6 train images, 19 regions");
    const [download] = await Promise.all([
      page.waitForEvent("download"),
      page.getByRole("button", { name: "Dataset (.zip)" }).click(),
    ]);
    const members = unzipSync(readFileSync(await download.path()));
    const taken = await readAnnotations(members["kitchen/annotations.feather"]!);
    const out = join(laboratory.folder, "ingested");
    await ingestTable({ table: join(folder, "kitchen.csv"), attributes: join(folder, "attributes.json"), out });
    const made = await openDataset(out);
    const plain = (all: readonly object[]) => all.map((row) => ({ ...row, imageFilepath: "" }));
    expect(plain(taken)).toEqual(plain(made.annotations));
    expect(new TextDecoder().decode(members["kitchen/attributes.json"])).toBe(
      readFileSync(join(out, "attributes.json"), "utf8"),
    );
    expect(taken[1]!.attributes).toEqual(["red", "mug", "plate"]);
    expect(taken[3]!.regionCoord).toHaveLength(9);
    await page.getByText("A folder of pictures with a table works too").click();
    await page.setViewportSize({ width: 390, height: 800 });
    await page.emulateMedia({ colorScheme: "dark" });
    expect(await page.evaluate(() => document.documentElement.scrollWidth)).toBeLessThanOrEqual(390);
    await page.setViewportSize({ width: 1280, height: 900 });
    await page.emulateMedia({ colorScheme: "light" });
  });

  test("a box drawn on a photograph is scored for free text by the encoder", async () => {
    const buffer = Buffer.from(clip);
    const mimeType = "application/octet-stream";
    await page.getByLabel("Choose weights").setInputFiles({ name: "RN50.pt", mimeType, buffer });
    await page.getByText(`Vectors of ${config.embed_dim} numbers.`).waitFor();
    await page.getByLabel("Compute on").selectOption("wasm");
    await page.getByRole("slider", { name: "Epochs" }).fill("1");
    await page.getByRole("button", { name: "Train", exact: true }).click();
    const training = page.locator("[data-test=training]");
    await expect.poll(() => training.getAttribute("data-state"), { timeout: 120_000 }).toBe("done");

    const image = photo(11);
    const png = { name: "mine.png", mimeType: "image/png", buffer: Buffer.from(encodePng(image)) };
    await page.getByLabel("Add pictures").setInputFiles(png);
    const dialog = page.getByRole("dialog");
    const drawing = (await dialog.locator(".drawing").boundingBox())!;
    await page.mouse.move(drawing.x + 1, drawing.y + 1);
    await page.mouse.down();
    await page.mouse.move(drawing.x + drawing.width / 2, drawing.y + drawing.height - 2);
    await page.mouse.up();
    await dialog.getByRole("button", { name: "Add a box" }).click();
    const numbers = await dialog
      .locator(".boxes input")
      .evaluateAll((all) => all.map((input) => +(input as HTMLInputElement).value));
    const boxes = [numbers.slice(0, 4), numbers.slice(4)] as unknown as Box[];
    await dialog.getByRole("button", { name: "Add to the dataset" }).click();
    await page.getByText("1 own image, 2 regions").waitFor();
    await page.getByLabel("Among").selectOption("own");
    await page.getByLabel("What to look for").fill("a red car");
    await page.getByLabel("Free text, compared by your encoder alone").check();
    await page.getByText("The best regions for “a red car”.").waitFor(soon);
    const shown = await page.locator("[data-test=hits] li span").allTextContents();
    const expected = await cosines("a red car", planes(image), boxes);
    expect(shown.map((text) => Number(text.trim().replace("−", "-")))).toEqual(
      expected.sort((a, b) => b - a).map((score) => Number(score.toFixed(2))),
    );
  });

  test("leaves nothing to complain of", () => expect(problems).toEqual([]));
});

/** Two halves of other colours, RGBA. */
function photo(i: number) {
  const [width, height] = [60, 40];
  const data = new Uint8Array(4 * width * height);
  for (let at = 0; at < width * height; at++) {
    const isLeft = at % width < width / 2;
    data.set(isLeft ? [200, 20 + 10 * i, 30, 255] : [20, 60, 100 + 10 * i + (at % 7), 255], 4 * at);
  }
  return { width, height, data };
}

function planes({ width, height, data: rgba }: ReturnType<typeof photo>): RgbImage {
  const area = width * height;
  const data = Uint8Array.from({ length: 3 * area }, (_, i) => rgba[4 * (i % area) + Math.floor(i / area)]!);
  return { width, height, channels: 3, data };
}

/** A PNG as a file of another kind, made by the browser. */
async function converted(page: Page, png: Buffer, kind: string): Promise<Buffer> {
  const base64 = await page.evaluate(
    async ([source, type]) => {
      const image = Object.assign(new Image(), { src: `data:image/png;base64,${source}` });
      await image.decode();
      const canvas = Object.assign(document.createElement("canvas"), { width: image.width, height: image.height });
      canvas.getContext("2d")!.drawImage(image, 0, 0);
      return canvas.toDataURL(`image/${type}`).split(",")[1]!;
    },
    [png.toString("base64"), kind] as const,
  );
  return Buffer.from(base64, "base64");
}

/** Of each box with a text, by the packages in Node. */
async function cosines(text: string, image: RgbImage, boxes: readonly Box[]): Promise<number[]> {
  await testBackends()[0]!.activate();
  const files = await blobFiles(new Map([["model.safetensors", new Blob([clip as Uint8Array<ArrayBuffer>])]]));
  const [tower, words] = [await loadImageEncoder({ files }), await loadTextTower({ files })];
  const regions = await tower.encodeRegions([image], [boxes]);
  const query = await words.encodeText([text]);
  tower.dispose();
  words.dispose();
  const norm = (values: Float32Array) => Math.hypot(...values);
  return boxes.map((_, i) => {
    const region = regions.subarray(i * query.length, (i + 1) * query.length);
    return region.reduce((sum, value, k) => sum + value * query[k]!, 0) / (norm(region) * norm(query));
  });
}
