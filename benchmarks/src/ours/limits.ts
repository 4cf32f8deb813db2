// What this machine can do at most: large products through ONNX Runtime, copies of memory; and how near to a copy the
// optimiser comes, which does little but move weights. Prints one line of JSON.
import * as tf from "@tensorflow/tfjs-core";
import { AdamW } from "@villa/core";
import { median, settings, startBackend, timed } from "./common.ts";

export interface Limits {
  readonly device: string;
  /** 2048³ float32 product. */
  readonly matmulGflops: number;
  /** [20 × 240 × 1024] · [20 × 1024 × 1024]: Stage 1's heads as one batch. */
  readonly batchedMatmulGflops: number;
  /** Bytes read and written by copying 512 MiB. */
  readonly copyGBs: number;
  /** Bytes read and written by AdamW on 42 million weights: four arrays read, three written. */
  readonly adamwGBs: number;
  /** What every PyTorch on this machine reaches. */
  readonly rivals: readonly RivalLimits[];
}

export interface RivalLimits {
  readonly program: string;
  /** 2048³ float32 product. */
  readonly productGflops: number;
  /** 3 × 3 convolution of 8 images of 56² with 256 channels. */
  readonly convolutionGflops: number;
}

const at = settings({});
const backend = await startBackend(at);

const [a, b] = [tf.randomNormal([2048, 2048]), tf.randomNormal([2048, 2048])];
const matmulGflops = await gflops(2 * 2048 ** 3, () => tf.matMul(a, b));
tf.dispose([a, b]);
const [x, w] = [tf.randomNormal([20, 240, 1024]), tf.randomNormal([20, 1024, 1024])];
const batchedMatmulGflops = await gflops(2 * 20 * 240 * 1024 ** 2, () => tf.matMul(x, w));
tf.dispose([x, w]);

const source = new Uint8Array(2 ** 29).fill(1);
const target = new Uint8Array(2 ** 29);
const copies = await timed(5, async () => target.set(source));
const copyGBs = (2 * source.length) / median(copies) / 1e9;

const size = 42_000_000;
const weights = tf.variable(tf.zeros([size]));
const gradient = tf.ones([size]);
const optimizer = new AdamW({ parameters: new Map([["w", weights]]), learningRate: 1e-4 });
const updates = await timed(5, async () => {
  optimizer.step({ w: gradient });
  if (backend.device === "gpu") await tf.slice(weights, 0, 1).data();
});
const adamwGBs = (7 * 4 * size) / median(updates) / 1e9;

const limits: Limits = {
  device: backend.name,
  matmulGflops,
  batchedMatmulGflops,
  copyGBs,
  adamwGBs,
  rivals: [],
};
console.log(JSON.stringify(limits));
await backend.dispose();

async function gflops(operations: number, product: () => tf.Tensor): Promise<number> {
  const times = await timed(10, async () => {
    const result = product();
    if (backend.device === "gpu") await tf.slice(tf.reshape(result, [-1]), 0, 1).data();
    result.dispose();
  });
  return operations / median(times) / 1e9;
}
