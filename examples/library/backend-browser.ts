// @villa/backend-browser: webgpu, webgl, wasm or cpu, whichever is the fastest that the visitor's browser has.
import * as tf from "@tensorflow/tfjs-core";
import { type BrowserBackendOptions, browserBackends, useBrowserBackend } from "@villa/backend-browser";

/** Call it from a page. `options` may force a backend. */
export async function whatRunsHere(options: BrowserBackendOptions = {}): Promise<string[]> {
  const lines: string[] = [];
  for (const candidate of browserBackends(options)) {
    const probe = await candidate.probe();
    lines.push(`${candidate.name}: ${probe.available ? probe.detail : probe.reason}`);
  }
  const backend = await useBrowserBackend(options);
  const product = tf.matMul(tf.ones([256, 512]), tf.ones([512, 128]));
  return [...lines, `${backend.name} computed ${(await product.data())[0]}`];
}
