// Time of CLIP RN50's region embeddings of an image, or of the embeddings of 20 prompts; random weights.
// The other side: pytorch/preprocess.py.
//   preprocess.ts image|text [--width 84] [--height 84] [--images 16] [--regions 5] [--prompts 20]
// Weights come from a file, as users' do; a process of its own writes it, so that its memory is not counted here.
import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { type Box, type TensorData, writeSafetensors } from "@villa/data";
import { rn50Config, textParameterShapes, visionParameterShapes } from "@villa/encoders";
import { openEncoder } from "@villa/encoders/node";
import { ownPeakKiB, report, settings, startBackend, timed } from "./common.ts";
import { countFlops, profileKernels } from "./kernels.ts";

const at = settings({ width: 84, height: 84, images: 16, regions: 5, prompts: 20, repeats: 3 });
if (at.what?.endsWith(".safetensors")) {
  writeFileSync(at.what, randomWeights());
  process.exit(0);
}
const folder = mkdtempSync(join(tmpdir(), "villa-bench-"));
const weights = join(folder, "rn50.safetensors");
execFileSync(process.execPath, [...process.execArgv, fileURLToPath(import.meta.url), weights]);
const backend = await startBackend(at);
const { image: encoder, text } = await openEncoder(weights, {
  textEncoder: at.what === "text" ? "auto" : "hashed",
});
if (at.what === "text") {
  const prompts = Array.from({ length: at.prompts }, () => "the image shows a three");
  report(at, backend.name, await timed(at.repeats, () => text!.encodeText(prompts)));
} else {
  const images = Array.from({ length: at.images }, () => ({
    width: at.width,
    height: at.height,
    channels: 3 as const,
    data: Uint8Array.from({ length: 3 * at.width * at.height }, () => Math.random() * 256),
  }));
  const cell = [at.width / 3, at.height / 3] as const;
  const boxes = images.map(() =>
    Array.from({ length: at.regions }, (_, i): Box => {
      const [x, y] = [cell[0] * (i % 3), cell[1] * (Math.floor(i / 3) % 3)];
      return [x, y, x + cell[0], y + cell[1]];
    }),
  );
  const times = await timed(at.repeats, () => encoder.encodeRegions(images, boxes));
  const peakKiB = ownPeakKiB(); // counting keeps every kernel's inputs alive
  // What is compiled cannot be counted; a tower that can be trained computes the same, operation by operation.
  const { image: single } = await openEncoder(weights, { textEncoder: "hashed", trainable: true });
  const flops = await countFlops(() => single.encodeRegions(images.slice(0, 1), boxes.slice(0, 1)));
  const kernels = await profileKernels(() => encoder.encodeRegions(images, boxes), 1 / at.images);
  report(at, backend.name, times, { scale: 1 / at.images, flops, kernels, peakKiB });
}
rmSync(folder, { recursive: true });
await backend.dispose();

/** Random weights; norms scale by 1. */
function randomWeights(): Uint8Array {
  const shapes = new Map([...visionParameterShapes(rn50Config.vision), ...textParameterShapes(rn50Config.text)]);
  const tensors = [...shapes].map(([name, shape]): [string, TensorData] => {
    const data = new Float32Array(shape.reduce((product, side) => product * side, 1));
    for (let i = 0; i < data.length; i++) data[i] = shape.length === 1 ? 1 : (Math.random() - 0.5) * 0.1;
    return [name, { dtype: "float32", shape: [...shape], data }];
  });
  return writeSafetensors(new Map(tensors));
}
