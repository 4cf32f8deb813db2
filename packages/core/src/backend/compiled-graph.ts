import * as tf from "@tensorflow/tfjs-core";

/** A graph that the backend has prepared to run as a whole: a frozen tower, or a part of one. */
export interface CompiledGraph {
  /**
   * @param input float32, as the graph's only input
   * @returns the graph's only output
   */
  run(input: tf.Tensor): tf.Tensor;
  /** Frees the graph and its weights. */
  dispose(): void;
}

/** What a TF.js backend implements beside its kernels when it can run ONNX graphs. */
export interface GraphCompiler {
  /** Prepares a model to run as a whole. @param model an ONNX file with one float32 input and one float32 output */
  compileGraph(model: Uint8Array): CompiledGraph;
  /** What of ONNX Runtime such graphs run on, "cpu" or a provider's name: also for models that are opened without it. */
  readonly graphProvider: string;
}

/** The current backend, if it runs ONNX graphs as a whole; models then run faster than as one operation after another. */
export function graphCompiler(): GraphCompiler | undefined {
  if (!tf.getBackend()) return undefined; // asked before any is chosen
  const backend = tf.backend() as Partial<GraphCompiler>;
  return backend.compileGraph ? (backend as GraphCompiler) : undefined;
}
