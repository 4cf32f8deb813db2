// Time of CLIP RN50's region embeddings of an image, or of the embeddings of 20 prompts; random weights.
// The other side: pytorch/preprocess.py.
//   preprocess.ts image|text [--images 16] [--regions 5] [--prompts 20]
import {
  type Box,
  ClipModel,
  clipEncoder,
  ModifiedResNet,
  type ParameterShapes,
  rn50Config,
  TextTransformer,
  textParameterShapes,
  visionParameterShapes,
} from "@villa/encoders";
import { report, settings, startBackend, timed } from "./common.ts";
import { countFlops } from "./flops.ts";

const at = settings({ images: 16, regions: 5, prompts: 20, repeats: 3 });
const backend = await startBackend(at);
const { vision, text } = rn50Config;
if (at.what === "text") {
  const transformer = new TextTransformer(text, random(textParameterShapes(text)));
  const encoder = clipEncoder(new ClipModel(rn50Config, new ModifiedResNet(vision, new Map()), transformer));
  const prompts = Array.from({ length: at.prompts }, () => "the image shows a three");
  report(at, backend.name, await timed(at.repeats, () => encoder.encodeText(prompts)));
} else {
  const tower = ModifiedResNet.forInference(vision, random(visionParameterShapes(vision)));
  const encoder = clipEncoder(new ClipModel(rn50Config, tower, undefined));
  const images = Array.from({ length: at.images }, () => ({
    width: 84,
    height: 84,
    channels: 3 as const,
    data: Uint8Array.from({ length: 3 * 84 * 84 }, () => Math.random() * 256),
  }));
  const boxes = images.map(() =>
    Array.from({ length: at.regions }, (_, i): Box => {
      const [x, y] = [28 * (i % 3), 28 * (Math.floor(i / 3) % 3)];
      return [x, y, x + 28, y + 28];
    }),
  );
  const times = await timed(at.repeats, () => encoder.encodeRegions(images, boxes));
  const peakKiB = process.resourceUsage().maxRSS; // counting keeps every kernel's inputs alive
  const flops = await countFlops(() => encoder.encodeRegions(images.slice(0, 1), boxes.slice(0, 1)));
  report(at, backend.name, times, { scale: 1 / at.images, flops, peakKiB });
}
await backend.dispose();

/** Random weights; norms scale by 1. */
function random(shapes: ParameterShapes) {
  return new Map(
    [...shapes].map(([name, shape]) => {
      const data = new Float32Array(shape.reduce((product, side) => product * side, 1));
      for (let i = 0; i < data.length; i++) data[i] = shape.length === 1 ? 1 : (Math.random() - 0.5) * 0.1;
      return [name, { shape, data }] as const;
    }),
  );
}
