import { AttributeMentions, type AttributeVocabulary, checkArgument, type RandomState, VillaError } from "@villa/data";
import { type MentionedTerm, mentionedTerms } from "./mentioned-terms.ts";

/** What {@link hardNegatives} changes. */
export interface HardNegativeOptions {
  /** The true description. */
  readonly text: string;
  readonly vocabulary: AttributeVocabulary;
  /** Attributes that are truly there. Default those that the text says are there. Others are never put in. */
  readonly attributes?: readonly string[] | undefined;
  /** Negatives to make. */
  readonly count: number;
  /** Attributes to swap in each. Default 1, the hardest. */
  readonly swaps?: number | undefined;
  readonly random: RandomState;
}

/** A description that is wrong in a few words. */
export interface HardNegative {
  readonly text: string;
  readonly swapped: readonly { readonly from: string; readonly to: string }[];
}

/** An attribute of the text and what may stand in its place. */
interface Swap {
  readonly attribute: string;
  readonly others: readonly string[];
}

/**
 * Hard negatives: the description with attributes swapped for others of their group, a colour for a colour.
 *
 * Every negative is different. Attributes that the text names anywhere, or that are truly there, are not put in, so that no
 * negative is true by accident. "a" and "an" are set right before what is put in.
 *
 * @returns `count` negatives drawn without replacement, or all there are where there are fewer
 * @throws VillaError `InvalidArgument` for a count or number of swaps below 1
 * @see Bianchi et al., FG-OVD, CVPR 2024, section 3 (one, two or three attributes replaced: hard, medium, easy)
 */
export function hardNegatives(options: HardNegativeOptions): HardNegative[] {
  checkArgument("options", options, {
    text: "text",
    vocabulary: { groups: ["object"], "mentions?": "'words' | 'words-negated-too'" },
    "attributes?": ["text"],
    count: "count",
    "swaps?": "count",
    random: { randint: "function", sample: "function" },
  });

  const { text, vocabulary, count, swaps = 1, random } = options;
  for (const [name, value] of Object.entries({ count, swaps })) {
    if (!(Number.isInteger(value) && value > 0)) {
      throw new VillaError("InvalidArgument", `"${name}" must be a whole number above 0, not ${value}.`);
    }
  }
  const terms = mentionedTerms(text, vocabulary);
  const choices = subsets(possibleSwaps(terms, options), swaps).map((subset) => ({
    subset,
    ways: subset.reduce((product, { others }) => product * others.length, 1),
  }));
  const total = choices.reduce((sum, { ways }) => sum + ways, 0);
  return drawDifferent(Math.min(count, total), { total, random }).map((place) => {
    let rest = place;
    const choice = choices.find(({ ways }) => {
      if (rest < ways) return true;
      rest -= ways;
      return false;
    });
    // The number of the choice within the subset, read digit by digit: each digit chooses one replacement.
    const swapped = (choice?.subset ?? []).map(({ attribute, others }) => {
      const to = others[rest % others.length]!;
      rest = Math.floor(rest / others.length);
      return { from: attribute, to };
    });
    return { text: withSwaps(text, { terms, swapped }), swapped };
  });
}

function possibleSwaps(
  terms: readonly MentionedTerm[],
  { text, vocabulary, attributes }: HardNegativeOptions,
): readonly Swap[] {
  const there = new Set(attributes ?? new AttributeMentions(vocabulary).find(text));
  const named = new Set(terms.map(({ attribute }) => attribute));
  return vocabulary.groups.flatMap((group) => {
    const others = group.attributes.filter((other) => !named.has(other) && !there.has(other));
    const swappable = group.attributes.filter((attribute) => named.has(attribute) && there.has(attribute));
    return others.length === 0 ? [] : swappable.map((attribute) => ({ attribute, others }));
  });
}

function subsets<T>(items: readonly T[], size: number): T[][] {
  if (size === 0) return [[]];
  return items.flatMap((item, i) => subsets(items.slice(i + 1), size - 1).map((rest) => [item, ...rest]));
}

/** Different whole numbers below `total`: all of them where most are wanted, else drawn until there are enough. */
function drawDifferent(count: number, { total, random }: { total: number; random: RandomState }): number[] {
  if (2 * count >= total) return Array.from(random.sample(total, count));
  const drawn = new Set<number>();
  while (drawn.size < count) drawn.add(random.randint(0, total));
  return [...drawn];
}

interface Swapping {
  readonly terms: readonly MentionedTerm[];
  readonly swapped: readonly { readonly from: string; readonly to: string }[];
}

function withSwaps(text: string, { terms, swapped }: Swapping): string {
  let result = "";
  let end = 0;
  for (const term of terms) {
    const swap = swapped.find(({ from }) => from === term.attribute);
    if (!swap) continue;
    const before = withArticle(text.slice(end, term.start), swap.to);
    const capital = /^\p{Lu}/u.test(text.slice(term.start));
    result += before + (capital ? swap.to.charAt(0).toUpperCase() + swap.to.slice(1) : swap.to);
    end = term.end;
  }
  return result + text.slice(end);
}

/** A wrong "a" or "an" would give the negative away. */
function withArticle(before: string, next: string): string {
  return before.replace(/(?<![\p{L}\p{N}])(a)n?(\s+)$/iu, (_, a: string, space: string) => {
    return `${a}${/^[aeiou]/i.test(next) ? "n" : ""}${space}`;
  });
}
