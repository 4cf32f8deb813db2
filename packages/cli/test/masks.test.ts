// Masks from the table to what encoders pool, pages show and evaluation compares.
import { copyFile, mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { useNodeBackend } from "@villa/backend-node";
import { regionMasks, writeSafetensors } from "@villa/data";
import { openDataset, readRegionEmbeddings } from "@villa/data/node";
import { visualizeDataset } from "@villa/docmnist/node";
import { openEncoder } from "@villa/encoders/node";
import { expectAllClose, golden } from "@villa/testing";
import { namedTransformer } from "@villa/testing/transformer-weights";
import { stage2Config } from "@villa/vlm";
import { runStage2 } from "@villa/vlm/node";
import { afterAll, beforeAll, expect, test } from "vitest";
import { villa } from "./villa.ts";

const fixtures = join(import.meta.dirname, "../../../tools/testing/fixtures/masks");
const { cases } = golden().json<{
  cases: { salt: string; files: Record<string, unknown>; shapes: Record<string, readonly number[]> }[];
}>("encode.json");

let folder = "";
let dataDir = "";
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

test("preprocess --regions mask pools them", async () => {
  const { salt, files, shapes } = cases[0]!;
  const encoder = join(folder, "encoder");
  await mkdir(encoder);
  for (const [name, contents] of Object.entries(files)) await writeFile(join(encoder, name), JSON.stringify(contents));
  await writeFile(join(encoder, "model.safetensors"), writeSafetensors(namedTransformer(salt, shapes)));
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

test("pages and pictures show them", async () => {
  await visualizeDataset({ directory: dataDir, imageIds: [0], out: join(folder, "page.html") });
  const page = await readFile(join(folder, "page.html"), "utf8");
  expect(page.match(/<path class="mask" transform="scale\(1 1\)" d="M/g)).toHaveLength(3);
  expect(await readFile(join(dataDir, "card.html"), "utf8")).toContain("data:image/png");
});

test("evaluate --iou-type segm compares them", async () => {
  const backend = await useNodeBackend();
  const { lastCheckpoint } = await runStage2(
    stage2Config({
      ...{ dataDir, checkpointDir: join(folder, "checkpoints"), taskName: "run", pairs: "oracle" },
      ...{ batchSize: 1, epochs: 1, textEncoder: "hashed" },
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

  const pyramid = await villa("evaluate", "--task", "detection", ...flags, "--proposals", "pyramid:2");
  expect(pyramid.code).toBe(2);
  expect(pyramid.err).toContain("--iou-type segm goes with --proposals truth");

  const file = join(folder, "regions.json");
  const annotated = await villa("annotate", "--data-dir", dataDir, "--checkpoint", lastCheckpoint, "--out", file);
  expect(annotated.code, annotated.err).toBe(0);
  const coco = JSON.parse(await readFile(file, "utf8"));
  expect(coco.annotations[0].segmentation).toEqual({ size: [30, 40], counts: masks[0].counts });
}, 120_000);
