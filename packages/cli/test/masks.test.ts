// Masks from the table to what encoders pool, pages show and evaluation compares.
import { copyFile, mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { useNodeBackend } from "@villa/backend-node";
import { decodeImage, decodeRle, parseRleString, type RgbImage, regionMasks, writeSafetensors } from "@villa/data";
import { openDataset, readEmbeddingManifest, readRegionEmbeddings } from "@villa/data/node";
import { visualizeDataset } from "@villa/docmnist/node";
import { regionInput } from "@villa/encoders";
import { openEncoder } from "@villa/encoders/node";
import { expectAllClose, fixturesDirectory, golden } from "@villa/testing";
import { namedTransformer } from "@villa/testing/transformer-weights";
import { stage2Config } from "@villa/vlm";
import { embedForEvaluation, openScorer, runStage2 } from "@villa/vlm/node";
import { afterAll, beforeAll, expect, test } from "vitest";
import { villa } from "./villa.ts";

const fixtures = join(fixturesDirectory, "masks");
const { cases } = golden().json<{
  cases: { salt: string; files: Record<string, unknown>; shapes: Record<string, readonly number[]> }[];
}>("encode.json");

let folder = "";
let dataDir = "";
/** Settings of Stage 2 that end at once. */
const quick = { pairs: "oracle", textEncoder: "hashed", batchSize: 1, epochs: 1 } as const;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "villa-masks-"));
  dataDir = join(folder, "data");
  // The picture twice, so that there is one to train and one to test with.
  const table = JSON.parse(await readFile(join(fixtures, "instances.json"), "utf8"));
  const { images, annotations, categories } = table;
  const twice = {
    images: ["train", "test"].map((split, i) => ({ ...images[0], id: i + 1, split })),
    annotations: [1, 2].flatMap((image_id) =>
      annotations.map((each: { id: number; bbox?: number[] }) => ({ ...each, image_id, id: 10 * image_id + each.id })),
    ),
    categories,
  };
  await copyFile(join(fixtures, "picture.png"), join(folder, "picture.png"));
  await writeFile(join(folder, "table.json"), JSON.stringify(twice));
  const { code, err } = await villa("ingest", "--table", join(folder, "table.json"), "--out", dataDir);
  expect(code, err).toBe(0);
});
afterAll(() => rm(folder, { recursive: true, force: true }));

/** A small vision transformer's folder. */
async function encoderFolder(name: string): Promise<string> {
  const { salt, files, shapes } = cases[0]!;
  const encoder = join(folder, name);
  await mkdir(encoder);
  for (const [file, contents] of Object.entries(files)) await writeFile(join(encoder, file), JSON.stringify(contents));
  await writeFile(join(encoder, "model.safetensors"), writeSafetensors(namedTransformer(salt, shapes)));
  return encoder;
}

test("preprocess --regions mask pools them", async () => {
  const encoder = await encoderFolder("encoder");
  const { code, err } = await villa("preprocess", "--data-dir", dataDir, "--encoder", encoder, "--regions", "mask");
  expect(code, err).toBe(0);

  const backend = await useNodeBackend();
  const dataset = await openDataset(dataDir);
  const [row] = dataset.annotations;
  const { image } = await openEncoder(encoder, { regions: "mask" });
  const picture = await dataset.readImage(row!);
  const masked = await image.encodeRegions([picture], [row!.regionCoord], { masks: [regionMasks(row!)] });
  const boxed = await image.encodeRegions([picture], [row!.regionCoord]);
  image.dispose();
  const stored = await readRegionEmbeddings(dataset);
  await backend.dispose();
  expectAllClose(stored.regions.subarray(0, masked.length), masked, { rtol: 1e-5, atol: 1e-6 });
  expect(Math.max(...masked.map((value, i) => Math.abs(value - boxed[i]!)))).toBeGreaterThan(1e-3);
});

