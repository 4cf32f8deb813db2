import {
  checkArgument,
  type DatasetTexts,
  type ImageAnnotation,
  type MappingAnnotation,
  originalTexts,
  RandomState,
} from "@villa/data";
import { regionTexts } from "./region-texts.ts";

/**
 * Rows of `mapping_<split>.feather`: annotations with the attributes and sentences of every region.
 *
 * @param assigned image → region → attribute indices, from {@link mapRegions} or {@link assignRegions}
 * @param options `attributes`: their names; `seed`: decides which of the sentences about an attribute stands for it;
 * `texts`: which sentences may stand for an attribute (`datasetTexts` of `@villa/data` gives the rule of a dataset)
 * @see writeAnnotations of `@villa/data`, which makes the file's bytes
 */
export function mappingRows(
  annotations: readonly ImageAnnotation[],
  assigned: readonly (readonly (readonly number[])[])[],
  options: {
    readonly attributes: readonly string[];
    readonly seed: number;
    readonly texts?: DatasetTexts | undefined;
  },
): MappingAnnotation[] {
  checkArgument("annotations", annotations, [
    { imageId: "number", regionCoord: ["numbers"], split: "text", text: "text", attributes: ["text"] },
  ]);
  checkArgument("assigned", assigned, [["numbers"]]);
  checkArgument("options", options, {
    attributes: ["text"],
    seed: "number",
    "texts?": { sentences: "function", about: "function" },
  });
  const { attributes, seed, texts = originalTexts } = options;

  const random = new RandomState(seed);
  return annotations.map((annotation, image): MappingAnnotation => {
    const order = new Map(annotation.attributes.map((name, i) => [name, i]));
    // The reference lists a region's attributes in the order of the annotation.
    const assignedAttributes = assigned[image]!.map((region) =>
      region.map((a) => attributes[a]!).sort((a, b) => order.get(a)! - order.get(b)!),
    );
    const assignedText = regionTexts(annotation, assignedAttributes, { random, texts });
    return { ...annotation, assignedAttributes, assignedText };
  });
}
