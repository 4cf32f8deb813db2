import * as tf from "@tensorflow/tfjs-core";
import { attention, gelu, layerNorm, linear, readTensor, transformerBlock } from "@villa/core";
import { checkArgument, type TensorData, VillaError } from "@villa/data";
import type { Regions } from "../regions/group-regions.ts";
import { alignPatches, averagePatches } from "../regions/patch-regions.ts";
import type { PictureInput } from "../regions/picture-input.ts";
import { pictureInputRule } from "../regions/picture-input.ts";
import type { ImageTower, TowerDescription, TrainablePart } from "../tower.ts";
import { type BlockNames, jointNames, namings, type VitConfig, type VitNames, vitRule } from "./config.ts";
import { scalePositions } from "./positions.ts";

/** A vision transformer's tokens, flat: [B · tokens, width]. */
interface Tokens {
  readonly rows: tf.Tensor2D;
  readonly batch: number;
  readonly grid: readonly [rows: number, columns: number];
  /** Tokens of an image: class and registers, then patches row by row. */
  readonly count: number;
  /** Those before the patches. */
  readonly special: number;
}

/**
 * The vision transformers of CLIP, OpenCLIP (timm's too), SigLIP and DINOv2. They differ in their names and in what stands before and
 * behind the blocks: class token or not, registers, a projection, or SigLIP's attention pool.
 *
 * Images may be of any size of at least one patch: positions are interpolated to the grid as the family's own code does.
 *
 * @see Dosovitskiy et al., An Image is Worth 16x16 Words (2021)
 */
export class VisionTransformer implements ImageTower {
  readonly config: VitConfig;
  /** Weights by the checkpoint's names, in torch's layout. For training they are `tf.Variable`s. */
  readonly parameters: ReadonlyMap<string, tf.Tensor>;
  readonly input: PictureInput;
  readonly #names: VitNames;

  constructor(
    config: VitConfig,
    parts: { readonly parameters: ReadonlyMap<string, tf.Tensor>; readonly input: PictureInput },
  ) {
    checkArgument("config", config, vitRule);
    checkArgument("parts", parts, { parameters: "Map", input: pictureInputRule });
    const { parameters, input } = parts;

    this.config = config;
    this.parameters = parameters;
    this.input = input;
    this.#names = namings[config.naming];
  }

  get description(): TowerDescription {
    return { family: "vit", config: { ...this.config, input: this.input } };
  }

  get embedDim(): number {
    return this.config.embedDim;
  }

  /**
   * A vector for every patch, in the space of the whole image's.
   *
   * With `dense: "value"` the last block's attention is left out and every token keeps its own value: attention mixes
   * tokens so that those of CLIP no longer say where they are.
   *
   * @param images [B, h, w, 3], normalised
   * @returns [B, h / patch, w / patch, embedDim]
   * @throws VillaError `InvalidArgument` for an image smaller than a patch
   * @see Zhou et al., Extract Free Dense Labels from CLIP (2022)
   */
  features(images: tf.Tensor4D): tf.Tensor4D {
    const { layers, dense = "value" } = this.config;
    return tf.tidy(() => {
      const { pool, projection } = this.#names;
      const byValue = dense === "value" && (projection || pool);
      const skipsAttention = (layer: number) => Boolean(byValue && !pool && layer === layers - 1);
      const tokens = this.#blocks(this.#embed(images), skipsAttention);
      const { batch, grid, count, special, rows } = tokens;
      const patches = tf.slice(tf.reshape(rows, [batch, count, -1]), [0, special, 0], [-1, count - special, -1]);
      const normed = this.#norm(tf.reshape(patches, [batch * (count - special), -1]), this.#names.normAfter);
      const mapped = pool && byValue ? this.#poolAlone(normed, pool) : this.#project(normed);
      return tf.reshape(mapped, [batch, ...grid, this.embedDim]);
    });
  }

  /** RoIAlign with one bin a region. @returns [R, embedDim] */
  regionEmbeddings(features: tf.Tensor4D, regions: Regions): tf.Tensor2D {
    return alignPatches(features, regions);
  }

  /** The mean of the patches, each weighted by the share of it that the region covers. @returns [R, embedDim] */
  maskEmbeddings(features: tf.Tensor4D, regions: Regions): tf.Tensor2D {
    return averagePatches(features, regions);
  }

  /** What the family calls image features: the class token projected, or the attention pool. @returns [B, embedDim] */
  imageEmbeddings(images: tf.Tensor4D): tf.Tensor2D {
    return tf.tidy(() => {
      const { batch, count, rows } = this.#blocks(this.#embed(images));
      const { pool, normAfter } = this.#names;
      if (pool) return this.#pool(this.#norm(rows, normAfter), pool, batch);
      const first = tf.slice(tf.reshape(rows, [batch, count, -1]), [0, 0, 0], [-1, 1, -1]);
      return this.#project(this.#norm(tf.reshape(first, [batch, -1]), normAfter));
    });
  }

