import * as tf from "@tensorflow/tfjs-core";
import type { RgbImage } from "@villa/data";
import { groupRegions, imageTensor, type Regions } from "@villa/encoders";
import type { ImagePairs } from "./pairs.ts";

/** Pictures of one size and their regions. */
export interface ImageGroup {
  /** [B, height, width, 3] float32 in 0 … 1 */
  readonly images: tf.Tensor4D;
  readonly regions: Regions;
}

/** What one training step needs. Rows of `text` follow the regions, group after group. */
export interface ContrastiveBatch {
  readonly groups: readonly ImageGroup[];
  /** [regions, d] float32, L2-normalised */
  readonly text: tf.Tensor2D;
  /** Number of region-text pairs. */
  readonly pairs: number;
}

/**
 * Puts pictures and their pairs into tensors. Pictures of different sizes form groups; the loss does not depend on the
 * order of pairs, so groups only change their order.
 *
 * @param embedText sentences of each pair → [pairs × d] normalised
 * @returns tensors that the caller disposes with {@link disposeBatch}
 */
export function contrastiveBatch(
  images: readonly Omit<RgbImage, "channels">[],
  pairs: readonly ImagePairs[],
  embedText: (sentences: readonly (readonly string[])[]) => Float32Array,
): ContrastiveBatch {
  const bySize = new Map<string, number[]>();
  images.forEach((image, i) => {
    const size = `${image.width}×${image.height}`;
    bySize.set(size, [...(bySize.get(size) ?? []), i]);
  });
  const order = [...bySize.values()];
  const sentences = order.flat().flatMap((i) => pairs[i]!.sentences);
  const values = embedText(sentences);
  return {
    groups: order.map((members) => ({
      images: imageTensor(members.map((i) => images[i]!)),
      regions: groupRegions(
        members.map((i) => pairs[i]!.boxes),
        images[members[0]!]!.width,
      ),
    })),
    text: tf.tensor2d(values, [sentences.length, sentences.length === 0 ? 0 : values.length / sentences.length]),
    pairs: sentences.length,
  };
}

/** Frees the tensors of a batch. */
export function disposeBatch({ groups, text }: ContrastiveBatch): void {
  tf.dispose([text, ...groups.map(({ images }) => images)]);
}
