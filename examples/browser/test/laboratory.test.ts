// Drives the built page in Chromium as a visitor would, and compares what it computes with Node.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { useNodeBackend } from "@villa/backend-node";
import { attributeNames, decodeImage } from "@villa/data";
import { openDataset } from "@villa/data/node";
import {
  attributeVocabulary,
  chooseAttributes,
  encodePng,
  generateDocMnist,
  glyphSource,
  sampleAnnotation,
} from "@villa/docmnist";
import { digestDataset, visualizeDataset, writeDataset } from "@villa/docmnist/node";
import { attributeEmbeddings, pixelsEncoder } from "@villa/encoders";
import { buildSplit, stage1Config, trainMapping } from "@villa/mapping";
import { runMapping } from "@villa/mapping/node";
import { preprocessDataset } from "@villa/preprocess";
import type { Page } from "playwright";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import {
  download,
  drop,
  executablePath,
  hasChromium,
  type Laboratory,
  openLaboratory,
  type PageLog,
  unpack,
  watchPage,
} from "./browser.ts";

if (!hasChromium) console.warn(`No Chromium at ${executablePath}: the laboratory's tests are skipped (CHROMIUM_PATH).`);

/** Two colours and no shapes: twelve heads, small enough for a graphics card made of software. */
const settings = { seed: 7, attributeBudget: 1000, valAttributeBudget: 200, targetSampleComplexity: 8 };
const attributes = chooseAttributes({ colors: ["red", "blue"], shapes: ["none"] });
const training = { dimension: 64, epochs: 4, batchSize: 32, learningRate: 0.003, seed: 23 };
/** For polling: machines may be busy. */
const soon = { timeout: 20_000 };
/** F1 after four epochs, and after two. Giving every attribute of an image to all of its regions yields 50. */
const leastF1 = [65, 58] as const;

