import * as tf from "@tensorflow/tfjs-core";
import { VillaError } from "@villa/data";

/** The part of TF.js's BackendWasm that is needed here. */
interface WasmBackend {
  wasm?: { _malloc(bytes: number): number; _free(address: number): void } | undefined;
}

/** No block can be larger; near 4 GiB the allocator's own arithmetic overflows. */
const largest = 2 ** 32 - 2 ** 24;

const guarded = new WeakSet<object>();

/**
 * Makes a full WebAssembly heap fail with a sentence. TF.js ignores that an allocation failed and writes to address 0,
 * which ends in "memory access out of bounds".
 */
export function guardWasmHeap(): void {
  const module = (tf.backend() as WasmBackend).wasm;
  if (!module || guarded.has(module)) return;
  guarded.add(module);
  module._free(module._malloc(16)); // Emscripten's first call puts the real function in place
  const allocate = module._malloc.bind(module);
  module._malloc = (bytes) => {
    const address = bytes < largest ? allocate(bytes) : 0;
    if (address !== 0 || bytes === 0) return address;
    throw new VillaError(
      "BackendUnavailable",
      `The wasm backend has no room for another ${Math.ceil(bytes / 2 ** 20)} MiB: its memory ends at 4 GiB. ` +
        "Use smaller batches, or the native backend, which has no such limit.",
    );
  };
}
