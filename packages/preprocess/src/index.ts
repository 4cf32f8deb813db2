/**
 * Dataset in, embedding files out: what Stage 1 learns from.
 *
 * @example
 * import { pixelsEncoder } from "@villa/encoders"; // or openEncoder of @villa/encoders/node, and joinEncoders
 * import { preprocessDataset } from "@villa/preprocess";
 *
 * const encoder = pixelsEncoder({ dimension: 256 });
 * await preprocessDataset({ dataDir: "data/mine", encoder }); // resumes where it stopped
 * encoder.dispose();
 *
 * @module
 */
export type { EmbeddingFormat } from "./assemble.ts";
export { type PreprocessOptions, type PreprocessResult, preprocessDataset } from "./preprocess.ts";
