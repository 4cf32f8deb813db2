/**
 * The rules by which a table becomes a dataset: attribute lists, regions, columns.
 *
 * @example
 * import { parseAttributeFile, parseRegionRule } from "@villa/ingest";
 *
 * const vocabulary = parseAttributeFile('["mug", { "name": "red", "synonyms": ["crimson"] }]');
 * const rule = parseRegionRule("grid:3x3"); // the regions of images without boxes
 *
 * @module
 */
export { defaultTemplates, parseAttributeFile, type TextRules } from "./attribute-file.ts";
export { type IngestedFiles, type IngestFilesOptions, ingestFiles } from "./ingest-files.ts";
export {
  fitBox,
  type ProposalRecall,
  parseRegionRule,
  type RegionRule,
  ruledRegions,
} from "./regions.ts";
export {
  type ColumnName,
  columnNames,
  parseRow,
  type RowOptions,
  type TableColumns,
  type TableRow,
} from "./row.ts";
export type { BoxFormat } from "./row-regions.ts";
