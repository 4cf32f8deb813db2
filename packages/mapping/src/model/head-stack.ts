import * as tf from "@tensorflow/tfjs-core";
import { VillaError } from "@villa/data";
import { gatherRows } from "../data/batches.ts";
import {
  type HeadParameter,
  type HeadsOptions,
  type HeadWeights,
  headFrom,
  headParameters,
  joinHeads,
  joinRows,
  paddedShape,
  rowWidth,
  separateHead,
} from "./heads.ts";

/** Cosine of every row with every attribute of every head, and what they were made from. */
export interface RowScores {
  /** [G, R, A] cos(head(x), t), where t is used as given (its norm is not divided out). */
  readonly cosines: Float32Array;
  /** [G, R] norm of the head output. */
  readonly norms: Float32Array;
}

/** A forward pass whose activations are kept for {@link HeadStack.gradients}; dispose it afterwards. */
export interface StackForward extends RowScores {
  dispose(): void;
}

/** Rows of one forward pass that receive gradient, the same number K for every head. */
export interface RowGradient {
  /** [G, K] rows of the batch. */
  readonly rows: Int32Array;
  /** [G, K, A] derivative of the loss by the cosine. */
  readonly byCosine: Float64Array;
}

interface Activations extends StackForward {
  readonly x: tf.Tensor2D;
  readonly hidden: tf.Tensor3D;
  readonly output: tf.Tensor3D;
}

/** PyTorch's `normalize` divides by at least this. */
const smallestNorm = 1e-12;

/**
 * G projection heads that are computed as one (batched) product: one head at a time on a CPU, many on a GPU.
 *
 * The backward pass is written out rather than taped: the loss depends on a few selected rows only, and keeping their
 * hidden values spares a second forward pass that a tape would need.
 */
export class HeadStack {
  /** Keys are the names of {@link headParameters}; shapes [G, w, w] and [G, w], w = {@link rowWidth}. */
  readonly variables: ReadonlyMap<HeadParameter, tf.Variable>;
  readonly #options: HeadsOptions;
  readonly #attributes: tf.Tensor3D; // [G, A, d]
  readonly #heads: number;
  readonly #attributesPerHead: number;