test("a model that is trained on masks is evaluated, queried and annotated with masks", async () => {
  const encoder = await encoderFolder("start");
  const backend = await useNodeBackend();
  const train = (taskName: string, regions: "roi-align" | "mask") =>
    runStage2(
      stage2Config({
        ...quick,
        dataDir,
        checkpointDir: join(folder, "checkpoints"),
        taskName,
        model: { encoder, regions, trainable: "head" },
      }),
    );
  const [masked, boxed] = [await train("masked", "mask"), await train("boxed", "roi-align")];
  expect([masked.unusedMasks, boxed.unusedMasks]).toEqual([0, 3]);
  expect(masked.history[0]!.loss).not.toBe(boxed.history[0]!.loss);

  // What the trained tower makes of the masks, from its parts.
  const dataset = await openDataset(dataDir);
  const rows = dataset.rows("test");
  const { image } = await openEncoder(masked.lastCheckpoint, { textEncoder: "none" });
  const [row] = rows;
  const picture = await dataset.readImage(row!);
  const { images, regions } = regionInput(image.tower!.input, {
    images: [picture],
    boxes: [row!.regionCoord],
    masks: [regionMasks(row!)],
  });
  const pooled = image.tower!.maskEmbeddings!(image.tower!.features(images), regions);
  const means = unitRows((await pooled.data()) as Float32Array, image.dimension);
  image.dispose();

  const opened = { dataDir, checkpoint: masked.lastCheckpoint };
  const { input } = await embedForEvaluation(opened);
  expectAllClose(input.regions, means, { rtol: 1e-4, atol: 1e-5 });
  const scorer = await openScorer(opened);
  const own = await scorer.embedBoxes(({ regionCoord }) => regionCoord);
  const copied = await scorer.embedBoxes(({ regionCoord }) => [...regionCoord]);
  scorer.dispose();
  expectAllClose(own, means, { rtol: 1e-4, atol: 1e-5 });
  const asBoxes = (await embedForEvaluation({ ...opened, regions: "roi-align" })).input.regions;
  const farthest = (values: Float32Array) => Math.max(...values.map((value, i) => Math.abs(value - means[i]!)));
  expect([farthest(copied), farthest(asBoxes)].every((distance) => distance > 1e-3)).toBe(true);
  await backend.dispose();

  const measured = ["--data-dir", dataDir, "--checkpoint", masked.lastCheckpoint, "--resamples", "0", "--out"];
  for (const task of ["retrieval", "detection"]) {
    const evaluated = await villa("evaluate", "--task", task, ...measured, join(folder, `masked-${task}`));
    expect(evaluated.code, evaluated.err).toBe(0);
    const record = JSON.parse(await readFile(join(folder, `masked-${task}`, "evaluation.json"), "utf8"));
    expect(record.settings.regions).toBe("mask");
  }

  const asked = ["--data-dir", dataDir, "--checkpoint", masked.lastCheckpoint, "--split", "test"];
  const scores = async (...flags: string[]) => {
    const { code, out, err } = await villa("query", ...asked, "--text", "coin", "--top", "3", "--json", ...flags);
    expect(code, err).toBe(0);
    return JSON.parse(out).hits.map(({ score }: { score: number }) => score);
  };
  const plain = await scores();
  expect(await scores("--regions", "mask")).toEqual(plain);
  expect(await scores("--regions", "roi-align")).not.toEqual(plain);
  const refused = await villa("query", ...asked, "--text", "coin", "--regions", "grid:2x2");
  expect(refused.code).toBe(2);
  expect(refused.err).toContain("--regions takes roi-align, crop or mask for the regions of a dataset");

  const pixels = await villa("preprocess", "--data-dir", dataDir, "--encoder", "pixels", "--regions", "mask");
  expect(pixels.err).toContain("pixels has no patch tokens that masks could select");
  // An ONNX file takes boxes; `preprocess` goes on with masks.
  const onnx = await villa("export", "--checkpoint", masked.lastCheckpoint, "--out", join(folder, "tower.onnx"));
  expect(onnx.err).toContain("was trained on masks (model.regions=mask)");
  const again = ["--data-dir", dataDir, "--encoder", masked.lastCheckpoint, "--overwrite"];
  const { code, err } = await villa("preprocess", ...again);
  expect(code, err).toBe(0);
  expect((await readEmbeddingManifest(dataDir))?.encoder.options.regions).toBe("mask");
}, 120_000);

