import * as tf from "@tensorflow/tfjs-core";
import { l2Normalize } from "@villa/core";
import { VillaError } from "@villa/data";
import type { EncoderFiles } from "../files.ts";
import { type BertPooling, poolTokens } from "../text/bert.ts";
import { sentenceHead } from "../text/read-bert.ts";
import { encodeByLength } from "../text/text-encoder.ts";
import { openTokenizer } from "../tokenizer/open-tokenizer.ts";
import type { TextTokenizer } from "../tokenizer/text-tokenizer.ts";
import type { TextFamily } from "../tower.ts";
import { readPictureConfig } from "../vit/picture-config.ts";
import { findOnnxFile, type OnnxInput, type OnnxModel, type OnnxOutput, onnxLabel } from "./runtime.ts";

/** What a folder says about its ONNX text model. */
interface OnnxTextConfig {
  /** Its file in the folder. */
  readonly file: string;
  /** `model_type` of config.json. */
  readonly type: string;
  /** Longest sequence in tokens. */
  readonly contextLength: number;
  /** Undefined where the folder does not say it. */
  readonly vocabularySize?: number | undefined;
  /** How token vectors become one, where the model does not do it itself. */
  readonly pooling: BertPooling;
  /** Vectors are L2-normalised at the end, as sentence-transformers' `Normalize` does it. */
  readonly normalized: boolean;
}

/**
 * Any text encoder as ONNX, in a folder as transformers.js's models have it: `onnx/text_model.onnx`, or `onnx/model.onnx`
 * of a model that has texts alone, beside its `tokenizer.json`. It is frozen.
 */
export const onnxTextFamily: TextFamily = {
  async recognise(files) {
    const file = await findTextModel(files);
    return file === undefined ? undefined : { ...(await readConfig(files, file)) };
  },
  async load({ files, config, trainable = false }) {
    if (!files?.onnx || !config) throw new VillaError("InvalidArgument", "An ONNX encoder needs a model's folder.");
    if (trainable) {
      throw new VillaError(
        "Unsupported",
        `${files.label} holds its text encoder as ONNX, which cannot be trained; give a folder with the model's own weights (model.safetensors).`,
      );
    }
    const own = config as unknown as OnnxTextConfig;
    const model = await files.onnx.open(own.file);
    try {
      const fixed = model.inputs[0]?.shape?.[1];
      const contextLength = typeof fixed === "number" && fixed > 0 ? fixed : own.contextLength;
      const { vocabularySize, type } = own;
      const ownBpe = type === "clip" ? ("otherwise" as const) : ("never" as const);
      const tokenizer = await openTokenizer(files, { vocabularySize, contextLength, ownBpe });
      // SigLIP was trained on rows that are filled up; a fixed length demands it.
      const filledTo = contextLength === fixed || type.startsWith("siglip") ? contextLength : undefined;
      const text = new OnnxText(model, tokenizer, { ...own, filledTo, label: onnxLabel(files, own.file) });
      const embedDim = await text.measure();
      return {
        description: { family: "onnx-text", config: { ...own } },
        embedDim,
        encodeText: (texts) => text.encode(texts, embedDim),
        dispose: () => model.dispose(),
      };
    } catch (error) {
      model.dispose();
      throw error;
    }
  },
};

/** Where a folder has a single model, its other files tell whether that takes texts. */
async function findTextModel(files: EncoderFiles): Promise<string | undefined> {
  const names = files.onnx?.names ?? [];
  const text = findOnnxFile(names, "text_model");
  if (text !== undefined) return text;
  const isText = (await files.json("tokenizer.json")) !== undefined && !(await readPictureConfig(files));
  return isText ? findOnnxFile(names, "model") : undefined;
}

async function readConfig(files: EncoderFiles, file: string): Promise<OnnxTextConfig> {
  const config = (await files.json("config.json")) ?? {};
  const text = (config.text_config ?? config) as Readonly<Record<string, unknown>>;
  const tokens = await files.json("tokenizer_config.json");
  const type = typeof config.model_type === "string" ? config.model_type : "model";
  // Files leave out what is the family's default.
  const [positions, vocabulary] = type === "clip" ? [77, 49_408] : type.startsWith("siglip") ? [64, undefined] : [512];
  const lengths = [text.max_position_embeddings ?? positions, tokens?.model_max_length].filter(isCount);
  const head = await sentenceHead(files, Math.min(...lengths));
  return {
    file,
    type,
    contextLength: head.contextLength,
    vocabularySize: isCount(text.vocab_size) ? text.vocab_size : vocabulary,
    pooling: head.pooling,
    normalized: head.normalized,
  };
}

