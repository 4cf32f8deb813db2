import { type AttributeVocabulary, attributePrompts, type RgbImage, VillaError } from "@villa/data";

/** A region: x0, y0, x1, y1 in pixels of its image. */
export type Box = readonly [x0: number, y0: number, x1: number, y1: number];

/**
 * What turns regions of images and sentences into vectors of one common length. Any object of this shape can stand in
 * for CLIP in `preprocess`.
 */
export interface Encoder {
  readonly name: string;
  readonly dimension: number;
  /** What results depend on besides the name; kept in the manifest, so that embeddings of two kinds never mix. */
  readonly options: Readonly<Record<string, string | number | boolean>>;
  /**
   * @param images any sizes
   * @param boxes each image's regions
   * @returns [R, dimension], image after image, not normalised
   */
  encodeRegions(images: readonly RgbImage[], boxes: readonly (readonly Box[])[]): Promise<Float32Array>;
  /** @returns [texts, dimension], not normalised */
  encodeText(texts: readonly string[]): Promise<Float32Array>;
  /** Frees what the encoder holds on the backend. */
  dispose(): void;
}

/**
 * Embeddings of all attributes: the mean over the attribute's sentences, then L2-normalised.
 *
 * @returns name → [dimension], in the vocabulary's order
 * @throws VillaError `InvalidArgument` for an attribute without a template, `NotFinite` when the encoder fails
 */
export async function attributeEmbeddings(
  encoder: Encoder,
  vocabulary: AttributeVocabulary,
): Promise<Map<string, Float32Array>> {
  const { dimension } = encoder;
  const attributes = attributePrompts(vocabulary);
  for (const { attribute, group, prompts } of attributes) {
    if (prompts.length === 0) {
      throw new VillaError(
        "InvalidArgument",
        `The attribute "${attribute}" has no template; give its group "${group}" at least one in attributes.json.`,
      );
    }
  }
  const rows = await encoder.encodeText(attributes.flatMap(({ prompts }) => prompts));
  let row = 0;
  return new Map(
    attributes.map(({ attribute, prompts }) => {
      const mean = new Float64Array(dimension);
      for (const _ of prompts) {
        for (let i = 0; i < dimension; i++) mean[i]! += rows[row * dimension + i]! / prompts.length;
        row++;
      }
      const norm = Math.hypot(...mean);
      if (!(norm > 0 && norm < Number.POSITIVE_INFINITY)) {
        throw new VillaError("NotFinite", `The encoder gives no usable embedding for the attribute "${attribute}".`);
      }
      return [attribute, Float32Array.from(mean, (value) => value / norm)];
    }),
  );
}
