// Time of one Stage 2 training step with CLIP RN50's image tower, random weights. The other side: pytorch/stage2.py.

import * as tf from "@tensorflow/tfjs-core";
import { Adam } from "@villa/core";
import type { Box } from "@villa/data";
import { initModifiedResNet, rn50Config } from "@villa/encoders";
import { contrastiveBatch, contrastiveGradients, contrastiveObjective, disposeBatch, stage2Config } from "@villa/vlm";
import { normals, ownPeakKiB, report, settings, startBackend, tfjsWasm, timed } from "./common.ts";
import { flopsOf, profileKernels } from "./kernels.ts";

const { loss: lossSettings, optimizer: adam } = stage2Config({ dataDir: "none" }); // the defaults; no file is read

const at = settings({ images: 8, regions: 6, side: 84, steps: 3 });
const backend = await startBackend(at);
const { vision } = rn50Config;
const tower = initModifiedResNet({ ...vision, seed: 23 });
const optimizer = new Adam({
  parameters: tower.trainableVariables(),
  learningRate: adam.lr,
  weightDecay: adam.weightDecay,
});
const objective = contrastiveObjective({ temperature: lossSettings.temp });
const { side } = at;
const images = Array.from({ length: at.images }, () => ({
  width: side,
  height: side,
  data: Uint8Array.from({ length: 3 * side * side }, () => Math.random() * 256),
}));
const cell = side / 3;
const cells = Array.from(
  { length: at.regions - 1 },
  (_, i) => [cell * (i % 3), cell * (Math.floor(i / 3) % 3)] as const,
);
const boxes: Box[] = [...cells.map(([x, y]): Box => [x, y, x + cell, y + cell]), [0, 0, side - 1, side - 1]];
const pairs = images.map(() => ({ boxes, sentences: boxes.map(() => [""]) }));
const text = normals(at.images * at.regions * vision.embedDim, vision.embedDim);

const step = async (): Promise<void> => {
  const batch = contrastiveBatch(images, pairs, { embedText: () => text });
  const { loss, gradients } = await contrastiveGradients(tower, batch, { objective });
  optimizer.step(gradients);
  tf.dispose(gradients);
  disposeBatch(batch);
  if (!Number.isFinite(loss)) throw new Error("The loss is not finite.");
  if (backend.device === "gpu") await [...tower.parameters.values()].at(-1)!.data(); // waits for the optimiser
};
const times = await timed(at.steps, step);
const peak = ownPeakKiB(); // counting keeps every kernel's inputs alive
const kernels = backend.device === "cpu" && at.backend !== tfjsWasm ? await profileKernels(step) : undefined;
report(at, backend.name, times, { flops: kernels && flopsOf(kernels), kernels, peakKiB: peak });
await backend.dispose();
