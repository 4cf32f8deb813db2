export { fixturesDirectory, type GoldenSource, golden } from "./golden.ts";
export { cosineSimilarity, expectAllClose, expectSummary, type Summary } from "./numeric.ts";
export { findPython, type Python } from "./python.ts";
export { bytes, fnv1a32, tensorValues, unit } from "./unit.ts";
