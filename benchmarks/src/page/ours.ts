import { conv2d, matMul, type Tensor, tensor2d, tensor4d, transpose } from "@tensorflow/tfjs-core";
import { useBrowserBackend } from "@villa/backend-browser";
import { blobFiles, loadImageEncoder } from "@villa/encoders";
import { boxes, type Cases, layer, layerFilter, layerInput, picture, side, values, weightFile } from "./cases.ts";

/** Our wasm backend. Tensors are [images, height, width, channels]. */
export async function openOurs(threads: number): Promise<Cases> {
  await useBrowserBackend({ name: "wasm", threads });
  const a = tensor2d(values(side ** 2, 1), [side, side]);
  const b = tensor2d(values(side ** 2, 2), [side, side]);
  const { images, channels, size } = layer;
  const x = transpose(tensor4d(layerInput(), [images, channels, size, size]), [0, 2, 3, 1]);
  const w = transpose(tensor4d(layerFilter(), [channels, channels, 3, 3]), [2, 3, 1, 0]);
  const weights = await (await fetch(`../${weightFile}`)).blob();
  const encoder = await loadImageEncoder({ files: await blobFiles(new Map([[weightFile, weights]])) });
  return {
    product: () => read(matMul(a, b)),
    convolution: () => read(conv2d(x, w, 1, "same")),
    regions: async () => unitRows(await encoder.encodeRegions([picture()], [boxes()]), encoder.dimension),
  };
}

async function read(result: Tensor): Promise<Float32Array> {
  const own = (await result.data()) as Float32Array;
  result.dispose();
  return own;
}

/** As the exported graph gives them. */
function unitRows(rows: Float32Array, dimension: number): Float32Array {
  for (let start = 0; start < rows.length; start += dimension) {
    const row = rows.subarray(start, start + dimension);
    const norm = Math.hypot(...row);
    for (let i = 0; i < dimension; i++) row[i]! /= norm;
  }
  return rows;
}
