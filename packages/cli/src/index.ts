export type { ExitCode, Terminal } from "@villa/command-kit";
export { annotate, query } from "./library.ts";
export { runVilla } from "./main.ts";
export type { AnnotateOptions, RegionAnnotation } from "./retrieval/annotate.ts";
export type { RetrievalOptions } from "./retrieval/open-retrieval.ts";
export type { QueryHit, QueryOptions, QueryResult } from "./retrieval/query.ts";
