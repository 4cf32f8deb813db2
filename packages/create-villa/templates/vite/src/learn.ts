// Everything that is computed, without anything of a page: make pictures and texts, embed, train, map, judge.
import {
  attributeVocabulary,
  type DocMnistSample,
  generateDocMnist,
  glyphDigits,
  sampleAnnotation,
} from "@villa/docmnist";
import { attributeEmbeddings, pixelsEncoder } from "@villa/encoders";
import { mapRegions, trainMapping } from "@villa/mapping";
import { mappingMetrics } from "@villa/metrics";

/** Pictures with the words that were found for each region, and how good that is in percent. */
export interface Learned {
  readonly samples: readonly (Omit<DocMnistSample, "regions"> & {
    readonly regions: readonly (DocMnistSample["regions"][number] & { readonly assigned: readonly string[] })[];
  })[];
  readonly precision: number;
  readonly recall: number;
}

/** @param onProgress told which fraction of the training is done */
export async function learn(onProgress: (fraction: number) => void): Promise<Learned> {
  const digits = { train: glyphDigits(1, 1000) };
  const { train: samples } = generateDocMnist({
    digits,
    attributeBudget: 4000,
    valAttributeBudget: 0,
    targetSampleComplexity: 16,
  });

  // Pictures and words as vectors that have nothing in common yet.
  const encoder = pixelsEncoder({ dimension: 128 });
  const images = samples.map((sample) => ({ ...sample, channels: 3 as const, data: sample.image }));
  const boxes = samples.map(({ regions }) => regions.map(({ box }) => box));
  const regions = await encoder.encodeRegions(images, boxes); // [R, 128], image after image
  const byName = await attributeEmbeddings(encoder, attributeVocabulary());
  const names = [...byName.keys()];
  const attributes = Float32Array.from([...byName.values()].flatMap((row) => [...row])); // [A, 128]
  encoder.dispose();

  const data = {
    regions,
    counts: Int32Array.from(boxes, (own) => own.length),
    // [N, A]: 1 where the text of a picture speaks of an attribute. All that training sees.
    labels: Uint8Array.from(
      samples.flatMap((sample) => {
        const { attributes: said } = sampleAnnotation(sample);
        return names.map((name) => (said.includes(name) ? 1 : 0));
      }),
    ),
  };
  const model = await trainMapping({
    ...data,
    attributeEmbeddings: attributes,
    attributes: names,
    epochs: 15,
    batchSize: 32,
    learningRate: 1e-3,
    onProgress: ({ done, total }) => onProgress(done / (total ?? done)),
  });

  const { assigned } = await mapRegions({ ...data, model, attributeEmbeddings: attributes, epsilon: 0.2 });
  const found = assigned.map((image) => image.map((region) => region.map((a) => names[a]!)));
  const truth = samples.map((sample) => sample.regions.map((region) => [...region.attributes]));
  const { precision, recall } = mappingMetrics(found, truth);
  return {
    samples: samples.map((sample, i) => ({
      ...sample,
      regions: sample.regions.map((region, r) => ({ ...region, assigned: found[i]![r]! })),
    })),
    precision,
    recall,
  };
}
