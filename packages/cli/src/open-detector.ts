import { createHash } from "node:crypto";
import { type Box, type RgbImage, VillaError } from "@villa/data";
import { readFileBytes } from "@villa/data/node";
import type { OnnxModel, OnnxOutput, OnnxValue } from "@villa/encoders";
import type { Proposer } from "@villa/ingest/node";
import { nonMaximumSuppression } from "@villa/metrics";

/** Which of a detector's boxes become regions. */
export interface DetectorOptions {
  /** Boxes of a lower score are left out. Default 0.05. */
  readonly minScore?: number | undefined;
  /** Boxes that overlap a better one by more than this are left out. Default 0.5. */
  readonly nms?: number | undefined;
  /** Boxes of an image. Default 100. */
  readonly most?: number | undefined;
}

/** Boxes in fractions of the picture, each with its score. */
interface Scored {
  readonly boxes: Box[];
  readonly scores: number[];
}

type Outputs = ReadonlyMap<string, OnnxOutput>;

/** A way in which detectors give their boxes. */
interface Convention {
  /** Of each colour, of values 0 … 1. */
  readonly mean: readonly [number, number, number];
  readonly deviation: readonly [number, number, number];
  /** @param side of the model's input, in pixels @returns undefined for outputs of another convention */
  read(outputs: Outputs, side: readonly [height: number, width: number]): Scored | undefined;
}

const plain = { mean: [0, 0, 0], deviation: [1, 1, 1] } as const;

const conventions: readonly Convention[] = [
  {
    // DETR: `logits` [1, n, classes + 1], the last class is none; `pred_boxes` [1, n, 4] centre and size in fractions.
    mean: [0.485, 0.456, 0.406],
    deviation: [0.229, 0.224, 0.225],
    read(outputs) {
      const [logits, boxes] = [outputs.get("logits"), outputs.get("pred_boxes")];
      if (!logits || !boxes || boxes.shape.at(-1) !== 4) return undefined;
      const classes = logits.shape.at(-1)!;
      return rows(boxes.data.length / 4, (i) => ({
        box: centred(boxes.data.subarray(4 * i, 4 * i + 4), [1, 1]),
        score: best(softmax(logits.data.subarray(i * classes, (i + 1) * classes)).slice(0, -1)),
      }));
    },
  },
  {
    // Boxes [n, 4] or [1, n, 4] as corners in pixels of the input; scores [n], [1, n] or [1, n, classes].
    ...plain,
    read(outputs, [height, width]) {
      const [boxes, scores] = [outputs.get("boxes"), outputs.get("scores")];
      if (!boxes || !scores || boxes.shape.at(-1) !== 4) return undefined;
      const count = boxes.data.length / 4;
      const classes = scores.data.length / Math.max(1, count);
      return rows(count, (i) => {
        const [x0, y0, x1, y1] = boxes.data.subarray(4 * i, 4 * i + 4) as unknown as Box;
        return {
          box: [x0 / width, y0 / height, x1 / width, y1 / height],
          score: best(scores.data.subarray(i * classes, (i + 1) * classes)),
        };
      });
    },
  },
  {
    // YOLO with the selection inside, as `nms=True` and version 10 export it: [1, n, 6], corners in pixels of the input,
    // score and number of the class. Six values of version 5 are those of one class, whose probability is no whole number.
    ...plain,
    read(outputs, [height, width]) {
      const [output, ...others] = [...outputs.values()];
      if (!output || others.length > 0 || output.shape.length !== 3 || output.shape[2] !== 6) return undefined;
      const { data } = output;
      const count = data.length / 6;
      for (let i = 0; i < count; i++) if (!Number.isInteger(data[6 * i + 5])) return undefined;
      return rows(count, (i) => {
        const [x0, y0, x1, y1, score] = data.subarray(6 * i, 6 * i + 5) as unknown as [...Box, number];
        return { box: [x0 / width, y0 / height, x1 / width, y1 / height], score };
      });
    },
  },
  {
    // YOLO: one output, centre and size in pixels of the input; [1, 4 + classes, n] since version 8, before that
    // [1, n, 5 + classes] with the probability of any object in front of those of the classes.
    ...plain,
    read(outputs, [height, width]) {
      const [output, ...others] = [...outputs.values()];
      if (!output || others.length > 0 || output.shape.length !== 3 || output.shape[0] !== 1) return undefined;
      const [, a, b] = output.shape as [number, number, number];
      const { data } = output;
      const [count, length] = a < b ? [b, a] : [a, b];
      if (length < 5) return undefined;
      const value = (i: number, k: number): number => (a < b ? data[k * b + i]! : data[i * b + k]!);
      return rows(count, (i) => {
        const values = Float32Array.from({ length }, (_, k) => value(i, k));
        const score = a < b ? best(values.subarray(4)) : values[4]! * (length > 5 ? best(values.subarray(5)) : 1);
        return { box: centred(values, [height, width]), score };
      });
    },
  },
];

