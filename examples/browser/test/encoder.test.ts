// Weights that a visitor brings: recognised, used for training and questions, kept, and refused where they are damaged.
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { availableParallelism } from "node:os";
import { basename, join } from "node:path";
import { type TensorData, writeSafetensors } from "@villa/data";
import {
  blobFiles,
  type ImageEncoder,
  loadImageEncoder,
  loadTextTower,
  type TextTower,
  type VitConfig,
  vitParameterShapes,
} from "@villa/encoders";
import { openEncoder } from "@villa/encoders/node";
import { golden, tensorValues } from "@villa/testing";
import { testBackends } from "@villa/testing/backends";
import { clipConfig, type GoldenClipConfig, namedStateDict } from "@villa/testing/clip-weights";
import type { Page } from "playwright";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { generateDataset } from "../src/laboratory/generate.ts";
import { executablePath, hasChromium, type Laboratory, openLaboratory, watchPage } from "./browser.ts";

if (!hasChromium) console.warn(`No Chromium at ${executablePath}: the laboratory's tests are skipped (CHROMIUM_PATH).`);

const [{ salt, config }] = golden().json<[{ salt: string; config: GoldenClipConfig }]>("clip.json");
const clip = writeSafetensors(namedStateDict(salt, clipConfig(config)));
const settings = {
  seed: 23,
  attributeBudget: 500,
  valAttributeBudget: 200,
  targetSampleComplexity: 12,
  colors: ["red", "yellow", "green", "blue", "purple"],
  shapes: ["circle", "rectangle", "none"],
};

