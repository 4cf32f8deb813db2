/// <reference types="vite/client" />
import wasm from "onnxruntime-web/ort-wasm-simd-threaded.wasm?url";
import { env, InferenceSession, Tensor } from "onnxruntime-web/wasm";
import {
  boxes,
  type Cases,
  graphFile,
  layer,
  layerFilter,
  layerInput,
  picture,
  regionsPerImage,
  side,
  values,
} from "./cases.ts";
import { oneNodeModel } from "./one-node.ts";

/** onnxruntime-web. Tensors are [images, channels, height, width]; filters are part of the model, which packs them once. */
export async function openOnnx(threads: number): Promise<Cases> {
  env.wasm.wasmPaths = { wasm };
  env.wasm.numThreads = threads;
  const square = [side, side];
  const product = await open(oneNodeModel({ operator: "MatMul", inputs: { a: square, b: square }, shape: square }));
  const { images, channels, size } = layer;
  const shape = [images, channels, size, size];
  const weights = { w: { shape: [channels, channels, 3, 3], values: layerFilter() } };
  const attributes = { kernel_shape: [3, 3], pads: [1, 1, 1, 1] };
  const convolution = await open(oneNodeModel({ operator: "Conv", inputs: { x: shape }, weights, attributes, shape }));
  const regions = await open(new Uint8Array(await (await fetch(`../${graphFile}`)).arrayBuffer()));
  if (env.wasm.numThreads !== threads) throw new Error(`ONNX Runtime took ${env.wasm.numThreads} threads.`);
  const [a, b] = [
    new Tensor("float32", values(side ** 2, 1), square),
    new Tensor("float32", values(side ** 2, 2), square),
  ];
  const x = new Tensor("float32", layerInput(), shape);
  return {
    product: () => only(product, { a, b }),
    convolution: () => only(convolution, { x }),
    regions: () => {
      const { width, height, data } = picture();
      return only(regions, {
        images: new Tensor(
          "float32",
          Float32Array.from(data, (value) => value / 255),
          [1, 3, height, width],
        ),
        boxes: new Tensor("float32", Float32Array.from(boxes().flat()), [regionsPerImage, 4]),
        image_index: new Tensor("int64", new BigInt64Array(regionsPerImage), [regionsPerImage]),
      });
    },
  };
}

const open = (model: Uint8Array) => InferenceSession.create(model, { executionProviders: ["wasm"] });

async function only(session: InferenceSession, feeds: Readonly<Record<string, Tensor>>): Promise<Float32Array> {
  const [output] = Object.values(await session.run(feeds));
  const own = output!.data as Float32Array;
  return own;
}
