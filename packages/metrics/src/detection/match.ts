import { GroupMatcher } from "./match-group.ts";
import { areaRanges, type Matches, type MatchFlags, type MatchInput } from "./matches.ts";
import type { Truth } from "./read-truth.ts";
import { bucketStarts, sortByKey, sortByScore } from "./sort-objects.ts";

/**
 * Matches detections to true objects, image by image and category by category.
 *
 * Detections choose in the order of their scores. Each takes the free object that it overlaps most, at least by the
 * threshold, and an object that does not count only where there is none that does; crowds are never used up. Of objects
 * that it overlaps equally it takes the last. A detection does not count where the object that it found does not, or
 * where it found none and its own size is outside of the range.
 *
 * @see `COCOeval.evaluateImg` of pycocotools, `LVISEval.evaluate_img` of lvis-api
 */
export function matchObjects(input: MatchInput): Matches {
  const { truth, detections, thresholds, maxDetections, classAgnostic } = input;
  const images = truth.imageIds.length;
  const categories = classAgnostic ? 1 : truth.categories.length;
  const keys = (columns: { category: Int32Array; count: number }) =>
    classAgnostic ? new Int32Array(columns.count) : columns.category;
  const [truthKeys, detectionKeys] = [keys(truth), keys(detections)];

  const truthGroups = sortByKey(sortByKey(input.truthOrder, truth.image, images), truthKeys, categories);
  const truthStarts = bucketStarts(truthGroups, truthKeys, categories);
  const inImages = sortByKey(input.detectionOrder, detections.image, images);
  const sorted = sortByScore(inImages, detections.score);
  const byScore = sortByKey(sorted, detectionKeys, categories);
  const detectionGroups = sortByKey(sortByKey(sorted, detections.image, images), detectionKeys, categories);
  const detectionStarts = bucketStarts(detectionGroups, detectionKeys, categories);

  const zeros = () => areaRanges.map(() => new Int32Array(detections.count));
  const flags: MatchFlags = {
    matched: zeros(),
    unjudged: zeros(),
    truthUnjudged: truthOutside(truth, input.ignored),
    found: new Int32Array(detections.count).fill(-1),
  };
  const rank = new Int32Array(detections.count);
  const matcher = new GroupMatcher(input, flags);
  for (let k = 0; k < categories; k++) {
    let [d, g] = [detectionStarts[k]!, truthStarts[k]!];
    const [lastD, lastG] = [detectionStarts[k + 1]!, truthStarts[k + 1]!];
    while (d < lastD) {
      const image = detections.image[detectionGroups[d]!]!;
      let endD = d;
      for (; endD < lastD && detections.image[detectionGroups[endD]!] === image; endD++) {
        rank[detectionGroups[endD]!] = endD - d;
      }
      while (g < lastG && truth.image[truthGroups[g]!]! < image) g++;
      let endG = g;
      while (endG < lastG && truth.image[truthGroups[endG]!] === image) endG++;
      matcher.match(detectionGroups.subarray(d, Math.min(endD, d + maxDetections)), truthGroups.subarray(g, endG));
      [d, g] = [endD, endG];
    }
  }
  return {
    categories,
    thresholds,
    detections: {
      starts: detectionStarts,
      index: byScore,
      image: byScore.map((d) => detections.image[d]!),
      score: Float64Array.from(byScore, (d) => detections.score[d]!),
      rank: byScore.map((d) => rank[d]!),
      matched: flags.matched.map((bits) => byScore.map((d) => bits[d]!)),
      unjudged: flags.unjudged.map((bits) => byScore.map((d) => bits[d]!)),
    },
    truth: {
      starts: truthStarts,
      image: truthGroups.map((g) => truth.image[g]!),
      unjudged: Uint8Array.from(truthGroups, (g) => flags.truthUnjudged[g]!),
    },
    found: flags.found,
  };
}

/** Bit a: the object is ignored, or its area is outside range a. */
function truthOutside({ count, area }: Truth, ignored: Uint8Array): Uint8Array {
  const outside = new Uint8Array(count);
  for (let i = 0; i < count; i++) {
    areaRanges.forEach(({ from, to }, a) => {
      if (ignored[i] === 1 || area[i]! < from || area[i]! > to) outside[i]! |= 1 << a;
    });
  }
  return outside;
}