/** Sides of the input where the model leaves them free. */
const usualSide = 640;

/**
 * Opens a detector as a source of regions: `--regions proposals:MODEL.onnx`.
 *
 * @throws VillaError `NotFound`, `InvalidFile`, `InvalidArgument`; `Unsupported` without ONNX Runtime or for another input
 */
export async function openDetector(path: string, options: DetectorOptions = {}): Promise<Proposer> {
  const { minScore = 0.05, nms = 0.5, most = 100 } = options;
  const sha256 = createHash("sha256")
    .update(await readFileBytes(path))
    .digest("hex");
  const { openOnnxFile } = await import("@villa/encoders/node");
  const model = await openOnnxFile(path);
  return {
    identity: `proposals ${sha256} ${minScore} ${nms} ${most}`,
    propose: (image) => detect(model, path, image, { minScore, nms, most }),
  };
}

async function detect(
  model: OnnxModel,
  path: string,
  image: RgbImage,
  { minScore, nms, most }: Required<Record<keyof DetectorOptions, number>>,
): Promise<Box[]> {
  // Transformers' exports of DETR ask which pixels are padding; here none are.
  const padding = model.inputs.find(({ name, type }) => name === "pixel_mask" && type === "int64");
  const [input, ...others] = model.inputs.filter((each) => each !== padding);
  if (!input || others.length > 0 || (input.type ?? "float32") !== "float32") {
    throw new VillaError("Unsupported", `${path} must take one input, pixels of float32 [1, 3, height, width].`);
  }
  const sideOf = (value: OnnxValue, at: number, free: number): number => {
    const side = value.shape?.[at];
    return typeof side === "number" && side > 0 ? side : free;
  };
  const [height, width] = [sideOf(input, 2, usualSide), sideOf(input, 3, usualSide)];
  const [rows, columns] = padding ? [sideOf(padding, 1, height), sideOf(padding, 2, width)] : [0, 0];
  const mask = { data: new BigInt64Array(rows * columns).fill(1n), shape: [1, rows, columns] };
  const { resizeImage } = await import("@villa/encoders");
  const { data } = resizeImage(image, { width, height, resample: "bilinear" });
  const area = width * height;
  const run = async ({ mean, deviation }: Convention) => {
    const pixels = Float32Array.from(data, (value, i) => {
      const channel = Math.floor(i / area);
      return (value / 255 - mean[channel]!) / deviation[channel]!;
    });
    const own = { [input.name]: { data: pixels, shape: [1, 3, height, width] } };
    return model.run(padding ? { ...own, [padding.name]: mask } : own);
  };
  const plainOutputs = await run(conventions[1]!);
  const convention = conventions.find((each) => each.read(plainOutputs, [height, width]));
  if (!convention) {
    const given = [...plainOutputs].map(([name, { shape }]) => `${name} [${shape.join(", ")}]`).join(", ");
    throw new VillaError(
      "Unsupported",
      `${path} gives ${given}; known are logits and pred_boxes (DETR), boxes and scores, or one output of YOLO.`,
    );
  }
  const outputs = convention.mean[0] === 0 ? plainOutputs : await run(convention);
  const { boxes, scores } = convention.read(outputs, [height, width])!;
  const clip = (value: number) => Math.min(1, Math.max(0, value));
  const likely = boxes
    .map(([x0, y0, x1, y1], i) => ({ box: [clip(x0), clip(y0), clip(x1), clip(y1)] as Box, score: scores[i]! }))
    .filter(({ box, score }) => score >= minScore && box[2] > box[0] && box[3] > box[1]);
  const placed = likely.map(
    ({ box: [x0, y0, x1, y1] }): Box => [x0 * image.width, y0 * image.height, x1 * image.width, y1 * image.height],
  );
  const kept = nonMaximumSuppression({ boxes: placed, scores: likely.map(({ score }) => score), threshold: nms });
  return kept.slice(0, most).map((i) => placed[i]!);
}

function rows(count: number, row: (i: number) => { box: Box; score: number }): Scored {
  const all = Array.from({ length: count }, (_, i) => row(i));
  return { boxes: all.map(({ box }) => box), scores: all.map(({ score }) => score) };
}

function centred(values: ArrayLike<number>, [height, width]: readonly [number, number]): Box {
  const [x, y, w, h] = [values[0]! / width, values[1]! / height, values[2]! / width, values[3]! / height];
  return [x - w / 2, y - h / 2, x + w / 2, y + h / 2];
}

function softmax(logits: Float32Array): number[] {
  const most = best(logits);
  const powers = Array.from(logits, (value) => Math.exp(value - most));
  const sum = powers.reduce((total, each) => total + each, 0);
  return powers.map((each) => each / sum);
}

const best = (values: ArrayLike<number>): number =>
  Array.prototype.reduce.call(values, (most, value) => Math.max(most as number, value as number), -Infinity) as number;
