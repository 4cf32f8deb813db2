import type { ImageAnnotation } from "@villa/data";
import {
  attributeVocabulary,
  chooseAttributes,
  type DigitSource,
  type DocMnistSample,
  glyphSource,
  ImageFileEncoder,
  sampleAnnotation,
  streamDocMnist,
} from "@villa/docmnist";
import type { Dataset } from "./dataset.ts";
import type { DatasetSettings } from "./protocol.ts";

/** Drawing 5000 glyphs takes longer than the rest: the last ones are kept. */
let drawn: { readonly seed: number; readonly digits: DigitSource } | undefined;

/** The dataset that `docmnist generate --digits glyphs` writes for the same settings. */
export function generateDataset(settings: DatasetSettings): Dataset {
  const { seed, attributeBudget, valAttributeBudget, targetSampleComplexity, colors, shapes } = settings;
  const attributes = chooseAttributes({ colors, shapes });
  if (drawn?.seed !== seed) drawn = { seed, digits: glyphSource(seed) };
  const samples = [
    ...streamDocMnist({
      seed,
      attributeBudget,
      valAttributeBudget,
      targetSampleComplexity,
      attributes,
      digits: drawn.digits,
    }),
  ];
  const rows: ImageAnnotation[] = samples.map(sampleAnnotation);
  const { width, height } = samples[0] ?? { width: 1, height: 1 };
  const encoder = new ImageFileEncoder(width, height);
  return {
    name: `docmnist_${attributeBudget}_${averageComplexity(samples).toFixed(1)}`,
    vocabulary: attributeVocabulary(attributes),
    rows,
    readImage: async (row) => ({ width, height, channels: 3, data: samples[row]!.image }),
    imageFile: async (row) => encoder.encode(samples[row]!.image),
  };
}

function averageComplexity(samples: readonly DocMnistSample[]): number {
  const train = samples.filter(({ split }) => split === "train");
  return train.reduce((sum, sample) => sum + sample.sampleComplexity, 0) / Math.max(1, train.length);
}
