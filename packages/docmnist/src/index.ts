/**
 * DocMNIST (paper, section 3.1): pictures with many digits and a text about them, of a chosen complexity.
 *
 * @example
 * import { encodePng, glyphDigits, montage, streamDocMnist } from "@villa/docmnist";
 *
 * const digits = { train: glyphDigits(1, 500) };
 * const samples = [...streamDocMnist({ digits, attributeBudget: 200, targetSampleComplexity: 16 })];
 * console.log(samples[0]?.text); // "the image is red . the digit appears to be two . …"
 * const png = encodePng(montage(samples.slice(0, 6), { columns: 3 }));
 *
 * @module
 */
export { encodePng, type RgbaImage } from "@villa/data";
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
export { type DigitSet, type DigitSource, type IdxArray, parseDigits, parseIdx } from "./digits.ts";
export { type DocMnistDataset, type DocMnistOptions, generateDocMnist, streamDocMnist } from "./generate.ts";
export { type GlyphOptions, type GlyphSourceOptions, glyphDigits, glyphSource } from "./glyphs.ts";
export { ImageFileEncoder } from "./image-file.ts";
export type { OutlineKind } from "./outline.ts";
export {
  type MontageOptions,
  montage,
  type RenderableRegion,
  type RenderableSample,
  type RenderOptions,
  renderSample,
} from "./render.ts";
export { type DocMnistRegion, type DocMnistSample, imageFilepath, type SplitName, sampleAnnotation } from "./sample.ts";
