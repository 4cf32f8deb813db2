export { defaultTemplates, parseAttributeFile, tableVocabulary } from "./attribute-file.ts";
export { fitBox, parseRegionRule, type RegionRule, ruledRegions } from "./regions.ts";
export {
  type BoxFormat,
  type ColumnName,
  parseRow,
  type RowOptions,
  type TableColumns,
  type TableRow,
} from "./row.ts";