  trainableVariables(part: TrainablePart = "all"): Map<string, tf.Variable> {
    const { layers } = this.config;
    const last = part === "all" ? layers : part === "head" ? 0 : Math.min(layers, part.last);
    const frozen = new Set<string>();
    for (let layer = 0; layer < layers - last; layer++) {
      const { norm1, norm2, attention, out, fc1, fc2, scales }: BlockNames = this.#names.block(layer);
      const prefixes = [norm1, norm2, ...[attention].flat(), out, fc1, fc2];
      for (const name of this.parameters.keys()) {
        if (scales?.includes(name) || prefixes.some((prefix) => name.startsWith(`${prefix}.`))) frozen.add(name);
      }
    }
    const { patch, positions, classToken, registers, normBefore } = this.#names;
    const stem = [`${patch}.weight`, `${patch}.bias`, positions.name, classToken?.name, registers];
    const isStem = (name: string) => stem.includes(name) || (normBefore && name.startsWith(`${normBefore}.`));
    return new Map(
      [...this.parameters].filter((entry): entry is [string, tf.Variable] => {
        const [name, tensor] = entry;
        const isFrozen = frozen.has(name) || (part !== "all" && isStem(name));
        return tensor instanceof tf.Variable && tensor.trainable && !isFrozen;
      }),
    );
  }

  async stateDict(): Promise<Map<string, TensorData>> {
    const stateDict = new Map<string, TensorData>();
    for (const [name, tensor] of this.parameters) stateDict.set(name, await readTensor(tensor));
    return stateDict;
  }

  refresh(): void {
    // Nothing is derived from the weights.
  }

  /** Frees what it holds on the backend. */
  dispose(): void {
    tf.dispose([...this.parameters.values()]);
  }

