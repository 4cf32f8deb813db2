import { type AttributeVocabulary, attributePrompts, checkArgument, VillaError } from "@villa/data";
import type { SentenceEncoder } from "../text-embeddings.ts";

/** Sentences about a class that no vocabulary knows; `{}` stands for its name. */
export const defaultTemplates: readonly string[] = ["a photo of a {}", "there is a {}", "a {}"];

/**
 * The sentences that stand for each class: the templates filled with its name. A class of the vocabulary has its group's,
 * with its name as prompts of the dataset have it; others have the default ones.
 *
 * @param options `templates`: the same sentences for all classes
 * @returns for each class at least one sentence
 * @throws VillaError `InvalidArgument` for a template without `{}`
 */
export function classPrompts(
  classes: readonly string[],
  options: {
    readonly vocabulary?: AttributeVocabulary | undefined;
    readonly templates?: readonly string[] | undefined;
  } = {},
): string[][] {
  checkArgument("classes", classes, ["text"]);
  checkArgument("options?", options, {
    "vocabulary?": { groups: ["object"], "mentions?": "'words' | 'words-negated-too'" },
    "templates?": ["text"],
  });

  const { vocabulary, templates } = options;
  for (const template of templates ?? []) {
    if (!template.includes("{}")) {
      throw new VillaError("InvalidArgument", `The template "${template}" has no {} where the class's name goes.`);
    }
  }
  const known = new Map(
    vocabulary ? attributePrompts(vocabulary).map(({ attribute, prompts }) => [attribute, prompts]) : [],
  );
  const fill = (list: readonly string[], name: string) => list.map((template) => template.replaceAll("{}", name));
  return classes.map((name) => {
    if (templates && templates.length > 0) return fill(templates, name);
    const own = known.get(name) ?? [];
    return own.length > 0 ? [...own] : fill(defaultTemplates, name);
  });
}

/**
 * Embeddings of classes as zero-shot classification has them: the mean of the sentences' embeddings, L2-normalised.
 *
 * @param options `prompts`: the sentences of each class
 * @returns [classes, dimension]
 * @throws VillaError `NotFinite` when the text encoder fails
 * @see Radford et al., CLIP, ICML 2021, section 3.1.4 (prompt ensembles)
 */
export async function classEmbeddings(
  encodeText: SentenceEncoder,
  options: { readonly prompts: readonly (readonly string[])[]; readonly dimension: number },
): Promise<Float32Array> {
  checkArgument("encodeText", encodeText, "function");
  checkArgument("options", options, { prompts: ["list"], dimension: "count" });
  const { prompts, dimension } = options;

  const rows = await encodeText(prompts.flat());
  const result = new Float32Array(prompts.length * dimension);
  let row = 0;
  prompts.forEach((own, c) => {
    const mean = new Float64Array(dimension);
    for (const _ of own) {
      for (let i = 0; i < dimension; i++) mean[i]! += rows[row * dimension + i]! / own.length;
      row++;
    }
    const norm = Math.hypot(...mean);
    if (!(norm > 0 && norm < Number.POSITIVE_INFINITY)) {
      throw new VillaError("NotFinite", `The text encoder gives no usable embedding for "${own[0] ?? ""}".`);
    }
    for (let i = 0; i < dimension; i++) result[c * dimension + i] = mean[i]! / norm;
  });
  return result;
}
