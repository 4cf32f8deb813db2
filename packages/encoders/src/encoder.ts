import { type AttributeVocabulary, attributePrompts, checkArgument, VillaError } from "@villa/data";
import type { ImageEncoder, TextTower } from "./tower.ts";

/**
 * What turns regions of images and sentences into vectors of one common length. Any object of this shape can stand in
 * for CLIP in `preprocess`.
 */
export interface Encoder extends Omit<ImageEncoder, "encodeImages"> {
  /** Embeds whole pictures, where the encoder can: [images, dimension], not normalised. */
  readonly encodeImages?: ImageEncoder["encodeImages"] | undefined;
  /** @returns [texts, dimension], not normalised */
  encodeText(texts: readonly string[]): Promise<Float32Array>;
}

/**
 * An image and a text encoder as one.
 *
 * @param options `textIdentity`: what tells this text encoder from the one that the image encoder comes with, for the
 * manifest
 * @throws VillaError `Mismatch` when their vectors differ in length
 */
export function joinEncoders(
  image: ImageEncoder,
  text: TextTower,
  options: { readonly textIdentity?: Readonly<Record<string, string>> | undefined } = {},
): Encoder {
  checkArgument("image", image, {
    name: "text",
    dimension: "count",
    options: "object",
    "tower?": {
      input: "object",
      features: "function",
      regionEmbeddings: "function",
      imageEmbeddings: "function",
      dispose: "function",
    },
    encodeImages: "function",
    encodeRegions: "function",
    dispose: "function",
  });
  checkArgument("text", text, {
    description: { family: "text", config: "object" },
    embedDim: "number",
    encodeText: "function",
    dispose: "function",
  });
  checkArgument("options?", options, { "textIdentity?": "object" });

  if (image.dimension !== text.embedDim) {
    throw new VillaError(
      "Mismatch",
      `The image encoder gives vectors of ${image.dimension} dimensions, the text encoder of ${text.embedDim}; choose two that fit, or hashed text.`,
    );
  }
  return {
    ...image,
    options: { ...image.options, ...options.textIdentity },
    encodeText: (texts) => text.encodeText(texts),
    dispose: () => {
      image.dispose();
      text.dispose();
    },
  };
}

/**
 * Embeddings of all attributes: the mean over the attribute's sentences, then L2-normalised.
 *
 * @returns name → [dimension], in the vocabulary's order
 * @throws VillaError `InvalidArgument` for an attribute without a template, `NotFinite` when the encoder fails
 */
export async function attributeEmbeddings(
  encoder: Pick<Encoder, "dimension" | "encodeText">,
  vocabulary: AttributeVocabulary,
): Promise<Map<string, Float32Array>> {
  checkArgument("encoder", encoder, { dimension: "count", encodeText: "function" });
  checkArgument("vocabulary", vocabulary, { groups: ["object"], "mentions?": "'words' | 'words-negated-too'" });

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
