import * as tf from "@tensorflow/tfjs-core";
import { l2Normalize } from "@villa/core";
import { type ArgumentRule, checkArgument } from "@villa/data";
import type { ForwardOptions, ImageTower } from "@villa/encoders";
import type { ImageGroup } from "./batch.ts";

export const towerRule: ArgumentRule = {
  input: "object",
  features: "function",
  regionEmbeddings: "function",
  imageEmbeddings: "function",
  dispose: "function",
};

/**
 * Normalised embeddings of regions, the image side of Stage 2.
 *
 * @returns [regions, embedDim] L2-normalised; in training mode differentiable with respect to the tower's variables
 * @see ViLLA paper, section 3.3
 */
export function embedRegions(
  tower: ImageTower,
  groups: readonly ImageGroup[],
  options: ForwardOptions = {},
): tf.Tensor2D {
  checkArgument("tower", tower, towerRule);
  checkArgument("groups", groups, [{ images: "tensor4", regions: "object" }]);
  checkArgument("options?", options, { "training?": "boolean", "updateStatistics?": "boolean" });

  return tf.tidy(() => {
    const embeddings = groups.map(({ images, regions }) =>
      tower.regionEmbeddings(tower.features(images, options), regions, options),
    );
    return l2Normalize(embeddings.length === 1 ? embeddings[0]! : tf.concat2d(embeddings, 0));
  });
}