describe.skipIf(!hasChromium)("the laboratory", () => {
  let laboratory: Laboratory;
  let page: Page;
  let log: PageLog;
  let dataset: string;
  let losses: number[];

  beforeAll(async () => {
    laboratory = await openLaboratory();
    page = await laboratory.browser.newPage({ viewport: { width: 1280, height: 900 } });
    log = watchPage(page);
  });
  afterAll(() => laboratory?.close());

  test("starts with less than 150 kB and without TensorFlow.js", async () => {
    await page.goto(laboratory.url);
    await page.locator(".gallery li").first().waitFor();
    const loaded = builtFiles(log, laboratory);
    const size = (names: readonly string[]): number => names.reduce((sum, name) => sum + laboratory.files[name]!, 0);
    const rest = Object.keys(laboratory.files).filter((name) => !loaded.includes(name));
    console.log(`gzip: page ${kilobytes(size(loaded))} (${listed(loaded, laboratory)})`);
    console.log(`gzip: on demand ${kilobytes(size(rest))} (${listed(rest, laboratory)})`);
    expect(loaded.length).toBeGreaterThan(2);
    expect(size(loaded)).toBeLessThan(150_000);
    expect(loaded.filter((name) => /session|wasm|plots|Arrow/.test(name))).toEqual([]);
  });

  test("starts again without a network, after one visit", async () => {
    const context = await laboratory.browser.newContext();
    const visit = await context.newPage();
    await visit.goto(laboratory.url);
    await expect.poll(() => keptFiles(visit), soon).toEqual(expect.arrayContaining(["", "worker"]));
    await context.setOffline(true);
    await visit.reload();
    await visit.locator(".gallery li").first().waitFor();
    await visit.getByRole("button", { name: "Train", exact: true }).click();
    await visit.getByText("connect to the network and try again").waitFor();
    await context.close();
  });

  test("generates the dataset that Node generates, byte for byte", async () => {
    await page.getByLabel("Attribute budget, train").fill(String(settings.attributeBudget));
    await page.getByLabel("Attribute budget, val").fill(String(settings.valAttributeBudget));
    await page.getByLabel("Sample complexity").fill(String(settings.targetSampleComplexity));
    for (const name of ["yellow", "green", "purple"]) await colours(page).getByLabel(name).uncheck();
    for (const name of ["circle", "rectangle"])
      await page.getByRole("group", { name: "Shapes" }).getByLabel(name).uncheck();
    await page.getByLabel("Seed").fill(String(settings.seed));
    await page.getByRole("button", { name: "Generate" }).click();

    const here = await writeDataset({
      ...settings,
      attributes,
      digits: glyphSource(settings.seed),
      out: join(laboratory.folder, "node"),
    });
    const { images } = (await digestDataset(here.directory)).train!;
    await page.locator("[data-test=dataset][aria-busy=false]").waitFor();
    expect((await splitSizes(page))[0]).toBe(images);
    dataset = await unpack(await download(page, "Dataset (.zip)"), join(laboratory.folder, "page"));
    expect(await digestDataset(dataset)).toEqual(await digestDataset(here.directory));
    for (const file of ["annotations.feather", "attributes.json", "images/0.npz", `images/${images}.npz`]) {
      expect(readFileSync(join(dataset, file)).equals(readFileSync(join(here.directory, file))), file).toBe(true);
    }
  });

  test("trains on wasm with the losses that Node has", async () => {
    await page.getByText("More settings").click();
    await page.getByLabel("Embedding length").selectOption(String(training.dimension));
    await page.getByLabel("Images a batch").selectOption(String(training.batchSize));
    await page.getByLabel("Learning rate").selectOption(String(training.learningRate));
    await page.getByRole("slider", { name: "Epochs" }).fill(String(training.epochs));
    console.log(`while training, ${await watchThread(page, () => train(page, "wasm"))}`);
    losses = await epochLosses(page);
    const expected = await lossesInNode();
    expect(losses.length).toBe(training.epochs);
    for (const [epoch, loss] of losses.entries())
      expect(loss / expected[epoch]!, `epoch ${epoch + 1}`).toBeCloseTo(1, 4);
    expect(await f1(page)).toBeGreaterThan(leastF1[0]);
    expect(builtFiles(log, laboratory).some((name) => name.includes("kernels-"))).toBe(true);
  });

  test("ε moves precision and recall", async () => {
    const before = await metrics(page);
    const slider = page.getByRole("slider", { name: "ε" });
    const best = await slider.inputValue();
    await slider.focus();
    for (let i = 0; i < 20; i++) await page.keyboard.press("ArrowRight");
    await expect.poll(() => metrics(page).then(({ recall }) => recall), soon).toBeGreaterThan(before.recall);
    expect((await metrics(page)).precision).toBeLessThan(before.precision);
    await slider.fill(best);
    await expect.poll(() => metrics(page), soon).toEqual(before);
  });

  test("answers in words", async () => {
    const search = page.getByLabel("What to look for");
    await search.fill("find a blue 1");
    await page.getByText(/blue \+ one: true of \d+ regions?; of the best \d+ found, \d+ (is|are) right/).waitFor();
    await expect.poll(() => page.locator("[data-test=hits] li").count(), soon).toBe(12);
    await search.fill("a bleu one");
    await page.getByText("did you mean “blue”?").waitFor();
  });

  test("the command line's code reads mapping and model, and maps the same", async () => {
    const path = join(dataset, "mapping_val.feather");
    await (await download(page, "Mapping of val (.feather)")).saveAs(path);
    const checkpoint = join(laboratory.folder, "last.pkl");
    await (await download(page, "Model (.pkl)")).saveAs(checkpoint);
    const mapped = await (await openDataset(dataset)).mappings("val");
    await visualizeDataset({
      dataDir: dataset,
      mapping: path,
      out: join(laboratory.folder, "mapped.png"),
      count: 4,
      scale: 2,
    });

    await useNodeBackend({ name: "wasm" });
    const encoder = pixelsEncoder(training);
    await preprocessDataset({ dataDir: dataset, encoder });
    encoder.dispose();
    const epsilon = Number(await page.getByRole("slider", { name: "ε" }).inputValue());
    const checkpointDir = join(laboratory.folder, "run");
    const config = stage1Config({ dataDir: dataset, checkpointDir, mapping: { epsilon } });
    const { mappings } = await runMapping(config, { checkpoint });
    const again = await (await openDataset(dataset)).mappings("val");
    expect(mappings.find(({ split }) => split === "val")?.report?.f1).toBeCloseTo((await f1(page)) / 100, 2);
    // A score may lie on either side of the threshold by rounding.
    const same = mapped.filter(
      ({ assignedAttributes }, i) => `${assignedAttributes}` === `${again[i]!.assignedAttributes}`,
    );
    expect(same.length).toBeGreaterThan(0.95 * mapped.length);
  });

  test("stops when it is told to, and keeps what it has learned", async () => {
    const epochs = page.getByRole("slider", { name: "Epochs" });
    await epochs.fill("40");
    await page.getByRole("button", { name: "Train", exact: true }).click();
    await page.getByText(/epoch [1-9]\d* done/).waitFor();
    await page.getByRole("button", { name: "Stop" }).click();
    await page.getByText(/^Stopped after \d+ epochs/).waitFor();
    expect((await epochLosses(page))[0]).toBeCloseTo(losses[0]!, 5);
    expect(await f1(page)).toBeGreaterThan(0);
    await epochs.fill(String(training.epochs));
  });

  test("opens its own archive and a folder again", async () => {
    const annotations = (await openDataset(dataset)).annotations.length;
    const archive = await download(page, "Dataset (.zip)");
    const path = join(laboratory.folder, "again.zip");
    await archive.saveAs(path);
    await drop(page, path);
    await expect.poll(() => trainingState(page), soon).toBe("idle");
    await page.locator(".gallery li").first().waitFor();
    await page.getByRole("slider", { name: "Epochs" }).fill("1");
    await train(page, "wasm");
    expect((await epochLosses(page))[0]).toBeCloseTo(losses[0]!, 5);

    await drop(page, dataset);
    await expect.poll(() => trainingState(page), soon).toBe("idle");
    expect((await splitSizes(page)).reduce((a, b) => a + b)).toBe(annotations);
    await page.getByLabel("Open a .zip").setInputFiles({ name: "no.zip", mimeType: "", buffer: Buffer.from("no") });
    const problem = page.getByText("The ZIP archive is damaged.");
    await problem.waitFor();
    expect(await problem.evaluate((element) => element.getBoundingClientRect().top)).toBeGreaterThanOrEqual(0);
    await page.getByLabel("Dismiss").click();
    expect(await problem.count()).toBe(0);
  });

  test("takes a picture of one's own", async () => {
    await train(page, "wasm");
    const image = await decodeImage(readFileSync(join(dataset, "images/0.npz")));
    const rgba = new Uint8Array(4 * 84 * 84).fill(255);
    for (let i = 0; i < 84 * 84; i++) for (let c = 0; c < 3; c++) rgba[4 * i + c] = image.data[c * 84 * 84 + i]!;
    const buffer = Buffer.from(encodePng({ width: 84, height: 84, data: rgba }));
    await page.getByLabel("Add pictures").setInputFiles({ name: "mine.png", mimeType: "image/png", buffer });
    const dialog = page.getByRole("dialog");
    const drawing = (await dialog.locator(".drawing").boundingBox())!;
    await page.mouse.move(drawing.x + 5, drawing.y + 5);
    await page.mouse.down();
    await page.mouse.move(drawing.x + drawing.width / 3, drawing.y + drawing.height / 3);
    await page.mouse.up();
    await dialog.getByRole("button", { name: "Add a box" }).click();
    expect(await dialog.getByLabel("right").nth(0).inputValue()).toBe("28");
    await dialog.getByLabel("Sentences").fill("the number is a seven . the color is red");
    await dialog.getByRole("button", { name: "Add to the dataset" }).click();
    await page.getByText("1 own image, 2 regions").waitFor();
    expect(await page.locator("[data-test=assignments]").textContent()).toContain("red");
    await page.getByLabel("Among").selectOption("own");
    await expect.poll(() => page.locator("[data-test=hits] li").count(), soon).toBe(2);
  });

  test("works without a network once it is loaded", async () => {
    await page.getByRole("button", { name: "Keep this page for offline use" }).click();
    await page.getByText("this page works offline").waitFor();
    await page.context().setOffline(true);
    await page.reload();
    await page.locator(".gallery li").first().waitFor();
    await page.getByLabel("Attribute budget, train").fill("500");
    await page.getByRole("slider", { name: "Epochs" }).fill("1");
    await train(page, "wasm");
    await page.context().setOffline(false);
  });

  // WebGPU on SwiftShader takes seconds for an epoch.
  test.each([
    ["cpu", 4, leastF1[0]],
    ["webgl", 4, leastF1[0]],
    ["webgpu", 2, leastF1[1]],
  ] as const)(
    "learns on %s, where the browser offers it",
    async (backend, epochs, least) => {
      if (backend === "webgpu" && !(await hasWebGpu(page))) return console.warn("This browser has no WebGPU: skipped.");
      await page.reload();
      // What the visit before left comes back first.
      await page.locator("[data-test=dataset][aria-busy=false]").waitFor();
      await page.getByLabel("Open a folder").setInputFiles(dataset);
      await page.getByText("More settings").click();
      await page.getByLabel("Embedding length").selectOption(String(training.dimension));
      await page.getByLabel("Learning rate").selectOption(String(training.learningRate));
      await page.getByRole("slider", { name: "Epochs" }).fill(String(epochs));
      await train(page, backend);
      expect(await page.locator("[data-test=backend]").textContent()).toBe(backend);
      expect(await f1(page)).toBeGreaterThan(least);
      for (const [epoch, loss] of (await epochLosses(page)).entries()) expect(loss / losses[epoch]!).toBeCloseTo(1, 2);
    },
    180_000,
  );

  test("goes on when the browser takes the graphics device away", async () => {
    const browser = await laboratory.browser.newBrowserCDPSession();
    await page.getByLabel("Compute on").selectOption("webgl");
    await page.getByRole("slider", { name: "Epochs" }).fill("40");
    await page.getByRole("button", { name: "Train", exact: true }).click();
    await page.getByText(/epoch [1-9]\d* done/).waitFor();
    await browser.send("Browser.crashGpuProcess");
    await page.getByText("the browser lost its WebGL context").waitFor();
    await page.getByRole("slider", { name: "Epochs" }).fill("1");
    for (const backend of ["wasm", "webgl"]) {
      await train(page, backend);
      expect((await epochLosses(page))[0]! / losses[0]!, backend).toBeCloseTo(1, 2);
    }
  }, 180_000);

  test("asked nobody else for anything, and had nothing to complain of", () => {
    expect(log.requests.filter((url) => !url.startsWith(laboratory.url) && !/^(blob|data):/.test(url))).toEqual([]);
    expect(log.problems).toEqual([]);
  });
});

