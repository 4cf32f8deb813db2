import { checkArgument, VillaError } from "@villa/data";

/** The part of `onnxruntime-node` and `onnxruntime-web` that is used here: give the module itself. */
export interface OnnxRuntime {
  readonly InferenceSession: {
    /** Loads a model from a file, or an address in browsers. */
    create(path: string, options?: OnnxSessionOptions): Promise<OnnxSession>;
    /** Loads a model from the bytes of its file. */
    create(bytes: Uint8Array, options?: OnnxSessionOptions): Promise<OnnxSession>;
  };
  readonly Tensor: {
    new (type: "float32", data: Float32Array, dims: readonly number[]): OnnxTensor;
    new (type: "int64", data: BigInt64Array, dims: readonly number[]): OnnxTensor;
  };
}

/** How ONNX Runtime loads a model. */
export interface OnnxSessionOptions {
  /** What runs it, the first that can. */
  readonly executionProviders?: readonly string[];
  /** What it prints: 2, its own choice, is warnings and above; 3 errors. */
  readonly logSeverityLevel?: 0 | 1 | 2 | 3 | 4;
  /** Of a model given by its bytes: the files of weights that it names. A path finds them by itself. */
  readonly externalData?: readonly OnnxDataFile[];
}

/** Weights that a model keeps in a file of their own. */
export interface OnnxDataFile {
  /** Its name, as the model has it. */
  readonly path: string;
  readonly data: Uint8Array;
}

/** A tensor of ONNX Runtime. */
export interface OnnxTensor {
  readonly type: string;
  readonly dims: readonly number[];
  readonly data: unknown;
}

/** A model that ONNX Runtime has loaded. */
export interface OnnxSession {
  readonly inputMetadata: readonly OnnxValue[];
  /** Runs the model: inputs by name in, outputs by name out. */
  run(feeds: Readonly<Record<string, OnnxTensor>>): Promise<Readonly<Record<string, OnnxTensor>>>;
  /** Frees what the model holds. */
  release(): Promise<void>;
}

/** An input as the model declares it; a side with a name is free. */
export interface OnnxValue {
  readonly name: string;
  readonly type?: string | undefined;
  readonly shape?: readonly (number | string)[] | undefined;
}

/** Values that go into a model. */
export interface OnnxInput {
  readonly data: Float32Array | BigInt64Array;
  readonly shape: readonly number[];
}

/** Values that come out of it. */
export interface OnnxOutput {
  readonly data: Float32Array;
  readonly shape: readonly number[];
}

/** An ONNX model, ready to run. */
export interface OnnxModel {
  readonly inputs: readonly OnnxValue[];
  /** @returns the outputs of float32 by name @throws VillaError `InvalidArgument` naming the shapes that do not fit */
  run(inputs: Readonly<Record<string, OnnxInput>>): Promise<ReadonlyMap<string, OnnxOutput>>;
  /** Frees what the model holds. */
  dispose(): void;
}

/** ONNX files of a model's folder. */
export interface OnnxFiles {
  /** Those that are there, e.g. `onnx/vision_model.onnx`. */
  readonly names: readonly string[];
  /** @throws VillaError `InvalidFile`; `Unsupported` where there is no ONNX Runtime */
  open(name: string): Promise<OnnxModel>;
}

/**
 * Opens an ONNX model.
 *
 * @example const model = await openOnnxModel(await import("onnxruntime-web"), bytes, { label: "vision_model.onnx" });
 * @param model its path (Node, or an address in browsers) or its bytes
 * @param options `label`: what messages call it; the others go to ONNX Runtime
 * @throws VillaError `InvalidFile` when ONNX Runtime cannot load it; `NotFound` naming a file of weights that is not there
 */
export async function openOnnxModel(
  runtime: OnnxRuntime,
  model: string | Uint8Array,
  options: OnnxSessionOptions & { readonly label: string },
): Promise<OnnxModel> {
  checkArgument("runtime", runtime, { InferenceSession: "object | function", Tensor: "object | function" });
  checkArgument("model", model, "text | bytes");
  checkArgument("options", options, {
    label: "text",
    "executionProviders?": ["text"],
    "logSeverityLevel?": "number",
    "externalData?": [{ path: "text", data: "bytes" }],
  });
  const { label, ...sessionOptions } = options;
  const { InferenceSession, Tensor } = runtime;

  const session = await (typeof model === "string"
    ? InferenceSession.create(model, sessionOptions)
    : InferenceSession.create(model, sessionOptions)
  ).catch((cause: unknown): never => {
    const missing = missingData(reason(cause));
    if (missing) {
      throw new VillaError("NotFound", `${label} keeps its weights in ${missing}, which is not beside it.`, { cause });
    }
    throw new VillaError("InvalidFile", `ONNX Runtime cannot load ${label}: ${reason(cause)}`, { cause });
  });
  return {
    inputs: session.inputMetadata,
    async run(inputs) {
      const feeds = Object.entries(inputs).map(([name, { data, shape }]): [string, OnnxTensor] => [
        name,
        data instanceof Float32Array ? new Tensor("float32", data, shape) : new Tensor("int64", data, shape),
      ]);
      const outputs = await session.run(Object.fromEntries(feeds)).catch((cause: unknown): never => {
        const given = Object.entries(inputs).map(([name, { shape }]) => `${name} [${shape.join(", ")}]`);
        throw new VillaError("InvalidArgument", `${label} does not run on ${given.join(", ")}: ${reason(cause)}`, {
          cause,
        });
      });
      return new Map(
        Object.entries(outputs).flatMap(([name, { type, dims, data }]): [string, OnnxOutput][] =>
          type === "float32" ? [[name, { data: data as Float32Array, shape: dims }]] : [],
        ),
      );
    },
    dispose: () => void session.release(),
  };
}

/** The file of weights that ONNX Runtime did not find, in the words of onnxruntime-web or of onnxruntime-node. */
function missingData(message: string): string | undefined {
  const found = /(?:load external data file|External data path does not exist:) "*([^"]+)"/.exec(message);
  return found?.[1]?.split(/[\\/]/).at(-1);
}

function reason(cause: unknown): string {
  return cause instanceof Error ? cause.message : String(cause);
}

/** What messages call a model of a folder. Files without a folder go by the model's own name. */
export function onnxLabel(files: { readonly label: string }, file: string): string {
  return files.label === file ? file : `${files.label}/${file}`;
}

/** Endings of transformers.js's variants, the most exact first. */
const variants = ["", "_fp32", "_fp16", "_q4f16", "_int8", "_uint8", "_quantized", "_bnb4", "_q4"];

/** The file of a model called `base`, the most exact of its variants; undefined when there is none. */
export function findOnnxFile(names: readonly string[], base: string): string | undefined {
  const candidates = variants.flatMap((variant) => [`onnx/${base}${variant}.onnx`, `${base}${variant}.onnx`]);
  return candidates.find((name) => names.includes(name));
}
