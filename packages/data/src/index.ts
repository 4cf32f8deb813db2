export { isVillaError, VillaError, type VillaErrorCode } from "./errors.ts";
export type { ProgressListener, ProgressUpdate } from "./progress.ts";