const colours = (page: Page) => page.getByRole("group", { name: "Colours" });
const trainingState = (page: Page) => page.locator("[data-test=training]").getAttribute("data-state");

/** Names of the files that the service worker keeps, without their hashes. */
const keptFiles = (page: Page): Promise<string[]> =>
  page.evaluate(async () => {
    const requests = await (await caches.open("laboratory")).keys();
    return requests.map(({ url }) => url.split("/").at(-1)!.replace(/-.*/, ""));
  });

async function train(page: Page, backend: string): Promise<void> {
  await page.getByLabel("Compute on").selectOption(backend);
  // No two trainings take equally long: the time tells this one's end from that of the one before.
  const seconds = () => page.locator("[data-test=training]").getAttribute("data-seconds");
  const before = await seconds();
  await page.getByRole("button", { name: "Train", exact: true }).click();
  const isNew = async () => (await trainingState(page)) === "done" && ![null, before].includes(await seconds());
  // The model that comes with the page has a time too, but is not "done".
  await expect.poll(isNew, { timeout: 150_000 }).toBe(true);
}

/** The name of a built file for every request that was one. */
function builtFiles({ requests }: PageLog, { url, files }: Laboratory): string[] {
  const names = requests.map((request) => (request === url ? "index.html" : request.slice(url.length)));
  return [...new Set(names)].filter((name) => name in files);
}

