import { checkArgument, VillaError } from "@villa/data";
import { boxHolds } from "../box.ts";
import { meanOf } from "../ties.ts";
import { checkMap, pixelCentre, type ScoreMap } from "./score-map.ts";

/** How the pointing game is scored, as fractions. */
export interface PointingGame {
  /** Share of maps with their highest score within the truth. */
  readonly accuracy: number;
  /** Mean of the accuracies of the groups; the accuracy where there are no groups. */
  readonly meanPerGroup: number;
  /** [maps] the chance of a hit. What a bootstrap resamples. */
  readonly hits: Float64Array;
}

/** How {@link pointingGame} judges. */
export interface PointingOptions {
  /** Pixels of the map by which a hit may be beside the box. Default 0; the original game allows 15 pixels of the image. */
  readonly tolerance?: number | undefined;
  /** [maps] what each map is of, such as its category. */
  readonly groups?: readonly (string | number)[] | undefined;
}

/**
 * The pointing game: a map hits where the centre of its highest pixel is in a true box.
 *
 * Ties: the chance of a hit when one of the highest pixels is drawn, so that a flat map scores the truth's share of the
 * image. Pixels of NaN are left out.
 *
 * @throws VillaError `Mismatch`, `InvalidArgument` as for a {@link ScoreMap}; `NotFinite` for a map without any score
 * @see Zhang et al., Top-down Neural Attention by Excitation Backprop, ECCV 2016, section 4.1
 */
export function pointingGame(maps: readonly ScoreMap[], options: PointingOptions = {}): PointingGame {
  checkArgument("maps", maps, [{ scores: "numbers", height: "count", width: "count", truth: ["numbers"] }]);
  checkArgument("options?", options, { "tolerance?": "number", "groups?": ["text | number"] });

  const { tolerance = 0, groups } = options;
  if (groups && groups.length !== maps.length) {
    throw new VillaError("Mismatch", `${maps.length} maps need as many groups, not ${groups.length}.`);
  }
  const hits = Float64Array.from(maps, (map, m) => {
    checkMap(map, `Map ${m}`);
    const { scores, truth } = map;
    let best = Number.NEGATIVE_INFINITY;
    let places: number[] = [];
    for (let i = 0; i < scores.length; i++) {
      if (scores[i]! > best) {
        best = scores[i]!;
        places = [];
      }
      if (scores[i] === best) places.push(i);
    }
    if (!Number.isFinite(best))
      throw new VillaError("NotFinite", `Map ${m} has the score ${best}; scores must be finite numbers.`);
    const held = places.filter((i) => truth.some((box) => boxHolds(box, pixelCentre(i, map), tolerance)));
    return held.length / places.length;
  });
  const byGroup = new Map<string | number, number[]>();
  groups?.forEach((group, m) => {
    byGroup.set(group, [...(byGroup.get(group) ?? []), hits[m]!]);
  });
  const accuracy = meanOf(hits);
  const meanPerGroup = groups ? meanOf([...byGroup.values()].map(meanOf)) : accuracy;
  return { accuracy, meanPerGroup, hits };
}
