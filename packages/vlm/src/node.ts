export { type SplitPairs, splitPairs } from "./node/datasetPairs.ts";