describe.skipIf(!hasChromium)("the visitor's encoder", () => {
  let laboratory: Laboratory;
  let page: Page;
  let problems: readonly string[];
  let requests: readonly string[];
  const alert = () => page.locator("#encoder [role=alert]").textContent();
  const status = () => page.locator("[data-test=encoder]");
  const weights = (name: string, contents: Uint8Array) => ({
    name,
    mimeType: "application/octet-stream",
    buffer: Buffer.from(contents),
  });
  beforeAll(async () => {
    laboratory = await openLaboratory();
    page = await laboratory.browser.newPage({ viewport: { width: 1280, height: 900 } });
    ({ problems, requests } = watchPage(page));
    await page.goto(`${laboratory.url}?train=500&val=200`);
    await page.locator("[data-test=dataset][aria-busy=false]").waitFor();
  });
  afterAll(() => laboratory?.close());

  async function train(): Promise<void> {
    await page.getByLabel("Compute on").selectOption("wasm");
    await page.getByRole("slider", { name: "Epochs" }).fill("2");
    await page.getByRole("button", { name: "Train", exact: true }).click();
    await expect.poll(() => page.locator("[data-test=training]").getAttribute("data-state")).toBe("running");
    await expect
      .poll(() => page.locator("[data-test=training]").getAttribute("data-state"), { timeout: 120_000 })
      .toBe("done");
  }

  /** Asks the page in free text, and Node. */
  async function expectCosines(query: string, open: () => Promise<Sides>): Promise<void> {
    await page.getByLabel("What to look for").fill(query);
    await page.getByLabel("Free text, compared by your encoder alone").check();
    await page.getByText(`The best regions for “${query}”.`).waitFor();
    await page.locator("[data-test=hits] li").first().waitFor();
    const shown = await page.locator("[data-test=hits] li span").allTextContents();
    const best = await bestCosines(query, shown.length, open);
    expect(shown.map((text) => text.trim().replace("−", "-"))).toEqual(best.map((score) => score.toFixed(2)));
    await page.getByLabel("Free text, compared by your encoder alone").uncheck();
  }

  test("is recognised by its contents, and says what it takes", async () => {
    await page.getByLabel("Choose weights").setInputFiles(weights("RN50.pt", clip));
    await page.getByText(`Vectors of ${config.embed_dim} numbers.`).waitFor();
    const text = await status().textContent();
    expect(text).toContain("CLIP ResNet, RN50.pt");
    expect(text).toContain("its own text encoder");
    expect(text).toMatch(/It loads in [\d.]+ s; the \d+ images of these data take about [\d.]+ (s|min)/);
  });

  test("embeds the regions that the mapping model learns from", async () => {
    await train();
    const embedded = await page.locator("[data-test=embedded]").textContent();
    expect(embedded).toContain(`as ${config.embed_dim} numbers each`);
  });

  test("answers free text with the cosines that the packages give", async () => {
    await expectCosines("a shiny red car", async () => {
      const files = await blobFiles(new Map([["model.safetensors", new Blob([clip as Uint8Array<ArrayBuffer>])]]));
      return { image: await loadImageEncoder({ files }), text: await loadTextTower({ files }) };
    });
  });

  test("needs no computing on the next visit", async () => {
    await page.reload();
    await page.locator("[data-test=dataset][aria-busy=false]").waitFor();
    await page.getByLabel("Choose weights").setInputFiles(weights("model.safetensors", clip));
    await page.getByText("kept from before: nothing has to be computed").waitFor();
  });

  test("stays in use when what comes next is damaged", async () => {
    await page.getByLabel("Choose weights").setInputFiles(weights("cut.safetensors", clip.subarray(0, 5000)));
    await expect.poll(alert).toMatch(/^cut.safetensors: .*cut off/);
    expect(await status().textContent()).toContain("model.safetensors");
    await page.getByLabel("Choose weights").setInputFiles(weights("noise.pt", Uint8Array.of(1, 2, 3, 4)));
    await expect.poll(alert).toMatch(/^noise.pt: /);
    const other = writeSafetensors(new Map([["layer", { dtype: "float32", shape: [1], data: Float32Array.of(1) }]]));
    await page.getByLabel("Choose weights").setInputFiles(weights("other.safetensors", other));
    await expect.poll(alert).toMatch(/^other.safetensors holds no image encoder that is known here/);
    expect(await status().textContent()).toContain("model.safetensors");
  });

  test("may be a folder without a text encoder", async () => {
    const folder = join(laboratory.folder, "siglip");
    mkdirSync(folder);
    writeFileSync(join(folder, "model.safetensors"), siglip());
    const vision = { num_attention_heads: 2, hidden_act: "gelu_pytorch_tanh" };
    writeFileSync(join(folder, "config.json"), JSON.stringify({ model_type: "siglip", vision_config: vision }));
    await page.getByLabel("Choose a model’s folder").setInputFiles(folder);
    await page.getByText("Vectors of 16 numbers.").waitFor();
    expect(await status().textContent()).toContain("hashed words");
    await page.getByRole("button", { name: "Forget it" }).click();
    await expect.poll(async () => (await status().textContent())?.trim()).toBe("");
  });

  test("may be a folder of ONNX models, for which the page loads ONNX Runtime", async () => {
    expect(requests.filter((url) => /\bort[.-]/.test(url))).toEqual([]);
    await page.getByLabel("Choose a model’s folder").setInputFiles(golden().path("onnx/siglip"));
    await page.getByText("Vectors of 16 numbers.").waitFor();
    const text = await status().textContent();
    expect(text).toContain("ONNX model (siglip), siglip,");
    expect(text).toContain("its own text encoder");
    expect(text).not.toContain("cut out");
    const loaded = requests.filter((url) => /\bort[.-]/.test(url));
    expect(loaded.some((url) => url.endsWith(".wasm"))).toBe(true);
    expect(requests.filter((url) => !url.startsWith(laboratory.url) && !url.startsWith("blob:"))).toEqual([]);
    await train();
    await expectCosines("a small boat", () => openEncoder(golden().path("onnx/siglip")));
  });

  test.skipIf(availableParallelism() < 2)(
    "is computed by ONNX Runtime on several threads, the page being isolated",
    async () => {
      const cdp = await laboratory.browser.newBrowserCDPSession();
      const { targetInfos } = await cdp.send("Target.getTargets", { filter: [{ type: "worker" }] });
      // ONNX Runtime computes on the laboratory's worker and on these.
      const threads = targetInfos.filter(({ title, url }) => title.startsWith("em-pthread") && /\bort\./.test(url));
      expect(threads).toHaveLength(availableParallelism() - 1);
      await cdp.detach();
    },
  );

  test("may keep its ONNX model’s weights in a file of their own", async () => {
    const contents = withExternalData();
    await page.getByLabel("Choose weights").setInputFiles(contents);
    await page.getByText("Vectors of 16 numbers.").waitFor();
    const text = await status().textContent();
    expect(text).toContain("ONNX model (siglip), ");
    await train();
    // The same weights as in the folder's model, which holds them itself.
    await expectCosines("a small boat", () => openEncoder(golden().path("onnx/siglip")));
    const without = contents.filter(({ name }) => name !== "vision_model.onnx_data");
    await page.getByLabel("Choose weights").setInputFiles(without);
    await expect
      .poll(alert)
      .toBe("vision_model.onnx keeps its weights in vision_model.onnx_data, which is not beside it.");
  });

  test("is kept with ONNX Runtime for use without a network", async () => {
    const kept = await page.evaluate(async () => {
      const cache = await caches.open("laboratory");
      return (await cache.keys()).map(({ url }) => url);
    });
    expect(kept.filter((url) => /ort-wasm.*\.wasm$/.test(url))).toHaveLength(1);
  });

  test("that gives no vectors of a picture’s places embeds regions as pictures of their own", async () => {
    await page.getByLabel("Choose a model’s folder").setInputFiles(golden().path("onnx/clip"));
    await page.getByText("embedded as an image of its own").waitFor();
    await train();
    await expectCosines("a tall tree", () => openEncoder(golden().path("onnx/clip"), { regions: "crop" }));
  });

  test("as ONNX stays in use when what comes next cannot be used", async () => {
    const folder = golden().path("onnx/clip");
    const files = ["text_model.onnx", "vision_model.onnx"].map((name) => join(folder, "onnx", name));
    await page.getByLabel("Choose weights").setInputFiles(files[0]!);
    await expect.poll(alert).toMatch(/found ONNX models text_model.onnx.*of images is called vision_model/);
    await page.getByLabel("Choose weights").setInputFiles(weights("tower.onnx", clip.subarray(0, 99)));
    await expect.poll(alert).toMatch(/^tower.onnx holds no image encoder.*of images is called vision_model/);
    expect(await status().textContent()).toContain("ONNX model (clip)");
    await page.getByLabel("Choose weights").setInputFiles(weights("vision_model.onnx", clip.subarray(0, 99)));
    await expect.poll(alert).toMatch(/^ONNX Runtime cannot load vision_model.onnx/);
    await page.getByLabel("Choose weights").setInputFiles([...files, join(folder, "config.json")]);
    await expect.poll(alert).toMatch(/tokenizer/);
    await page.getByLabel("Choose weights").setInputFiles(files[1]!);
    await page.getByText("Vectors of 12 numbers.").waitFor();
    expect(await status().textContent()).toContain("hashed words");
    await page.getByRole("button", { name: "Forget it" }).click();
  });

  test("leaves nothing to complain of", () => expect(problems).toEqual([]));

  test("says that its embeddings are not kept where the browser keeps no files", async () => {
    const context = await laboratory.browser.newContext({ serviceWorkers: "block" });
    const other = await context.newPage();
    await other.route(/\/assets\/worker-.*\.js$/, async (route) => {
      const response = await route.fetch();
      const body = `delete StorageManager.prototype.getDirectory;\n${await response.text()}`;
      await route.fulfill({ response, body });
    });
    await other.goto(`${laboratory.url}?train=500&val=200`);
    await other.locator("[data-test=dataset][aria-busy=false]").waitFor();
    await other.getByLabel("Choose weights").setInputFiles(weights("model.safetensors", clip));
    await other.getByText("this browser lets the page keep no files").waitFor();
    expect(await other.locator("[data-test=encoder]").textContent()).not.toContain("are kept");
    await context.close();
  });
});

