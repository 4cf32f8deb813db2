import * as tf from "@tensorflow/tfjs-core";
import type { RgbImage } from "@villa/data";
import { checkArgument } from "@villa/data";
import { type PictureInput, plainInput, type Regions, regionInput } from "@villa/encoders";
import type { ImagePairs } from "./pairs.ts";

/** Pictures of one size and their regions. */
export interface ImageGroup {
  /** [B, height, width, 3] float32 in 0 … 1 */
  readonly images: tf.Tensor4D;
  /**
   * Where `masks` is there, even if all of it is null, regions are means over masks or boxes; else RoIAlign cuts their
   * boxes.
   */
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
 * order of pairs, so groups only change their order. Where pairs come with masks, regions are means over these.
 *
 * @param options `embedText`: sentences of each pair → [pairs × d] normalised; `input`: how the tower takes pictures
 * (default: at their own size, values 0 … 1)
 * @returns tensors that the caller disposes with {@link disposeBatch}
 */
export function contrastiveBatch(
  images: readonly Omit<RgbImage, "channels">[],
  pairs: readonly ImagePairs[],
  options: {
    readonly embedText: (sentences: readonly (readonly string[])[]) => Float32Array;
    readonly input?: PictureInput | undefined;
  },
): ContrastiveBatch {
  checkArgument("images", images, [{ width: "count", height: "count", data: "bytes" }]);
  checkArgument("pairs", pairs, [{ boxes: ["numbers"], sentences: ["list"], "masks?": "list" }]);
  checkArgument("options", options, {
    embedText: "function",
    "input?": { regions: "object", whole: "object", resample: "text", smallest: "number" },
  });
  const { embedText, input = plainInput } = options;

  const bySize = new Map<string, number[]>();
  images.forEach((image, i) => {
    const { size: side, cropSide } = input.regions;
    const size = side === undefined && cropSide === undefined ? `${image.width}×${image.height}` : "scaled";
    bySize.set(size, [...(bySize.get(size) ?? []), i]);
  });
  const order = [...bySize.values()];
  const sentences = order.flat().flatMap((i) => pairs[i]!.sentences);
  const values = embedText(sentences);
  const isMasked = pairs.some(({ masks }) => masks !== undefined);
  return {
    groups: order.map((members) =>
      regionInput(input, {
        images: members.map((i) => images[i]!),
        boxes: members.map((i) => pairs[i]!.boxes),
        masks: isMasked ? members.map((i) => pairs[i]!.masks) : undefined,
      }),
    ),
    text: tf.tensor2d(values, [sentences.length, sentences.length === 0 ? 0 : values.length / sentences.length]),
    pairs: sentences.length,
  };
}

/** Frees the tensors of a batch. */
export function disposeBatch(batch: ContrastiveBatch): void {
  checkArgument("batch", batch, { groups: ["object"], text: "tensor2", pairs: "number" });
  const { groups, text } = batch;

  tf.dispose([text, ...groups.map(({ images }) => images)]);
}
