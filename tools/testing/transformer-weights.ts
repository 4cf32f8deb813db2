import type { TensorData } from "../../packages/data/src/index.ts";
import { tensorValues } from "./unit.ts";

const norm = /(LayerNorm|layer_?norm\w*|ln_\w+|norm\w*)\.(weight|bias)$/;

/** A transformer's checkpoint whose weights are made from their names, by the rules of tools/golden/named_values.py. */
export function namedTransformer(
  salt: string,
  shapes: Readonly<Record<string, readonly number[]>>,
): Map<string, TensorData> {
  return new Map(
    Object.entries(shapes).map(([name, shape]) => [
      name,
      { dtype: "float32", shape: [...shape], data: weight(`${salt}:${name}`, name, shape) },
    ]),
  );
}

function weight(seed: string, name: string, shape: readonly number[]): Float32Array {
  const values = (scale: number) => tensorValues(seed, shape, scale);
  if (norm.test(name)) return name.endsWith("weight") ? values(0.1).map((value) => 1 + value) : values(0.1);
  if (name.endsWith("bias")) return values(0.05);
  if (name.includes("embedding")) return values(0.3);
  const inputs = name.endsWith("text_projection") ? shape[0]! : shape.slice(1).reduce((a, b) => a * b, 1);
  return values(Math.sqrt(3 / inputs));
}
