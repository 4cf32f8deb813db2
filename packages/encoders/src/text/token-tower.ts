import * as tf from "@tensorflow/tfjs-core";
import { type TensorData, VillaError } from "@villa/data";
import type { TowerConfig, TowerDescription, TrainablePart } from "../tower.ts";

/** Torch shape of every tensor by its name in the checkpoint. */
export type ParameterShapes = Map<string, readonly number[]>;

/** A tower's weights by their names in the checkpoint. */
export type Weights = (name: string) => tf.Tensor;

/** Sizes of a text tower that its surroundings have to know. */
export interface TextSizes {
  /** Length of the vectors. */
  readonly embedDim: number;
  readonly vocabularySize: number;
  /** Longest sequence in tokens, start and end included. */
  readonly contextLength: number;
  /** Blocks, for training the last few of them. */
  readonly layers: number;
  /** Set where the tower was trained on rows filled up to the context length with this token, which it looks at. */
  readonly fill?: number | undefined;
}

/** How a family of text towers computes: written once, for inference and training. */
export interface TextArchitecture<Config> {
  readonly family: string;
  /** Sizes of the tower that a configuration describes. */
  sizes(config: Config): TextSizes;
  /** Torch shape of every tensor, by its name in the checkpoint. */
  shapes(config: Config): ParameterShapes;
  /** @returns [n, embedDim], not normalised unless the model itself does it */
  forward(weights: Weights, config: Config, tokens: TokenRows): tf.Tensor2D;
  /** The block that a weight belongs to, from 0; `layers` for what comes after the last, −1 for what comes before. */
  blockOf(name: string, config: Config): number;
}

/** Sequences of tokens side by side. */
export interface TokenRows {
  /** [count × length], sequence after sequence, filled up behind its end. */
  readonly ids: Int32Array;
  readonly count: number;
  readonly length: number;
  /** [count] length of each sequence without its filling. */
  readonly lengths: readonly number[];
}

/**
 * A text tower on token ids: all that training needs to know of it. Differentiable with respect to the parameters when
 * they are variables.
 */
export class TokenTower<Config extends object = object> {
  readonly architecture: TextArchitecture<Config>;
  readonly config: Config;
  readonly sizes: TextSizes;
  /** Weights by the checkpoint's names; variables when the tower is trainable. */
  readonly parameters: ReadonlyMap<string, tf.Tensor>;

  constructor(
    architecture: TextArchitecture<Config>,
    { config, parameters }: { readonly config: Config; readonly parameters: ReadonlyMap<string, tf.Tensor> },
  ) {
    this.architecture = architecture;
    this.config = config;
    this.sizes = architecture.sizes(config);
    this.parameters = parameters;
  }

  get description(): TowerDescription {
    return { family: this.architecture.family, config: { ...this.config } as TowerConfig };
  }

  get embedDim(): number {
    return this.sizes.embedDim;
  }

  /**
   * @param sequences token ids of every text with start and end tokens, at most contextLength each, without filling
   * @returns [n, embedDim]
   * @throws VillaError `InvalidArgument` for an empty or too long sequence, or a token that the tower does not have
   */
  encodeTokens(sequences: readonly ArrayLike<number>[]): tf.Tensor2D {
    if (sequences.length === 0) return tf.zeros([0, this.embedDim]);
    const rows = tokenRows(sequences, this.sizes);
    return tf.tidy(() => this.architecture.forward((name) => this.parameters.get(name)!, this.config, rows));
  }

  /** Names and variables that an optimiser should change. @throws VillaError `InvalidArgument` when frozen */
  trainableVariables(part: TrainablePart = "all"): Map<string, tf.Variable> {
    const { layers } = this.sizes;
    const from = part === "all" ? -1 : part === "head" ? layers : layers - part.last;
    const variables = new Map<string, tf.Variable>();
    for (const [name, parameter] of this.parameters) {
      if (!(parameter instanceof tf.Variable)) {
        throw new VillaError("InvalidArgument", "This text tower is frozen; load it with `trainable: true`.");
      }
      if (this.architecture.blockOf(name, this.config) >= from) variables.set(name, parameter);
    }
    return variables;
  }

  /** Weights as files hold them. */
  async stateDict(): Promise<Map<string, TensorData>> {
    const stateDict = new Map<string, TensorData>();
    for (const [name, tensor] of this.parameters) {
      const values = (await tensor.data()) as Float32Array;
      stateDict.set(name, { dtype: "float32", shape: [...tensor.shape], data: values.slice() });
    }
    return stateDict;
  }

  /** Frees what it holds on the backend. */
  dispose(): void {
    tf.dispose([...this.parameters.values()]);
  }
}

function tokenRows(sequences: readonly ArrayLike<number>[], sizes: TextSizes): TokenRows {
  const { contextLength, vocabularySize, fill } = sizes;
  const lengths = sequences.map(({ length }, row) => {
    if (length > 0 && length <= contextLength) return length;
    throw new VillaError(
      "InvalidArgument",
      `Text ${row} has ${length} tokens; this tower takes 1 to ${contextLength}.`,
    );
  });
  const length = fill === undefined ? Math.max(...lengths) : contextLength;
  const ids = new Int32Array(sequences.length * length).fill(fill ?? 0);
  sequences.forEach((sequence, row) => {
    for (let i = 0; i < sequence.length; i++) {
      const id = sequence[i]!;
      if (!(Number.isInteger(id) && id >= 0 && id < vocabularySize)) {
        throw new VillaError(
          "InvalidArgument",
          `Text ${row} has the token ${id}, outside of 0 … ${vocabularySize - 1}.`,
        );
      }
      ids[row * length + i] = id;
    }
  });
  return { ids, count: sequences.length, length, lengths };
}
