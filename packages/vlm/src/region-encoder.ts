import * as tf from "@tensorflow/tfjs-core";
import { l2Normalize } from "@villa/core";
import { type ArgumentRule, checkArgument, VillaError } from "@villa/data";
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
 * Normalised embeddings of regions, the image side of Stage 2. Groups whose regions come with masks are pooled by these.
 *
 * @returns [regions, embedDim] L2-normalised; in training mode differentiable with respect to the tower's variables
 * @throws VillaError `InvalidArgument` for masks and a tower without patch tokens
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
    const embeddings = groups.map(({ images, regions }) => {
      const features = tower.features(images, options);
      if (!regions.masks) return tower.regionEmbeddings(features, regions, options);
      if (!tower.maskEmbeddings) {
        throw new VillaError("InvalidArgument", "This tower has no patch tokens that masks could select.");
      }
      return tower.maskEmbeddings(features, regions, options);
    });
    return l2Normalize(embeddings.length === 1 ? embeddings[0]! : tf.concat2d(embeddings, 0));
  });
}
