import * as tf from "@tensorflow/tfjs-core";
import type { CompiledGraph, GraphCompiler, RowMultiplier } from "@villa/core";
import { Heap, HeapBackend } from "@villa/core/kernels";
import { graphProvider, openGraph } from "./onnx/graph-provider.ts";
import { OnnxProducts } from "./onnx/products.ts";
import type { OnnxRuntime } from "./onnx/runtime.ts";

/** The heap backend with ONNX Runtime's products, which also runs whole graphs of frozen encoders. */
export class NativeBackend extends HeapBackend implements GraphCompiler, RowMultiplier {
  readonly onnx: OnnxRuntime;
  declare readonly products: OnnxProducts;

  constructor(onnx: OnnxRuntime, heap = new Heap()) {
    super(new OnnxProducts(onnx), heap);
    this.onnx = onnx;
  }

  get graphProvider(): string {
    return graphProvider().name;
  }

  compileGraph(file: Uint8Array): CompiledGraph {
    const model = openGraph(this.onnx, file);
    return {
      run: (input) => {
        // ONNX Runtime reads the heap in place. A graph outlives the choice of backend: then its input is fetched.
        const isOwn = tf.backend() === this && this.data.has(input.dataId);
        const data = (isOwn ? this.valuesOf(input) : input.dataSync()) as Float32Array;
        const output = model.run({ data, dims: input.shape });
        return tf.tensor(output.data, [...output.dims]);
      },
      dispose: () => model.dispose(),
    };
  }

  rowProducts(a: Float32Array, b: Float32Array, dimension: number): Float32Array {
    const rows = (array: Float32Array) => ({
      // ONNX Runtime reads any memory in place but shared memory, which it refuses.
      data: array.buffer instanceof ArrayBuffer ? array : array.slice(),
      dims: [array.length / dimension, dimension],
    });
    const [left, right] = [rows(a), rows(b)];
    const product = new Float32Array(left.dims[0]! * right.dims[0]!);
    const y = { data: product, dims: [left.dims[0]!, right.dims[0]!] };
    this.products.multiply(undefined, { a: left, b: right, y }, { transposeB: true });
    return product;
  }
}
