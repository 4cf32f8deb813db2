import { plainCpuBackend } from "../src/index.ts";

/** Backends that this package's tests run on. */
export function backends(): { name: string; activate(): Promise<void> }[] {
  return [plainCpuBackend()];
}