  #embed(images: tf.Tensor4D): Tokens {
    const { patchSize, width, registers = 0 } = this.config;
    const [batch, height, columns] = images.shape;
    const grid = [Math.floor(height / patchSize), Math.floor(columns / patchSize)] as const;
    if (grid[0] < 1 || grid[1] < 1) {
      throw new VillaError(
        "InvalidArgument",
        `An image of ${columns} × ${height} pixels is smaller than a patch of ${patchSize} × ${patchSize}; scale it up.`,
      );
    }
    const { patch, patchBias, positions, classToken } = this.#names;
    const whole = tf.slice(images, [0, 0, 0, 0], [batch, grid[0] * patchSize, grid[1] * patchSize, 3]);
    const lines = tf.reshape(whole, [batch * grid[0], patchSize, grid[1], patchSize * 3]);
    const patches = tf.reshape(tf.transpose(lines, [0, 2, 1, 3]), [-1, patchSize * patchSize * 3]); // [B·gh·gw, p·p·3]
    const filter = tf.transpose(this.#weight(`${patch}.weight`), [0, 2, 3, 1]); // OIHW -> O, then as patches lie
    const product = tf.matMul(patches, tf.reshape(filter, [width, -1]) as tf.Tensor2D, false, true);
    const tokens = patchBias ? tf.add(product, this.#weight(`${patch}.bias`)) : product;

    const table = tf.reshape(this.#weight(positions.name), [-1, width]) as tf.Tensor2D;
    const special = classToken ? 1 : 0;
    const ofGrid = scalePositions(
      tf.slice(table, [special, 0], [table.shape[0] - special, width]),
      grid,
      this.#names.antialias || registers > 0, // DINOv2 with registers came with it
    );
    const count = grid[0] * grid[1];
    const placed = tf.add(tf.reshape(tokens, [batch, count, width]), tf.reshape(ofGrid, [1, count, width]));
    const every = (x: tf.Tensor) => tf.mul(tf.reshape(x, [1, -1, width]), tf.ones([batch, 1, 1]));
    const before: tf.Tensor[] = [];
    if (classToken) {
      const own = tf.slice(table, [0, 0], [1, width]);
      before.push(every(tf.add(tf.reshape(this.#weight(classToken.name), [1, width]), own)));
    }
    if (registers > 0) before.push(every(this.#weight(this.#names.registers!)));
    const all = before.length > 0 ? tf.concat([...before, placed], 1) : placed; // [B, special + patches, width]
    const rows = tf.reshape(all, [-1, width]) as tf.Tensor2D;
    const { normBefore } = this.#names;
    const normed = normBefore ? this.#norm(rows, normBefore) : rows;
    return { rows: normed, batch, grid, count: special + registers + count, special: special + registers };
  }

  #blocks(tokens: Tokens, skipsAttention: (layer: number) => boolean = () => false): Tokens {
    let { rows } = tokens;
    for (let layer = 0; layer < this.config.layers; layer++) {
      const input = rows;
      rows = tf.tidy(() => this.#block(input, this.#names.block(layer), tokens.batch, skipsAttention(layer)));
      input.dispose(); // otherwise all maps of a pass would be in memory at once
    }
    return { ...tokens, rows };
  }

  #block(x: tf.Tensor2D, names: BlockNames, count: number, skipsAttention: boolean): tf.Tensor2D {
    if (skipsAttention) return this.#blockByValue(x, names);
    const { heads, activation, epsilon } = this.config;
    const { scales } = names;
    const weights = {
      norm1: this.#pair(names.norm1),
      attention: this.#attentionWeights(names.attention),
      out: this.#pair(names.out),
      norm2: this.#pair(names.norm2),
      fc1: this.#pair(names.fc1),
      fc2: this.#pair(names.fc2),
      scales: scales && ([this.#weight(scales[0]), this.#weight(scales[1])] as const),
    };
    return transformerBlock(x, weights, { count, heads, activation, epsilon });
  }

  /** A block without attention: every token keeps its own value. */
  #blockByValue(x: tf.Tensor2D, names: BlockNames): tf.Tensor2D {
    const normed = this.#norm(x, names.norm1);
    const { attention } = names;
    const value =
      typeof attention === "string" ? this.#jointPart(normed, attention, 2) : this.#linear(normed, attention[2]);
    const kept = tf.add(x, this.#scaled(this.#linear(value, names.out), names.scales?.[0])) as tf.Tensor2D;
    const branch = this.#perceptron(this.#norm(kept, names.norm2), names.fc1, names.fc2);
    return tf.add(kept, this.#scaled(branch, names.scales?.[1]));
  }

  #attentionWeights(names: BlockNames["attention"]): (readonly [tf.Tensor, tf.Tensor])[] {
    if (typeof names !== "string") return names.map((name) => this.#pair(name));
    const [weight, bias] = jointNames(names);
    return [[this.#weight(weight), this.#weight(bias)]];
  }

  /** Query, key or value (0, 1, 2) of a joint matrix. */
  #jointPart(x: tf.Tensor2D, name: string, index: number): tf.Tensor2D {
    const { width } = this.config;
    const [weightName, biasName] = jointNames(name);
    const weight = tf.slice(this.#weight(weightName), [index * width, 0], [width, width]);
    const bias = tf.slice(this.#weight(biasName), [index * width], [width]);
    return linear(x, weight as tf.Tensor2D, bias as tf.Tensor1D) as tf.Tensor2D;
  }

  /** SigLIP's attention pool. @param x [B · tokens, width] @returns [B, width] */
  #pool(x: tf.Tensor2D, name: string, batch: number): tf.Tensor2D {
    const { width, heads } = this.config;
    const probe = tf.reshape(this.#weight(`${name}.probe`), [1, width]) as tf.Tensor2D;
    const query = tf.mul(this.#jointPart(probe, `${name}.attention`, 0), tf.ones([batch, 1])) as tf.Tensor2D;
    const [key, value] = [1, 2].map((index) => this.#jointPart(x, `${name}.attention`, index));
    const pooled = attention(query, key!, value!, { count: batch, heads });
    return this.#poolOutput(pooled, name);
  }

  /** The attention pool over each token alone: its value is all that there is to attend to. */
  #poolAlone(x: tf.Tensor2D, name: string): tf.Tensor2D {
    return this.#poolOutput(this.#jointPart(x, `${name}.attention`, 2), name);
  }

  #poolOutput(attended: tf.Tensor2D, name: string): tf.Tensor2D {
    const out = this.#linear(attended, `${name}.attention.out_proj`);
    const normed = this.#norm(out, `${name}.layernorm`);
    return tf.add(out, this.#perceptron(normed, `${name}.mlp.fc1`, `${name}.mlp.fc2`));
  }

  #project(x: tf.Tensor2D): tf.Tensor2D {
    const { projection } = this.#names;
    if (!projection) return x;
    return tf.matMul(x, this.#weight(projection.name) as tf.Tensor2D, false, !projection.transposed);
  }

  #perceptron(x: tf.Tensor2D, fc1: string, fc2: string): tf.Tensor2D {
    return this.#linear(gelu(this.#linear(x, fc1), this.config.activation), fc2);
  }

  #scaled(x: tf.Tensor2D, scale: string | undefined): tf.Tensor2D {
    return scale === undefined ? x : tf.mul(x, this.#weight(scale));
  }

  #norm(x: tf.Tensor2D, name: string): tf.Tensor2D {
    return layerNorm(x, this.#weight(`${name}.weight`), this.#weight(`${name}.bias`), this.config.epsilon);
  }

  #linear(x: tf.Tensor2D, name: string): tf.Tensor2D {
    const [weight, bias] = [this.#weight(`${name}.weight`), this.#weight(`${name}.bias`)];
    return linear(x, weight as tf.Tensor2D, bias as tf.Tensor1D) as tf.Tensor2D;
  }

  #pair(name: string): readonly [tf.Tensor, tf.Tensor] {
    return [this.#weight(`${name}.weight`), this.#weight(`${name}.bias`)];
  }

  #weight(name: string): tf.Tensor {
    return this.parameters.get(name)!;
  }
}
