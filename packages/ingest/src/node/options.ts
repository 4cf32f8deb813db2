import type { Box, ProgressListener, RgbImage, Shard, UncertainChoice } from "@villa/data";
import type { TableColumns } from "../row.ts";
import type { BoxFormat } from "../row-regions.ts";
import type { SplitShares } from "../split-shares.ts";
import type { ImageOptions, storeImage } from "./images.ts";

/** Finds regions in pictures, such as a detector. */
export interface Proposer {
  /** Tells its model and settings from others: equal ones find equal boxes. */
  readonly identity: string;
  /** @returns boxes in pixels, the best first */
  propose(image: RgbImage): Promise<readonly Box[]>;
}

/** What is read, and how. */
export interface IngestOptions {
  /** Folder that paths in the table start from. Default: the table's. */
  readonly images?: string | undefined;
  /** `.jsonl`, `.csv`, `.tsv`, `.parquet`, COCO's `.json`, WebDataset's `.tar`, or a folder of tars or of pictures. */
  readonly table: string;
  /** The dataset's folder. */
  readonly out: string;
  readonly columns?: TableColumns | undefined;
  readonly boxFormat?: BoxFormat | undefined;
  /** Cut boxes off at the edge of their image instead of refusing them. */
  readonly clipBoxes?: boolean | undefined;
  /** Regions of rows without boxes: `full`, `grid:3x3` (default), `pyramid:1-3`, or a JSON file of boxes by image or id. */
  readonly regions?: string | undefined;
  /** Finds regions of rows without boxes, in place of `regions`; see {@link Proposer}. */
  readonly proposer?: Proposer | undefined;
  /** A file of attributes to look for in the texts; see `parseAttributeFile`. */
  readonly attributes?: string | undefined;
  /**
   * Look for this many of the texts' most frequent noun phrases instead; `mined-attributes.json` in the dataset lists them
   * for review, and can be edited and given as `attributes`.
   */
  readonly mine?: number | undefined;
  /** With `attributes`: list so many frequent phrases that none of them covers, in `suggested-attributes.json`. */
  readonly suggest?: number | undefined;
  /** Only these sections of the texts, e.g. `["FINDINGS", "IMPRESSION"]`; see `reportSections` of `@villa/data`. */
  readonly sections?: readonly string[] | undefined;
  /**
   * Whether mentions such as "no lid" do not count. Default: true in English, the only language whose denials are
   * known.
   */
  readonly negation?: boolean | undefined;
  /** Of the texts, as a BCP 47 tag such as "de": how sentences end. Default "en". */
  readonly language?: string | undefined;
  /** Find attributes by any form of their words: "mugs" for "mug". English only. */
  readonly inflections?: boolean | undefined;
  /** What "possible edema" says of edema. Default `positive`: that it is there. English only. */
  readonly uncertain?: UncertainChoice | undefined;
  /** Default: PNG at full size. */
  readonly image?: Partial<ImageOptions> | undefined;
  /** Of DICOM files with several frames: the middle one (default), or a row for each, with the row's text and boxes. */
  readonly frames?: "middle" | "all" | undefined;
  /** Shares of the splits of rows that name none. Default train 0.8, val 0.1, test 0.1. */
  readonly split?: SplitShares | undefined;
  /** Of the splits. Default 23. */
  readonly seed?: number | undefined;
  /** Of text tables. Default utf-8. */
  readonly encoding?: string | undefined;
  /** Only the first rows. */
  readonly limit?: number | undefined;
  /** Leave bad rows out instead of stopping. */
  readonly skipBad?: boolean | undefined;
  /** Only this share of the rows. When all shards are through, a run with `mergeOnly` joins them. */
  readonly shard?: Shard | undefined;
  /** Only join what shards have made; refuses when something is missing. */
  readonly mergeOnly?: boolean | undefined;
  /** Replace a dataset that is there already; it stays until the new one is complete. */
  readonly overwrite?: boolean | undefined;
  readonly onProgress?: ProgressListener | undefined;
  /** Stops after the part at hand; the next run goes on from there. */
  readonly signal?: AbortSignal | undefined;
  /** Stores an image; tests pass their own. */
  readonly store?: typeof storeImage | undefined;
}
