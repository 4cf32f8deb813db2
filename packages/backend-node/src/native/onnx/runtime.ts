import { createRequire } from "node:module";
import type { Operand } from "@villa/core/kernels";
import { ownUrl } from "../../location.ts";
import { elementType, type OnnxNode, type OnnxValue, onnxModel } from "./model.ts";

/** The synchronous session behind onnxruntime-node's public, deferred one. */
export interface NativeSession {
  loadModel(buffer: ArrayBufferLike, offset: number, length: number, options: object): void;
  run(feeds: object, fetches: object, options: object): Readonly<Record<string, Operand>>;
  readonly inputMetadata: readonly { readonly name: string }[];
  readonly outputMetadata: readonly { readonly name: string }[];
  dispose(): void;
}

/** What `onnxruntime-node/dist/binding.js` exports. */
export interface OnnxBinding {
  initOrt(): void;
  binding: { InferenceSession: new () => NativeSession; listSupportedBackends(): { name: string }[] };
}

/** The version whose internal entry `dist/binding.js` this code was written and tested against. */
export const onnxruntimeVersion = "1.30.0";

/** ONNX Runtime's CPU kernels, called synchronously on typed arrays. Sessions are made on first use and kept. */
export interface OnnxRuntime {
  readonly version: string;
  /**
   * Runs the graph called `key`, building it on first use.
   *
   * An output must be a different array from every input, except where the graph's own kernel allows aliasing.
   */
  run(key: string, graph: () => OnnxGraph, inputs: readonly Operand[], ...outputs: readonly Operand[]): void;
  /**
   * Prepares a whole model, from an ONNX file's bytes.
   *
   * @param provider what runs it; operators that it does not have run on the CPU
   * @throws Error when the provider does not start
   */
  open(model: Uint8Array, provider?: string): OnnxModel;
}

/** A model with one float32 input and one float32 output. */
export interface OnnxModel {
  run(input: Operand): Operand;
  dispose(): void;
}

/** Inputs are named a, b, c… in order, at most 24 of them; the output y, further ones y1, y2… */
export interface OnnxGraph {
  readonly nodes: readonly OnnxNode[];
  readonly inputRanks: readonly number[];
  readonly outputRank: number;
  /** Ranks of y1, y2…; none by default. */
  readonly furtherRanks?: readonly number[] | undefined;
}

const inputNames = [..."abcdefghijklmnopqrstuvwx"];
const outputName = (index: number): string => (index === 0 ? "y" : `y${index}`);

/**
 * Loads onnxruntime-node's synchronous engine.
 *
 * @param threads threads of one kernel; the calling thread is one of them
 * @throws Error when the module is missing, was built for another platform, or changed its internal entry
 */
export function loadOnnxRuntime(threads: number): OnnxRuntime {
  const load = createRequire(ownUrl(import.meta.url));
  const { version } = load("onnxruntime-node/package.json") as { version: string };
  const { binding, initOrt } = load("onnxruntime-node/dist/binding.js") as OnnxBinding;
  if (typeof initOrt !== "function" || typeof binding?.InferenceSession !== "function") {
    throw new Error(`onnxruntime-node ${version} has no synchronous session; ${onnxruntimeVersion} has.`);
  }
  initOrt();
  const sessions = new Map<string, NativeSession>();
  const openSession = (model: Uint8Array, provider = "cpu"): NativeSession => {
    const session = new binding.InferenceSession();
    const options = { ...sessionOptions(threads), executionProviders: [provider] };
    session.loadModel(model.buffer, model.byteOffset, model.byteLength, options);
    return session;
  };
  const build = (graph: OnnxGraph): NativeSession => {
    const inputs = graph.inputRanks.map((rank, index): OnnxValue => ({ name: inputNames[index]!, rank }));
    const ranks = [graph.outputRank, ...(graph.furtherRanks ?? [])];
    const outputs = ranks.map((rank, index): OnnxValue => ({ name: outputName(index), rank }));
    const model = onnxModel([...stopNodes, ...graph.nodes], inputs, [stopOutput, ...outputs]);
    return openSession(model);
  };
  return {
    version,
    run(key, graph, inputs, ...outputs) {
      let session = sessions.get(key);
      if (!session) {
        session = build(graph());
        sessions.set(key, session);
      }
      const feeds: Record<string, object> = {};
      for (let i = 0; i < inputs.length; i++) feeds[inputNames[i]!] = tensor(inputs[i]!);
      const fetches: Record<string, object | null> = {};
      let size = 0;
      for (let i = 0; i < outputs.length; i++) {
        fetches[outputName(i)] = tensor(outputs[i]!);
        size += outputs[i]!.data.length;
      }
      if (size < worthStopping) session.run(feeds, fetches, {});
      else runUncopied(session, feeds, fetches);
    },
    open(model, provider) {
      const session = openSession(model, provider);
      const [input, output] = [session.inputMetadata[0]!.name, session.outputMetadata[0]!.name];
      return {
        run: (operand) => session.run({ [input]: tensor(operand) }, { [output]: null }, {})[output]!,
        dispose: () => session.dispose(),
      };
    },
  };
}

/**
 * After a run the binding copies every output into a fresh array, also those that lie where they were asked for: zeroing,
 * page faults and the copy took one thread a tenth of a training step. It does so in the order of the graph's outputs, and
 * it throws at the first whose type has no array in JavaScript. Every graph has such an output before the others; where it
 * is fetched, what follows is written in place and not copied. A binding that knows the type copies, and nothing is lost.
 */
const stopOutput: OnnxValue = { name: "stop", rank: 0, type: elementType.bfloat16 };
const stopNodes: readonly OnnxNode[] = [
  { operator: "Constant", inputs: [], outputs: ["one"], attributes: { value_float: { float: 1 } } },
  { operator: "Cast", inputs: ["one"], outputs: [stopOutput.name], attributes: { to: elementType.bfloat16 } },
];
const stopMessage = `Tensor type (${elementType.bfloat16}) is not supported.`;
/** Values from which copying them takes longer than throwing, about 20 µs. */
const worthStopping = 1 << 15;

function runUncopied(session: NativeSession, feeds: object, fetches: object): void {
  try {
    session.run(feeds, { [stopOutput.name]: null, ...fetches }, {});
  } catch (error) {
    if (!(error instanceof Error && error.message === stopMessage)) throw error;
  }
}

/** What the binding reads of a Tensor; a plain object saves its constructor's checks. */
function tensor({ data, dims }: Operand): object {
  return { type: "float32", location: "cpu", data, dims };
}

function sessionOptions(threads: number): object {
  return {
    intraOpNumThreads: threads,
    interOpNumThreads: 1,
    executionMode: "sequential",
    logSeverityLevel: 3,
    enableCpuMemArena: true,
    // Each session owns its threads. Left spinning after a call they take the cores from the next session's: measured
    // 206 -> 73 GFLOP/s when four sessions alternate, 245 -> 236 without spinning.
    extra: { session: { intra_op: { allow_spinning: "0" } } },
  };
}