  /**
   * @param heads values of the G heads
   * @param attributeEmbeddings for each head the [A, d] embeddings of the attributes it scores; A is the same for all
   */
  constructor(heads: readonly HeadWeights[], attributeEmbeddings: readonly Float32Array[], options: HeadsOptions) {
    const { dimension } = options;
    this.#options = options;
    this.#heads = heads.length;
    this.#attributesPerHead = attributeEmbeddings[0]!.length / dimension;
    if (this.#attributesPerHead > 1 && heads.length > 1) {
      throw new VillaError("InvalidArgument", "Heads that score several attributes each cannot be stacked.");
    }
    const rows = this.#attributesPerHead;
    this.#attributes = tf.keep(
      tf.tensor3d(joinRows(attributeEmbeddings, { dimension, rows }), [heads.length, rows, rowWidth(dimension)]),
    );
    this.variables = new Map(
      headParameters.map((parameter) => {
        const shape = [heads.length, ...paddedShape(parameter, dimension)];
        const values = joinHeads(heads, { parameter, dimension });
        return [parameter, tf.tidy(() => tf.variable(tf.tensor(values, shape, "float32"), true))];
      }),
    );
  }

  /** Rows of a [.., d] array as the heads take them, [R, width]. The caller disposes them. */
  rows(source: Float32Array, rows: ArrayLike<number>): tf.Tensor2D {
    const { dimension } = this.#options;
    const width = rowWidth(dimension);
    return tf.tensor2d(gatherRows(source, rows, { dimension, width }), [rows.length, width]);
  }

  /** Cosines of all rows. Nothing stays on the backend. @param x from {@link rows} */
  async score(x: tf.Tensor2D): Promise<RowScores> {
    const { cosines, norms, dispose } = await this.forward(x);
    dispose();
    return { cosines, norms };
  }

  /** Cosines of all rows, keeping the activations. @param x from {@link rows}; must live until the result is disposed */
  async forward(x: tf.Tensor2D): Promise<StackForward> {
    const [hidden, output, dots, squares] = tf.tidy(() => this.#project(x));
    const [dotValues, squareValues] = (await Promise.all([dots.data(), squares.data()])) as [
      Float32Array,
      Float32Array,
    ];
    tf.dispose([dots, squares]);
    const norms = squareValues.map((square) => Math.max(Math.sqrt(square), smallestNorm));
    const cosines = dotValues.map((dot, i) => dot / norms[Math.floor(i / this.#attributesPerHead)]!);
    const activations: Activations = { x, hidden, output, cosines, norms, dispose: () => tf.dispose([hidden, output]) };
    return activations;
  }

  /**
   * Gradients of a loss that reaches the heads through the given rows only. The caller disposes them.
   *
   * With ŷ = y/|y| and c = ŷ·t: dy = Σ_a dc_a (t_a − c_a ŷ) / |y|, then two ordinary linear layers backwards.
   */
  gradients(forward: StackForward, { rows, byCosine }: RowGradient): Record<HeadParameter, tf.Tensor> {
    const { x, hidden, output, cosines, norms } = forward as Activations;
    const heads = this.#heads;
    const attributes = this.#attributesPerHead;
    const [selected, total] = [rows.length / heads, x.shape[0]];
    const alongAttribute = new Float32Array(rows.length * attributes); // [G, K, A]
    const alongOutput = new Float32Array(rows.length); // [G, K]
    const stackedRows = new Int32Array(rows.length); // rows of the [G·R, d] activations
    const scale = this.#options.adapter ? 0.2 : 1;
    for (let k = 0; k < rows.length; k++) {
      const row = Math.floor(k / selected) * total + rows[k]!;
      stackedRows[k] = row;
      const norm = norms[row]!;
      let projection = 0;
      for (let a = 0; a < attributes; a++) {
        const gradient = (scale * byCosine[k * attributes + a]!) / norm;
        alongAttribute[k * attributes + a] = gradient;
        projection += gradient * cosines[row * attributes + a]!;
      }
      alongOutput[k] = projection / norm;
    }

    return tf.tidy(() => {
      const width = rowWidth(this.#options.dimension);
      const pick = (stacked: tf.Tensor3D): tf.Tensor3D =>
        tf.reshape(tf.gather(tf.reshape(stacked, [heads * total, width]), stackedRows), [heads, selected, width]);
      const chosenHidden = pick(hidden);
      const chosenX = tf.reshape<tf.Rank.R3>(tf.gather(x, rows), [heads, selected, width]);
      const coefficients = tf.tensor3d(alongAttribute, [heads, selected, attributes]);
      const towardsAttributes =
        attributes === 1 ? tf.mul(coefficients, this.#attributes) : product(coefficients, this.#attributes);
      const alongOwn = tf.mul(pick(output), tf.tensor3d(alongOutput, [heads, selected, 1]));
      const dOutput = tf.sub<tf.Tensor3D>(towardsAttributes, alongOwn);
      const dHidden = tf.mul<tf.Tensor3D>(product(dOutput, this.#variable("2.weight")), tf.step(chosenHidden));
      return {
        "0.weight": product(dHidden, chosenX, true),
        "0.bias": sumRows(dHidden),
        "2.weight": product(dOutput, chosenHidden, true),
        "2.bias": sumRows(dOutput),
      };
    });
  }

  /** Zero gradients of every parameter. The caller disposes them. */
  zeroGradients(): Record<HeadParameter, tf.Tensor> {
    const zeros = (parameter: HeadParameter): tf.Tensor => tf.zeros(this.#variable(parameter).shape);
    return {
      "0.weight": zeros("0.weight"),
      "0.bias": zeros("0.bias"),
      "2.weight": zeros("2.weight"),
      "2.bias": zeros("2.bias"),
    };
  }

  /** Values of every head. */
  async weights(): Promise<HeadWeights[]> {
    const stacked = new Map<HeadParameter, Float32Array>();
    for (const [parameter, variable] of this.variables) stacked.set(parameter, (await variable.data()) as Float32Array);
    return Array.from({ length: this.#heads }, (_, g) =>
      headFrom((parameter) => {
        const { dimension } = this.#options;
        return separateHead(stacked.get(parameter)!, { position: g, parameter, dimension });
      }),
    );
  }

  dispose(): void {
    tf.dispose([this.#attributes, ...this.variables.values()]);
  }

  /** [hidden [G, R, d], output [G, R, d], output·t [G, R, A], |output|² [G, R]] */
  #project(x: tf.Tensor2D): [tf.Tensor3D, tf.Tensor3D, tf.Tensor3D, tf.Tensor2D] {
    const hidden = this.#linear(tf.expandDims(x, 0), "0", "relu");
    const projected = this.#linear(hidden, "2", "linear");
    const output = this.#options.adapter ? tf.add<tf.Tensor3D>(tf.mul(projected, 0.2), tf.mul(x, 0.8)) : projected;
    const dots =
      this.#heads === 1
        ? product(output, this.#attributes, false, true)
        : tf.sum<tf.Tensor3D>(tf.mul(output, this.#attributes), 2, true);
    return [hidden, output, dots, tf.sum<tf.Tensor2D>(tf.square(output), 2)];
  }

  /** activation(input · Wᵀ + b). @param input [1, R, d] (shared by all heads) or [G, R, d] */
  #linear(input: tf.Tensor3D, layer: "0" | "2", activation: "relu" | "linear"): tf.Tensor3D {
    const weight = this.#variable(`${layer}.weight`);
    const bias = this.#variable(`${layer}.bias`);
    const [, rows, dimension] = input.shape;
    if (this.#heads === 1) {
      const single = tf.fused.matMul({
        a: tf.reshape<tf.Rank.R2>(input, [rows, dimension]),
        b: tf.reshape<tf.Rank.R2>(weight, [dimension, dimension]),
        transposeB: true,
        bias: tf.reshape(bias, [dimension]),
        activation,
      });
      return tf.reshape(single, [1, rows, dimension]);
    }
    const sums = input.shape[0] === 1 ? this.#sharedProduct(input, weight) : tf.matMul(input, weight, false, true);
    const shifted = tf.add<tf.Tensor3D>(sums, tf.expandDims(bias, 1));
    return activation === "relu" ? tf.relu(shifted) : shifted;
  }

  /** The same rows through all heads as one product, [R, d] · [G·d, d]ᵀ, brought into the order [G, R, d]. */
  #sharedProduct(input: tf.Tensor3D, weight: tf.Tensor3D): tf.Tensor3D {
    const [, rows, dimension] = input.shape;
    const all = tf.matMul(
      tf.reshape<tf.Rank.R2>(input, [rows, dimension]),
      tf.reshape<tf.Rank.R2>(weight, [this.#heads * dimension, dimension]),
      false,
      true,
    );
    return tf.transpose(tf.reshape<tf.Rank.R3>(all, [rows, this.#heads, dimension]), [1, 0, 2]);
  }

  #variable(parameter: HeadParameter): tf.Tensor3D {
    return this.variables.get(parameter) as unknown as tf.Tensor3D;
  }
}

/** Batched product of [G, m, k] and [G, k, n]. A stack of one goes through the plain product, which every backend has fast. */
function product(a: tf.Tensor3D, b: tf.Tensor3D, transposeA = false, transposeB = false): tf.Tensor3D {
  if (a.shape[0] !== 1) return tf.matMul(a, b, transposeA, transposeB);
  const flat = (tensor: tf.Tensor3D): tf.Tensor2D => tf.reshape(tensor, [tensor.shape[1], tensor.shape[2]]);
  return tf.expandDims(tf.matMul(flat(a), flat(b), transposeA, transposeB), 0);
}

const sumRows = (tensor: tf.Tensor3D): tf.Tensor => tf.sum(tensor, 1);
