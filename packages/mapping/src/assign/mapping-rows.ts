import { type ImageAnnotation, type MappingAnnotation, RandomState } from "@villa/data";
import { regionTexts, type SentenceRule, sentencesAbout } from "./sentences.ts";

/**
 * Rows of `mapping_<split>.feather`: annotations with the attributes and sentences of every region.
 *
 * @param assigned image → region → attribute indices, from {@link mapRegions} or {@link assignRegions}
 * @param attributes names of the attributes
 * @param seed decides which of the sentences about an attribute stands for it
 * @param about which sentences may stand for an attribute; {@link sentenceRule} gives that of a dataset
 * @see writeAnnotations of `@villa/data`, which makes the file's bytes
 */
export function mappingRows(
  annotations: readonly ImageAnnotation[],
  assigned: readonly (readonly (readonly number[])[])[],
  attributes: readonly string[],
  seed: number,
  about: SentenceRule = sentencesAbout,
): MappingAnnotation[] {
  const random = new RandomState(seed);
  return annotations.map((annotation, image): MappingAnnotation => {
    const order = new Map(annotation.attributes.map((name, i) => [name, i]));
    // The reference lists a region's attributes in the order of the annotation.
    const assignedAttributes = assigned[image]!.map((region) =>
      region.map((a) => attributes[a]!).sort((a, b) => order.get(a)! - order.get(b)!),
    );
    const assignedText = regionTexts(annotation.text, annotation.attributes, assignedAttributes, random, about);
    return { ...annotation, assignedAttributes, assignedText };
  });
}
