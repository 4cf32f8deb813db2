export {
  type AttributeProbabilities,
  attributeVocabulary,
  type ColorAttribute,
  type DigitAttribute,
  type DocMnistAttributes,
  docMnistAttributes,
  type SentenceTemplates,
  type ShapeAttribute,
  type SizeAttribute,
} from "./attributes.ts";
export { cellSize, type DigitSet, type DigitSource } from "./digits.ts";
export { type DocMnistDataset, type DocMnistOptions, generateDocMnist, streamDocMnist } from "./generate.ts";
export type { OutlineKind } from "./outline.ts";
export type { DocMnistRegion, DocMnistSample, SplitName } from "./sample.ts";
