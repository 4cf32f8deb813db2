import { checkArgument, VillaError } from "@villa/data";
import type { CategoryResult } from "./evaluation.ts";
import { meanNumbers, type Numbers } from "./summary.ts";

/**
 * Numbers over parts of the categories, such as base and novel ones of open-vocabulary detection (OV-COCO: 48 and 17), or
 * any other grouping.
 *
 * Each is the mean over the part's categories that have objects; -1 where none has. That equals an evaluation of all
 * categories whose precision is then averaged over the part, as such papers report it.
 *
 * @param perCategory of an evaluation
 * @param splits ids of categories by the part's name
 * @throws VillaError `Mismatch` for an id that the evaluation does not have
 * @see Bansal et al., Zero-Shot Object Detection, ECCV 2018; Zareian et al., OVR-CNN, CVPR 2021
 */
export function categorySplits<Split extends string, Name extends string>(
  perCategory: readonly CategoryResult<Name>[],
  splits: Readonly<Record<Split, readonly number[]>>,
): Record<Split, Numbers<Name>> {
  checkArgument("perCategory", perCategory, [{ id: "number", name: "text", numbers: "object" }]);
  checkArgument("splits", splits, "object");

  const byId = new Map(perCategory.map((category) => [category.id, category.numbers]));
  const names = Object.keys(perCategory[0]?.numbers ?? {}) as Name[];
  const part = (split: Split): Numbers<Name> => {
    const rows = splits[split].map((id) => {
      const numbers = byId.get(id);
      if (numbers) return numbers;
      throw new VillaError("Mismatch", `The split "${split}" lists category ${id}, which was not evaluated.`);
    });
    return meanNumbers(rows, names);
  };
  const entries = (Object.keys(splits) as Split[]).map((split) => [split, part(split)] as const);
  return Object.fromEntries(entries) as Record<Split, Numbers<Name>>;
}
