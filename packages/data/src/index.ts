export { isVillaError, VillaError, type VillaErrorCode } from "./errors.ts";
export type { ProgressListener, ProgressUpdate } from "./progress.ts";
export { RandomState, type RandomStateSnapshot } from "./random.ts";
