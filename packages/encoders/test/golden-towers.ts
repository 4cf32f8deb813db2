import * as tf from "@tensorflow/tfjs-core";
import type { TensorData } from "@villa/data";
import { golden, type Summary, tensorValues, unit } from "@villa/testing";
import { nchwToNhwc } from "@villa/testing/clip-weights";
import { memoryWeights } from "../src/files.ts";
import type { EncoderFiles } from "../src/index.ts";

/** A vision transformer's golden values. */
export interface TowerCase {
  name: string;
  salt: string;
  config: Record<string, unknown>;
  shapes: Record<string, number[]>;
  images: { size: [number, number]; pooled: number[]; dense: Partial<Record<"value" | "last-hidden", Summary>> }[];
  training: {
    learning_rate: number;
    epsilon: number;
    temperature: number;
    steps: { loss: number; grads: Record<string, Summary> }[];
    after: Record<string, Summary>;
  };
}

const { json } = golden();
export const towerCases = ["towers.json", "towers_open_clip.json", "towers_timm.json"].flatMap(
  (file) => json<{ cases: TowerCase[] }>(file).cases,
);

/** The rules of `weight` in tools/golden/towers.py. */
function weight(salt: string, name: string, shape: readonly number[]): Float32Array {
  const size = shape.reduce((product, side) => product * side, 1);
  const values = unit(`${salt}:${name}`, size);
  if (name.endsWith("bias")) return Float32Array.from(values, (value) => 0.05 * value);
  if (shape.length === 1 && /(?:weight|lambda1)$/.test(name)) return Float32Array.from(values, (v) => 1 + 0.1 * v);
  if (/position|class_|cls_|register|probe/.test(name)) return Float32Array.from(values, (value) => 0.5 * value);
  const inputs = shape.slice(1).reduce((product, side) => product * side, 1);
  return Float32Array.from(values, (value) => value * Math.sqrt(3 / inputs));
}

export function towerFiles({ salt, shapes, config }: TowerCase): EncoderFiles {
  const tensors = new Map(
    Object.entries(shapes).map(([name, shape]): [string, TensorData] => [
      name,
      { dtype: "float32", shape, data: weight(salt, name, shape) },
    ]),
  );
  const name = "model_cfg" in config ? "open_clip_config.json" : "config.json";
  return {
    label: "golden",
    weights: memoryWeights(tensors),
    json: async (file) => (file === name ? config : undefined),
    path: () => undefined,
  };
}

/** Images of a golden case, [count, height, width, 3]. */
export const towerImages = (name: string, count: number, height: number, width: number) =>
  tf.tensor4d(nchwToNhwc(tensorValues(name, [count, 3, height, width]), [count, 3, height, width]), [
    count,
    height,
    width,
    3,
  ]);