test("an encoder that was not trained here embeds boxes, and says that there are masks", async () => {
  const encoder = await encoderFolder("zero-shot");
  const query = ["query", "--data-dir", dataDir, "--checkpoint", encoder, "--text", "coin", "--top", "2"];
  const asked = await villa(...query);
  expect(asked.code, asked.err).toBe(0);
  const note =
    "Regions are their boxes here, though 6 of them have a mask; --regions mask uses masks, with a vision transformer.";
  expect(asked.out).toContain(note);
  expect(JSON.parse((await villa(...query, "--json")).out).unusedMasks).toBe(6);
  for (const how of ["mask", "roi-align"]) expect((await villa(...query, "--regions", how)).out).not.toContain("masks");

  const annotate = ["annotate", "--data-dir", dataDir, "--checkpoint", encoder, "--split", "test"];
  const written = await villa(...annotate, "--out", join(folder, "zero-shot.jsonl"));
  expect(written.out).toContain("though 3 of them have a mask; --regions mask");
}, 60_000);

test("query's pictures keep the colours inside of masks, and fade what lies outside", async () => {
  const encoder = await encoderFolder("shown");
  const query = ["query", "--data-dir", dataDir, "--checkpoint", encoder, "--split", "test", "--text", "coin"];
  const ask = async (file: string, ...flags: string[]) => {
    const asked = await villa(...query, ...flags, "--json", "--out", join(folder, file));
    expect(asked.code, asked.err).toBe(0);
    return JSON.parse(asked.out).hits.map(({ mask }: { mask: string }) => mask);
  };
  const dataset = await openDataset(dataDir);
  const picture = await dataset.readImage(dataset.rows("test")[0]!);
  const size = picture.width * picture.height;

  for (const top of ["1", "2"]) {
    const masks = (await ask("hits.html", "--top", top)).map((mask: string) =>
      decodeRle(parseRleString(mask, picture)),
    );
    expect(masks).toHaveLength(Number(top));
    const page = await readFile(join(folder, "hits.html"), "utf8");
    expect(page).toContain("What lies outside of their masks is faded.");
    expect(page).not.toContain('class="mask"');
    const png = /<image[^>]* href="data:image\/png;base64,([^"]+)"/.exec(page)![1]!;
    const shown = await decodeImage(Buffer.from(png, "base64"));
    expect(shown).toMatchObject({ width: picture.width, height: picture.height });
    const expected = picture.data.map((value, i) =>
      masks.some((mask: Uint8Array) => mask[i % size]) ? value : Math.round(0.25 * value + 0.75 * 255),
    );
    expect(shown.data).toEqual(expected);
  }

  const [mask] = await ask("hits.png", "--top", "1");
  const inside = decodeRle(parseRleString(mask, picture));
  const drawn = await decodeImage(await readFile(join(folder, "hits.png")));
  const colour = ({ data }: RgbImage, i: number, plane: number) => [0, 1, 2].map((c) => data[c * plane + i]).join();
  const area = drawn.width * drawn.height;
  const colours = new Set(Array.from({ length: area }, (_, i) => colour(drawn, i, area)));
  const own = [...inside.keys()].filter((i) => inside[i]).map((i) => colour(picture, i, size));
  // The box's line and number cover some of the mask.
  expect(own.filter((each) => colours.has(each)).length).toBeGreaterThan(own.length / 2);
}, 60_000);

function unitRows(values: Float32Array, dimension: number): Float32Array {
  return values.map((value, i) => {
    const row = values.subarray(i - (i % dimension), i - (i % dimension) + dimension);
    return value / Math.hypot(...row);
  });
}

test("tars of training pairs hold them", async () => {
  const tars = join(folder, "tars");
  const flags = ["--data-dir", dataDir, "--out", tars, "--pairs", "oracle", "--split", "train"];
  const { code, err } = await villa("export-webdataset", ...flags);
  expect(code, err).toBe(0);
  const tar = await readFile(join(tars, "train-000000.tar"), "latin1");
  const { pairs } = JSON.parse(/\{"image_id".*?\}\]\}/s.exec(tar)![0]);
  const { regions } = JSON.parse(await readFile(join(fixtures, "expected.json"), "utf8"));
  expect(pairs.map(({ mask }: { mask?: object }) => mask)).toEqual([
    ...regions.map(({ counts }: { counts: string }) => ({ size: [30, 40], counts })),
    undefined, // the whole image
  ]);
});

