/**
 * The `villa` command, and what its `query` and `annotate` do, as functions.
 *
 * @example
 * import { query, runVilla } from "@villa/cli";
 *
 * await runVilla(["stage1", "data_dir=data/mine"]); // the exit code: 0, 1 (failed) or 2 (bad usage)
 * const { hits } = await query({ dataDir: "data/mine", checkpoint: "checkpoints/stage1", text: "a red mug" });
 * console.log(hits[0]); // the region that fits best
 *
 * @module
 */
export type { ExitCode, Terminal } from "@villa/command-kit";
export { annotate, query } from "./library.ts";
export { runVilla } from "./main.ts";
export type { AnnotateOptions, RegionAnnotation } from "./retrieval/annotate.ts";
export type { RetrievalOptions } from "./retrieval/open-retrieval.ts";
export type { QueryHit, QueryOptions, QueryResult } from "./retrieval/query.ts";