const kilobytes = (bytes: number): string => `${(bytes / 1000).toFixed(1)} kB`;
const listed = (names: readonly string[], { files }: Laboratory): string =>
  names.map((name) => `${name.replace("assets/", "")} ${kilobytes(files[name]!)}`).join(", ");

async function epochLosses(page: Page): Promise<number[]> {
  const cells = page.locator("[data-test=epochs] tbody tr td:nth-of-type(1) data");
  return (await cells.evaluateAll((all) => all.map((cell) => cell.getAttribute("value")))).map(Number);
}

async function metrics(page: Page): Promise<Record<"precision" | "recall" | "f1", number>> {
  const values = await page.locator("[data-test=metrics] dd").allTextContents();
  const [precision, recall, f1] = values.map((text) => Number.parseFloat(text));
  return { precision: precision!, recall: recall!, f1: f1! };
}

const f1 = async (page: Page): Promise<number> => (await metrics(page)).f1;

async function splitSizes(page: Page): Promise<number[]> {
  return (await page.locator("[data-test=dataset] b").allTextContents()).map((text) => Number(text.replace(",", "")));
}

const hasWebGpu = (page: Page): Promise<boolean> =>
  page.evaluate(async () => {
    const { gpu } = navigator as { gpu?: { requestAdapter(): Promise<unknown> } | undefined };
    return Boolean(await gpu?.requestAdapter());
  });

