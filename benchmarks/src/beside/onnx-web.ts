// Time of CLIP RN50's region embeddings of an image by onnxruntime-web: our export of the region encoder, one graph, random
// weights. Our side: src/ours/preprocess.ts.
//   onnx-web.ts [--side 84] [--images 16] [--regions 5] [--batched]
// Without --batched, image by image. A process of its own writes the graph, so that its memory is not counted here.
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { TensorData } from "@villa/data";
import { exportRegionEncoder, rn50Config, visionParameterShapes } from "@villa/encoders";
import * as ort from "onnxruntime-web";
import { report, settings, timed } from "../ours/common.ts";

const batched = process.argv.includes("--batched");
process.argv = process.argv.filter((argument) => argument !== "--batched");
const at = settings({ side: 84, images: 16, regions: 5, repeats: 3 });
if (at.what?.endsWith(".onnx")) {
  writeFileSync(at.what, exportRegionEncoder(randomWeights(), rn50Config.vision));
  process.exit(0);
}
const folder = mkdtempSync(join(tmpdir(), "villa-bench-"));
const model = join(folder, "region-encoder.onnx");
execFileSync(process.execPath, [...process.execArgv, fileURLToPath(import.meta.url), model]);
ort.env.wasm.numThreads = at.threads;
const session = await ort.InferenceSession.create(readFileSync(model), { executionProviders: ["wasm"] });
rmSync(folder, { recursive: true });

const { side } = at;
const cell = side / 3;
const boxes = Array.from({ length: at.regions }, (_, i) => {
  const [x, y] = [cell * (i % 3), cell * (Math.floor(i / 3) % 3)];
  return [x, y, x + cell, y + cell];
}).flat();
const images = Array.from({ length: at.images }, () =>
  Uint8Array.from({ length: 3 * side * side }, () => Math.random() * 256),
);
const batches = batched ? [images] : images.map((image) => [image]);

const times = await timed(at.repeats, async () => {
  for (const batch of batches) await encode(batch);
});
report(at, "wasm", times, { scale: 1 / at.images, program: `onnxruntime-web ${ort.env.versions.web}` });
process.exit(0); // its threads go on otherwise

async function encode(batch: readonly Uint8Array[]): Promise<void> {
  const size = 3 * side * side;
  const values = new Float32Array(batch.length * size);
  for (const [i, image] of batch.entries()) {
    for (let p = 0; p < size; p++) values[i * size + p] = image[p]! / 255;
  }
  const rows = batch.length * at.regions;
  const imageIndex = BigInt64Array.from({ length: rows }, (_, row) => BigInt(Math.floor(row / at.regions)));
  const allBoxes = Float32Array.from(batch.flatMap(() => boxes));
  const { embeddings } = await session.run({
    images: new ort.Tensor("float32", values, [batch.length, 3, side, side]),
    boxes: new ort.Tensor("float32", allBoxes, [rows, 4]),
    image_index: new ort.Tensor("int64", imageIndex, [rows]),
  });
  if (embeddings?.dims[0] !== rows) throw new Error(`${rows} embeddings were expected.`);
}

/** Random weights; norms scale by 1. */
function randomWeights(): Map<string, TensorData> {
  const shapes = visionParameterShapes(rn50Config.vision);
  return new Map(
    [...shapes].map(([name, shape]): [string, TensorData] => {
      const data = new Float32Array(shape.reduce((product, length) => product * length, 1));
      for (let i = 0; i < data.length; i++) data[i] = shape.length === 1 ? 1 : (Math.random() - 0.5) * 0.1;
      return [name, { dtype: "float32", shape: [...shape], data }];
    }),
  );
}
