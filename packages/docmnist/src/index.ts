export { imageFilepath, sampleAnnotation } from "./annotation.ts";
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
export { type AttributeChoice, chooseAttributes } from "./choose-attributes.ts";
export { cellSize, type DigitSet, type DigitSource } from "./digits.ts";
export { type DocMnistDataset, type DocMnistOptions, generateDocMnist, streamDocMnist } from "./generate.ts";
export { type GlyphOptions, type GlyphSourceOptions, glyphDigits, glyphSource } from "./glyphs.ts";
export { type IdxArray, parseDigits, parseIdx } from "./idx.ts";
export { ImageFileEncoder } from "./image-file.ts";
export type { OutlineKind } from "./outline.ts";
export { encodePng, type RgbaImage } from "./png.ts";
export {
  type MontageOptions,
  montage,
  type RenderableRegion,
  type RenderableSample,
  type RenderOptions,
  renderSample,
} from "./render.ts";
export type { DocMnistRegion, DocMnistSample, SplitName } from "./sample.ts";
