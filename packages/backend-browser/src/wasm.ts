import type { BackendCandidate } from "@villa/core";

/** Settings of the wasm backend. */
export interface WasmOptions {
  /**
   * Threads that compute. Default: every core where the page is cross-origin isolated, which threads need to share memory
   * (the headers `Cross-Origin-Opener-Policy: same-origin` and `Cross-Origin-Embedder-Policy: require-corp`); else one.
   */
  readonly threads?: number | undefined;
}

/** Address space to reserve: a tab with more is at risk of being ended. What does not fit is kept outside, and is slower. */
const maximumBytes = 2 ** 31;

/** Vector kernels in WebAssembly: runs in every browser, and asks for no file. */
export function wasmBackend(options: WasmOptions = {}): BackendCandidate {
  const isolated = globalThis.crossOriginIsolated === true;
  const threads = isolated ? (options.threads ?? navigator.hardwareConcurrency) : 1;

  return {
    name: "wasm",
    device: "cpu",
    probe: async () => {
      if (typeof WebAssembly !== "object") return { available: false, reason: "this browser has no WebAssembly." };
      return { available: true, detail: `WebAssembly, ${threads} thread${threads === 1 ? "" : "s"}` };
    },
    activate: async () => {
      const { activateWasm } = await import("@villa/core/kernels");
      await activateWasm({ threads, start: startThread, maximumBytes });
    },
    dispose: async () => (await import("@villa/core/kernels")).releaseWasm(),
  };
}

function startThread(program: string, data: unknown): () => void {
  const source = `onmessage = ({ data }) => { ${program} };`;
  const url = URL.createObjectURL(new Blob([source], { type: "text/javascript" }));
  const worker = new Worker(url);
  worker.postMessage(data);
  URL.revokeObjectURL(url);
  return () => worker.terminate();
}