/**
 * How smooth the page is meanwhile. Frames also wait for the machine, which draws in software here; how busy the page's own
 * thread is does not depend on that.
 */
async function watchThread(page: Page, work: () => Promise<void>): Promise<string> {
  const session = await page.context().newCDPSession(page);
  await session.send("Performance.enable");
  const read = async () => {
    const { metrics } = await session.send("Performance.getMetrics");
    return new Map(metrics.map(({ name, value }) => [name, value]));
  };
  const frames = await page.evaluateHandle(() => {
    const times: number[] = [];
    const draw = (time: number): number => times.push(time) && requestAnimationFrame(draw);
    requestAnimationFrame(draw);
    return times;
  });
  const before = await read();
  await work();
  const after = await read();
  await session.detach();
  const times = await frames.jsonValue();
  const gaps = times.slice(1).map((time, i) => time - times[i]!);
  const middle = gaps.sort((a, b) => a - b)[gaps.length >> 1];
  const [seconds, busy] = ["Timestamp", "TaskDuration"].map((name) => after.get(name)! - before.get(name)!);
  return `the page's thread is busy for ${busy!.toFixed(2)} of ${seconds!.toFixed(2)} s; median frame ${middle?.toFixed(1)} ms`;
}

/** The same training in Node, on its wasm backend, from the packages' functions for programs. */
async function lossesInNode(): Promise<number[]> {
  await useNodeBackend({ name: "wasm" });
  const vocabulary = attributeVocabulary(attributes);
  const names = attributeNames(vocabulary);
  const encoder = pixelsEncoder(training);
  const samples = generateDocMnist({ ...settings, attributes, digits: glyphSource(settings.seed) }).train;
  const regions = new Map<number, Float32Array>();
  for (const { id, width, height, image, regions: own } of samples) {
    const boxes = [own.map(({ box }) => box)];
    regions.set(id, await encoder.encodeRegions([{ width, height, channels: 3, data: image }], boxes));
  }
  const { data } = buildSplit({
    split: "train",
    annotations: samples.map(sampleAnnotation),
    attributes: names,
    dimension: training.dimension,
    regions: (id) => regions.get(id),
  });
  const byName = await attributeEmbeddings(encoder, vocabulary);
  encoder.dispose();
  const embeddings = Float32Array.from(names.flatMap((name) => [...byName.get(name)!]));
  const model = await trainMapping({ ...data, ...training, attributeEmbeddings: embeddings, attributes: names });
  return model.history.map(({ loss }) => loss);
}