test("pages and pictures show them", async () => {
  await visualizeDataset({ dataDir, imageIds: [0], out: join(folder, "page.html") });
  const page = await readFile(join(folder, "page.html"), "utf8");
  expect(page.match(/<path class="mask" transform="scale\(1 1\)" d="M/g)).toHaveLength(3);
  expect(await readFile(join(dataDir, "card.html"), "utf8")).toContain("data:image/png");
});

test("evaluate --iou-type segm compares them", async () => {
  const backend = await useNodeBackend();
  const { lastCheckpoint } = await runStage2(
    stage2Config({
      ...quick,
      dataDir,
      checkpointDir: join(folder, "checkpoints"),
      taskName: "run",
      model: { weights: null, width: 2, layers: [1, 1, 1, 1], embDim: 16 },
    }),
  );
  await backend.dispose();
  const out = join(folder, "evaluation");
  const flags = ["--data-dir", dataDir, "--checkpoint", lastCheckpoint, "--out", out, "--iou-type", "segm"];
  const { code, err } = await villa("evaluate", "--task", "detection", "--resamples", "20", ...flags);
  expect(code, err).toBe(0);
  const truth = JSON.parse(await readFile(join(out, "truth.json"), "utf8"));
  const masks = JSON.parse(await readFile(join(fixtures, "expected.json"), "utf8")).regions;
  expect(truth.annotations.map(({ area }: { area: number }) => area)).toEqual(
    masks.map(({ area }: { area: number }) => area),
  );
  expect(truth.annotations[0].segmentation).toEqual({ size: [30, 40], counts: masks[0].counts });
  // The files alone give the same numbers.
  const again = join(folder, "again");
  const files = ["--truth", join(out, "truth.json"), "--detections", join(out, "detections.json"), "--out", again];
  const second = await villa("evaluate", "--task", "detection", "--resamples", "20", "--iou-type", "segm", ...files);
  expect(second.code, second.err).toBe(0);
  const numbers = async (path: string) => JSON.parse(await readFile(join(path, "evaluation.json"), "utf8")).numbers;
  expect((await numbers(again)).AP.value).toBe((await numbers(out)).AP.value);

  // The mistakes on its page are tinted: without the segmentation the same page has other pictures.
  const figures = async (path: string) =>
    [...(await readFile(path, "utf8")).matchAll(/<figure><img src="(data:[^"]+)" alt="([^"]+)"/g)].map(
      ([, source, alt]) => [alt, source] as const,
    );
  const bare = await mkdtemp(join(folder, "bare-"));
  const without = (list: { segmentation?: unknown }[]) => list.map(({ segmentation: _, ...each }) => each);
  const detections = JSON.parse(await readFile(join(out, "detections.json"), "utf8"));
  await writeFile(join(bare, "truth.json"), JSON.stringify({ ...truth, annotations: without(truth.annotations) }));
  await writeFile(join(bare, "detections.json"), JSON.stringify(without(detections)));
  const pages: (readonly (readonly [string | undefined, string | undefined])[])[] = [];
  for (const from of [out, bare]) {
    const images = ["--images", join(dataDir, "images"), "--report", join(bare, "page.html")];
    const both = ["--truth", join(from, "truth.json"), "--detections", join(from, "detections.json")];
    const page = await villa("evaluate", "--task", "detection", "--resamples", "0", ...both, ...images);
    expect(page.code, page.err).toBe(0);
    pages.push(await figures(join(bare, "page.html")));
  }
  expect(pages[0]!.length).toBeGreaterThan(0);
  expect(pages[0]!.map(([alt]) => alt)).toEqual(pages[1]!.map(([alt]) => alt));
  for (const [i, [, source]] of pages[0]!.entries()) expect(source).not.toBe(pages[1]![i]![1]);

  const pyramid = await villa("evaluate", "--task", "detection", ...flags, "--proposals", "pyramid:2");
  expect(pyramid.code).toBe(2);
  expect(pyramid.err).toContain("--iou-type segm goes with --proposals truth");

  const file = join(folder, "regions.json");
  const annotated = await villa("annotate", "--data-dir", dataDir, "--checkpoint", lastCheckpoint, "--out", file);
  expect(annotated.code, annotated.err).toBe(0);
  expect(annotated.out).not.toContain("uses masks"); // what was trained on boxes is given boxes
  const coco = JSON.parse(await readFile(file, "utf8"));
  expect(coco.annotations[0].segmentation).toEqual({ size: [30, 40], counts: masks[0].counts });
}, 120_000);
