import { checkArgument, VillaError } from "@villa/data";
import { expectedAmong, meanOf } from "../ties.ts";

/** How often the true description wins, as fractions. */
export interface FineGrainedAccuracy {
  /** Share of choices in which the true description has the highest score. */
  readonly accuracy: number;
  /** What guessing would reach: the mean of 1 / N. */
  readonly chance: number;
  /** [choices] the chance of a hit. What a bootstrap resamples. */
  readonly hits: Float64Array;
}

/**
 * N-way choice between a true description and hard negatives: top-1 accuracy.
 *
 * Ties: of t descriptions that share the highest score the true one wins with probability 1 / t.
 *
 * @param choices each [1 + negatives] scores of one image or region: the true description's first, then the negatives'
 * @throws VillaError `InvalidArgument` for a choice without negatives, `NotFinite` for a score of NaN or infinity
 * @see Bianchi et al., The devil is in the fine-grained details (FG-OVD), CVPR 2024, section 3
 */
export function fineGrainedAccuracy(choices: readonly ArrayLike<number>[]): FineGrainedAccuracy {
  checkArgument("choices", choices, ["numbers"]);

  const hits = Float64Array.from(choices, (scores, c) => {
    if (scores.length < 2) {
      throw new VillaError(
        "InvalidArgument",
        `Choice ${c} has no score of a false description: give the true description's score first, then those of false ones.`,
      );
    }
    const own = scores[0]!;
    let above = 0;
    let tied = 0;
    for (let i = 0; i < scores.length; i++) {
      if (!Number.isFinite(scores[i]!)) {
        throw new VillaError(
          "NotFinite",
          `Description ${i} of choice ${c} has the score ${scores[i]}; scores must be finite numbers.`,
        );
      }
      if (scores[i]! > own) above++;
      else if (scores[i] === own) tied++;
    }
    return expectedAmong({ above, tied, right: 1, k: 1 });
  });
  return { accuracy: meanOf(hits), chance: meanOf(choices.map((scores) => 1 / scores.length)), hits };
}
