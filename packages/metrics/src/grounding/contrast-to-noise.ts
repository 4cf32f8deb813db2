import { checkArgument } from "@villa/data";
import { boxHolds } from "../box.ts";
import { meanOf } from "../ties.ts";
import { checkMap, pixelCentre, type ScoreMap } from "./score-map.ts";

/** How far scores inside of the truth stand out from those outside. */
export interface ContrastToNoise {
  /** Mean of the absolute ratios, as BioViL reports it for MS-CXR; NaN where no map has one. */
  readonly absolute: number;
  /** Mean of the signed ratios, as BioViL-T reports it: below 0 where the inside scores lower. */
  readonly signed: number;
  /** [maps] signed; NaN where all pixels are inside, or outside, or all scores are alike. */
  readonly perMap: Float64Array;
}

/**
 * Contrast-to-noise ratio of score maps: (μ_in − μ_out) / √(σ²_in + σ²_out), with the means and population variances of the
 * scores of the pixels whose centres are in a true box, and of the others.
 *
 * Pixels of NaN are left out. Maps without a ratio are left out of the mean.
 *
 * @throws VillaError `Mismatch`, `InvalidArgument` as for a {@link ScoreMap}
 * @see Boecking et al., Making the Most of Text Semantics to Improve Biomedical Vision-Language Processing, ECCV 2022,
 * section 4.2
 */
export function contrastToNoise(maps: readonly ScoreMap[]): ContrastToNoise {
  checkArgument("maps", maps, [{ scores: "numbers", height: "count", width: "count", truth: ["numbers"] }]);

  const perMap = Float64Array.from(maps, (map, m) => {
    checkMap(map, `Map ${m}`);
    const inside: number[] = [];
    const outside: number[] = [];
    for (let i = 0; i < map.scores.length; i++) {
      const score = map.scores[i]!;
      if (Number.isNaN(score)) continue;
      const within = map.truth.some((box) => boxHolds(box, pixelCentre(i, map)));
      (within ? inside : outside).push(score);
    }
    if (inside.length === 0 || outside.length === 0) return Number.NaN;
    const noise = Math.sqrt(variance(inside) + variance(outside));
    return noise === 0 ? Number.NaN : (meanOf(inside) - meanOf(outside)) / noise;
  });
  const known = perMap.filter((ratio) => !Number.isNaN(ratio));
  if (known.length === 0) return { absolute: Number.NaN, signed: Number.NaN, perMap };
  return { absolute: meanOf(known.map(Math.abs)), signed: meanOf(known), perMap };
}

function variance(values: readonly number[]): number {
  const mean = meanOf(values);
  return meanOf(values.map((value) => (value - mean) ** 2));
}
