import * as tf from "@tensorflow/tfjs-core";
import { frozenWeight, type WeightStorage } from "@villa/core";
import { checkFinite, VillaError } from "@villa/data";
import { checkNames } from "../check-weights.ts";
import type { WeightSource } from "../files.ts";
import { type ParameterShapes, type TextArchitecture, TokenTower } from "./token-tower.ts";

/** Where a tower's tensors lie among a file's. */
export interface TowerPlace {
  /** In front of the tower's own names, e.g. `text.` */
  readonly prefix: string;
  /** The file's name of a tensor; default prefix + name. */
  readonly nameOf?: ((name: string) => string) | undefined;
}

/**
 * The prefix in front of `anchor`, a name that only this kind of tower has. When there are several, the shortest.
 *
 * @returns undefined when no tensor is called so
 */
export function findPrefix(tensors: ReadonlyMap<string, unknown>, anchor: string): string | undefined {
  const prefixes = [...tensors.keys()]
    .filter((name) => name === anchor || name.endsWith(`.${anchor}`))
    .map((name) => name.slice(0, name.length - anchor.length));
  return prefixes.sort((a, b) => a.length - b.length)[0];
}

/** Shape of a tensor that tells sizes. @throws VillaError `Mismatch` when it is missing or of another rank */
export function shapeOf(
  { tensors }: WeightSource,
  name: string,
  rank: number,
  what: string,
): readonly [number, ...number[]] {
  const shape = tensors.get(name)?.shape;
  if (shape?.length === rank) return shape as unknown as readonly [number, ...number[]];
  throw new VillaError(
    "Mismatch",
    `The weights do not fit ${what}: "${name}" ${shape ? `has shape [${shape}]` : "is missing"}.`,
  );
}

/** How many blocks there are under a prefix such as `encoder.layer.` */
export function countBlocks(tensors: ReadonlyMap<string, unknown>, prefix: string): number {
  let blocks = 0;
  for (const name of tensors.keys()) {
    const number = name.startsWith(prefix) ? Number.parseInt(name.slice(prefix.length), 10) : Number.NaN;
    if (number >= blocks) blocks = number + 1;
  }
  return blocks;
}

/** What {@link loadTower} makes. */
export interface TowerRequest<Config> {
  readonly architecture: TextArchitecture<Config>;
  readonly config: Config;
  readonly weights: WeightSource;
  readonly place: TowerPlace;
  /** Words for messages, e.g. `a BERT text tower`. */
  readonly what: string;
  readonly trainable?: boolean | undefined;
  /** Of weights that are not trained. */
  readonly storage?: WeightStorage | undefined;
}

/**
 * Puts a tower's weights on the backend, one tensor after the other.
 *
 * @throws VillaError `Mismatch` naming some of the missing, unexpected and wrongly shaped tensors, `NotFinite`
 */
export async function loadTower<Config extends object>(request: TowerRequest<Config>): Promise<TokenTower<Config>> {
  const { architecture, config, weights, place, what, trainable = false, storage } = request;
  const { prefix, nameOf = (name) => prefix + name } = place;
  const shapes = architecture.shapes(config);
  checkShapes(shapes, request, nameOf);
  const parameters = new Map<string, tf.Tensor>();
  try {
    for (const [name, shape] of shapes) {
      const data = await weights.read(nameOf(name));
      checkFinite(nameOf(name), { dtype: "float32", data });
      parameters.set(name, trainable ? variable(data, shape) : frozenWeight(data, shape, storage));
    }
  } catch (error) {
    tf.dispose([...parameters.values()]);
    throw error;
  }
  if (parameters.size === 0) throw new VillaError("Mismatch", `The weights hold no tensor of ${what}.`);
  return new TokenTower(architecture, { config, parameters });
}

/** Blocks that are there but not expected mean that the sizes are another model's; what lies elsewhere is not ours. */
function checkShapes<Config>(
  shapes: ParameterShapes,
  { weights, place, what }: TowerRequest<Config>,
  nameOf: (name: string) => string,
): void {
  const expected = new Map([...shapes].map(([name, shape]) => [nameOf(name), shape]));
  const blocks = new Set([...shapes.keys()].flatMap((name) => /^(.*?\.)\d+\./.exec(name)?.[1] ?? []));
  const isOwn = (name: string) => [...blocks].some((block) => name.startsWith(place.prefix + block));
  checkNames(weights.tensors, expected, {
    what,
    isExtra: (name) => !isOwn(name) || name.endsWith("position_ids") || name.endsWith("attn_mask"),
  });
}

function variable(data: Float32Array, shape: readonly number[]): tf.Variable {
  // Copied: some backends keep the array they are given, and training would then change the file's. TF.js remembers
  // names of variables globally and refuses a second one, so they stay anonymous.
  return tf.tidy(() => tf.variable(tf.tensor(data.slice(), [...shape])));
}
