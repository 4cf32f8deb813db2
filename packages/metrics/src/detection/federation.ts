import { VillaError } from "@villa/data";
import type { CocoDataset } from "./coco-format.ts";
import type { Truth } from "./read-truth.ts";

/** What is known of images and categories where not everything is annotated. */
export interface Federation {
  /** [images] places of the categories that are known to be absent. */
  readonly absent: readonly ReadonlySet<number>[];
  /** [images] places of the categories of which not every object is annotated. */
  readonly notExhaustive: readonly ReadonlySet<number>[];
  /** [categories] */
  readonly frequencies: readonly ("r" | "c" | "f")[];
}

/**
 * Reads what an LVIS file says beyond COCO's format.
 *
 * @throws VillaError `InvalidFile` where it does not say it
 */
export function readFederation(dataset: CocoDataset, truth: Truth): Federation {
  const images = new Map(dataset.images.map((image) => [image.id, image]));
  const categories = new Map(dataset.categories.map((category) => [category.id, category]));
  const places = new Map(truth.categories.map(({ id }, place) => [id, place]));
  const listed = (key: "neg_category_ids" | "not_exhaustive_category_ids") =>
    truth.imageIds.map((id) => {
      const list: unknown = images.get(id)?.[key];
      if (!Array.isArray(list)) {
        throw new VillaError("InvalidFile", `Image ${id} has no list "${key}"; this is not an LVIS annotation file.`);
      }
      return new Set(list.flatMap((category: number) => places.get(category) ?? []));
    });
  return {
    absent: listed("neg_category_ids"),
    notExhaustive: listed("not_exhaustive_category_ids"),
    frequencies: truth.categories.map(({ id, name }) => {
      const frequency = categories.get(id)?.frequency;
      if (frequency === "r" || frequency === "c" || frequency === "f") return frequency;
      throw new VillaError("InvalidFile", `Category "${name}" has no "frequency" r, c or f; this is not an LVIS file.`);
    }),
  };
}
