import { relaxedSimdModule, simdModule } from "./simd-module.ts";

/** The bytes by which the module imports its memory, as "memory" of "env"; the last says that it is a memory. */
const memoryImport = [3, ...bytesOf("env"), 6, ...bytesOf("memory"), 2];
/** The byte behind them, for a memory of limited size that threads do not share, and for one that they share. */
const limited = 1;
const limitedAndShared = 3;

/**
 * The vector kernels for a memory that threads share, or for one that they do not: WebAssembly tells the two apart by one
 * byte of the module. Products round once where the engine has relaxed SIMD.
 */
export function kernelModule(shared: boolean): WebAssembly.Module {
  const relaxed = decode(relaxedSimdModule);
  const bytes = WebAssembly.validate(relaxed) ? relaxed : decode(simdModule);
  const at = bytes.findIndex((_, start) => memoryImport.every((byte, offset) => bytes[start + offset] === byte));
  bytes[at + memoryImport.length] = shared ? limitedAndShared : limited;
  return new WebAssembly.Module(bytes);
}

function bytesOf(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}

function decode(base64: string): Uint8Array<ArrayBuffer> {
  return Uint8Array.from(atob(base64), (character) => character.charCodeAt(0));
}