interface Sides {
  readonly image: ImageEncoder;
  readonly text: TextTower | undefined;
}

/** Cosines of all regions of the validation split with a text, the best first, by the packages in Node. */
async function bestCosines(query: string, count: number, open: () => Promise<Sides>): Promise<number[]> {
  await testBackends()[0]!.activate();
  const { image, text } = await open();
  const dataset = generateDataset(settings);
  const rows = [...dataset.rows.keys()].filter((row) => dataset.rows[row]!.split === "val");
  const regions = await image.encodeRegions(
    await Promise.all(rows.map(dataset.readImage)),
    rows.map((row) => dataset.rows[row]!.regionCoord),
  );
  const words = await text!.encodeText([query]);
  const norm = (values: Float32Array) => Math.hypot(...values);
  const cosines = Array.from({ length: regions.length / words.length }, (_, row) => {
    const region = regions.subarray(row * words.length, (row + 1) * words.length);
    return region.reduce((sum, value, i) => sum + value * words[i]!, 0) / (norm(region) * norm(words));
  });
  image.dispose();
  text!.dispose();
  return cosines.sort((a, b) => b - a).slice(0, count);
}

/** SigLIP with its vision tower's weights beside its model, as a visitor chooses files one by one. */
function withExternalData() {
  const folder = golden().path("onnx/siglip");
  const paths = [
    ...["config.json", "preprocessor_config.json", "tokenizer.json", "tokenizer_config.json"].map((name) =>
      join(folder, name),
    ),
    join(folder, "onnx/text_model.onnx"),
    ...["vision_model.onnx", "vision_model.onnx_data"].map((name) => golden().path(`onnx/external/${name}`)),
  ];
  return paths.map((path) => ({
    name: basename(path),
    mimeType: "application/octet-stream",
    buffer: readFileSync(path),
  }));
}

function siglip(): Uint8Array {
  const sizes: VitConfig = {
    naming: "siglip",
    imageSize: 32,
    patchSize: 8,
    width: 16,
    layers: 2,
    heads: 2,
    hidden: 24,
    embedDim: 16,
    activation: "gelu_tanh",
    epsilon: 1e-6,
  };
  const tensors = [...vitParameterShapes(sizes)].map(([name, shape]): [string, TensorData] => [
    name,
    { dtype: "float32", shape: [...shape], data: tensorValues(`folder:${name}`, shape, 0.3) },
  ]);
  return writeSafetensors(new Map(tensors));
}
