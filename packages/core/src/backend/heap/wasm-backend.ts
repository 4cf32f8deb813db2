import * as tf from "@tensorflow/tfjs-core";
import { checkArgument } from "@villa/data";
import { Heap } from "./heap.ts";
import { HeapBackend } from "./heap-backend.ts";
import { registerHeapBackend } from "./register.ts";
import { type StartThread, Team } from "./team.ts";
import { WasmProducts } from "./wasm-products.ts";

const wasm = "wasm";

/** Settings of the wasm backend. */
export interface WasmBackendOptions {
  /** Threads that compute. More than one needs shared memory, which a page has when it is cross-origin isolated. */
  readonly threads: number;
  /** Starts a thread. */
  readonly start: StartThread;
  /** Address space to reserve. Default: 4 GiB. */
  readonly maximumBytes?: number | undefined;
}

let team: Team | undefined;

/** Makes "wasm" the current TF.js backend: vector kernels in WebAssembly, which every engine of today runs. */
export async function activateWasm(options: WasmBackendOptions): Promise<void> {
  checkArgument("options", options, { threads: "count", start: "function", "maximumBytes?": "number" });
  const { threads, start, maximumBytes } = options;

  if (!tf.findBackendFactory(wasm)) {
    registerHeapBackend(wasm, () => {
      const heap = new Heap({ maximumBytes, shared: threads > 1 });
      team = new Team(heap, { threads, start });
      return new HeapBackend(new WasmProducts(team), heap);
    });
  }
  await tf.setBackend(wasm);
  await tf.ready();
  team?.start();
}

/** Ends the threads of the wasm backend. Its tensors stay, and what still computes with them does so on one thread. */
export function releaseWasm(): void {
  team?.end();
}
