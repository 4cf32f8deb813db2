// Our side of the preprocessing benchmark: the same work as benchmarks/pytorch/preprocess.py. Prints one line of JSON.
//   node --import tsx --conditions=@villa/source bench/preprocess.ts [--images 16] [--regions 5] [--prompts 20] [--repeats 3]
import { parseArgs } from "node:util";
import { useNodeBackend } from "@villa/backend-node";
import type { RgbImage } from "@villa/data";
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
} from "../src/index.ts";

const { values } = parseArgs({
  options: {
    images: { type: "string", default: "16" },
    regions: { type: "string", default: "5" },
    prompts: { type: "string", default: "20" },
    repeats: { type: "string", default: "3" },
  },
});
const [imageCount, regionCount, promptCount, repeats] = [
  values.images,
  values.regions,
  values.prompts,
  values.repeats,
].map(Number) as [number, number, number, number];

const backend = await useNodeBackend();
const { vision, text } = rn50Config;
const random = (shapes: ParameterShapes) =>
  new Map(
    [...shapes].map(([name, shape]) => {
      const data = new Float32Array(shape.reduce((product, side) => product * side, 1));
      const isNorm = shape.length === 1;
      for (let i = 0; i < data.length; i++) data[i] = isNorm ? 1 : (Math.random() - 0.5) * 0.1;
      return [name, { shape, data }];
    }),
  );
const model = new ClipModel(
  rn50Config,
  ModifiedResNet.forInference(vision, random(visionParameterShapes(vision))),
  new TextTransformer(text, random(textParameterShapes(text))),
);
const encoder = clipEncoder(model);

const images = Array.from(
  { length: imageCount },
  (): RgbImage => ({
    width: 84,
    height: 84,
    channels: 3,
    data: Uint8Array.from({ length: 3 * 84 * 84 }, () => Math.random() * 256),
  }),
);
const boxes = images.map(() =>
  Array.from({ length: regionCount }, (_, i): Box => {
    const [x, y] = [28 * (i % 3), 28 * (Math.floor(i / 3) % 3)];
    return [x, y, x + 28, y + 28];
  }),
);
const prompts = Array.from({ length: promptCount }, () => "the image shows a three");

await encoder.encodeRegions(images.slice(0, 1), boxes.slice(0, 1));
const regionSeconds = await best(() => encoder.encodeRegions(images, boxes));
const promptSeconds = await best(() => encoder.encodeText(prompts));
console.log(
  JSON.stringify({
    side: `@villa/preprocess on ${backend.name}`,
    secondsPerImage: regionSeconds / imageCount,
    secondsForPrompts: promptSeconds,
    prompts: promptCount,
    peakMegabytes: process.resourceUsage().maxRSS / 1000,
  }),
);

async function best(work: () => Promise<unknown>): Promise<number> {
  let shortest = Number.POSITIVE_INFINITY;
  for (let i = 0; i < repeats; i++) {
    const start = performance.now();
    await work();
    shortest = Math.min(shortest, (performance.now() - start) / 1000);
  }
  return shortest;
}