function isCount(value: unknown): value is number {
  return typeof value === "number" && Number.isSafeInteger(value) && value > 0;
}

/** Inputs that are known, made from sequences that are filled up. */
const inputMakers: Readonly<Record<string, (ids: number, isText: boolean) => number>> = {
  input_ids: (id) => id,
  attention_mask: (_, isText) => (isText ? 1 : 0),
  token_type_ids: () => 0,
};

class OnnxText {
  readonly #model: OnnxModel;
  readonly #tokenizer: TextTokenizer;
  readonly #settings: OnnxTextConfig & { readonly filledTo: number | undefined; readonly label: string };

  constructor(
    model: OnnxModel,
    tokenizer: TextTokenizer,
    settings: OnnxTextConfig & { readonly filledTo: number | undefined; readonly label: string },
  ) {
    this.#model = model;
    this.#tokenizer = tokenizer;
    this.#settings = settings;
    const unknown = model.inputs.filter(({ name, type = "int64" }) => !(name in inputMakers) || type !== "int64");
    if (unknown.length === 0) return;
    throw new VillaError(
      "Unsupported",
      `${settings.label} takes ${unknown.map(({ name, type }) => `${name} (${type})`).join(", ")}; known inputs are ${Object.keys(inputMakers).join(", ")}, of int64.`,
    );
  }

  /** The length of its vectors. */
  async measure(): Promise<number> {
    return (await this.#vectors([this.#tokenizer.encode("a")])).length;
  }

  encode(texts: readonly string[], embedDim: number): Promise<Float32Array> {
    const sequences = texts.map((text) => this.#tokenizer.encode(text));
    // Without a mask the model would look at the filling.
    const equalLengths = !this.#model.inputs.some(({ name }) => name === "attention_mask");
    const { filledTo } = this.#settings;
    return encodeByLength(sequences, (batch) => this.#vectors(batch), { embedDim, filledTo, equalLengths });
  }

  async #vectors(sequences: readonly (readonly number[])[]): Promise<Float32Array> {
    const lengths = sequences.map((sequence) => sequence.length);
    const length = this.#settings.filledTo ?? Math.max(...lengths);
    const count = sequences.length;
    const inputs = this.#model.inputs.map(({ name }): [string, OnnxInput] => {
      const data = new BigInt64Array(count * length);
      for (let at = 0; at < data.length; at++) {
        const [row, column] = [Math.floor(at / length), at % length];
        const id = sequences[row]![column];
        data[at] = BigInt(inputMakers[name]!(id ?? this.#tokenizer.fill, id !== undefined));
      }
      return [name, { data, shape: [count, length] }];
    });
    return this.#pool(await this.#model.run(Object.fromEntries(inputs)), { count, length, lengths });
  }

  /** The model's own vectors, else those of the tokens, pooled. */
  async #pool(
    outputs: ReadonlyMap<string, OnnxOutput>,
    rows: { count: number; length: number; lengths: readonly number[] },
  ): Promise<Float32Array> {
    const { type, pooling, normalized, label } = this.#settings;
    const ofModel = type === "clip" || type.startsWith("siglip") || pooling === "pooler" ? ["pooler_output"] : [];
    const name = ["text_embeds", "sentence_embedding", ...ofModel].find((each) => outputs.has(each));
    const hidden = outputs.get("last_hidden_state") ?? outputs.get("token_embeddings");
    if (name === undefined && (!hidden || pooling === "pooler")) {
      throw new VillaError(
        "Unsupported",
        `${label} gives ${[...outputs.keys()].join(", ")}; a text model must give text_embeds, sentence_embedding, pooler_output or last_hidden_state.`,
      );
    }
    const vectors = tf.tidy(() => {
      const [, length, width] = (hidden?.shape ?? []) as [number, number, number];
      const own =
        name === undefined
          ? poolTokens(
              tf.tensor3d(hidden!.data, [rows.count, length, width]),
              pooling as Exclude<BertPooling, "pooler">,
              rows,
            )
          : tf.tensor2d(outputs.get(name)!.data, outputs.get(name)!.shape as [number, number]);
      return normalized ? l2Normalize(own) : own;
    });
    const values = ((await vectors.data()) as Float32Array).slice();
    vectors.dispose();
    return values;
  }
}
