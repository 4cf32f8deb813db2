import { checkArgument } from "@villa/data";
import type { AnnotateOptions, RegionAnnotation } from "./retrieval/annotate.ts";
import type { QueryOptions, QueryResult } from "./retrieval/query.ts";

/**
 * Ranks regions by a text or a picture, as `villa query` does. Needs a backend: `useNodeBackend()` of
 * `@villa/backend-node`.
 *
 * @throws VillaError `InvalidArgument` when there is nothing to ask or nothing to rank, `NotFound`, `NotFinite`
 */
export async function query(options: QueryOptions): Promise<QueryResult> {
  checkArgument("options", options, {
    "dataDir?": "text",
    "text?": "text",
    "image?": "text",
    "regions?": "text",
    "top?": "count",
    "perImage?": "boolean",
    checkpoint: "text",
    "split?": "text",
    "weights?": "text",
    "onProgress?": "function",
    "signal?": "object",
  });

  // Loaded when it is called: an import of `runVilla` alone waits for none of it.
  return (await import("./retrieval/query.ts")).query(options);
}

/**
 * The best attributes of every region of a dataset, one region after the other, as `villa annotate` writes them. Needs a
 * backend: `useNodeBackend()` of `@villa/backend-node`.
 *
 * @throws VillaError `NotFound`, `Mismatch`, `NotFinite`
 */
export async function* annotate(options: AnnotateOptions): AsyncGenerator<RegionAnnotation> {
  checkArgument("options", options, {
    "top?": "count",
    "minScore?": "number",
    dataDir: "text",
    checkpoint: "text",
    "split?": "text",
    "weights?": "text",
    "onProgress?": "function",
    "signal?": "object",
  });

  const annotating = await (await import("./retrieval/annotate.ts")).openAnnotating(options);
  try {
    yield* annotating.regions();
  } finally {
    annotating.dispose();
  }
}
