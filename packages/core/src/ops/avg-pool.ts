import * as tf from "@tensorflow/tfjs-core";
import { checkArgument, VillaError } from "@villa/data";
import { runFused } from "../backend/fused.ts";

/**
 * Non-overlapping average pool (stride = size, no padding), as torch's `AvgPool2d(size)`: rows and columns that do not
 * fill a window are dropped.
 *
 * @param x [B, H, W, C] float32
 * @returns [B, ⌊H/size⌋, ⌊W/size⌋, C]
 * @throws VillaError `Mismatch` when the window is larger than the image
 */
export function avgPool2d(x: tf.Tensor4D, size: number): tf.Tensor4D {
  checkArgument("x", x, "tensor4");
  checkArgument("size", size, "count");

  const [, height, width] = x.shape;
  if (size === 1) return tf.clone(x);
  if (height < size || width < size) {
    throw new VillaError(
      "Mismatch",
      `avgPool2d of size ${size} needs at least ${size}×${size}, got ${height}×${width}.`,
    );
  }
  const pool = tf.customGrad((input) => ({
    value: tf.avgPool(input as tf.Tensor4D, size, size, "valid"),
    gradFunc: (dy: tf.Tensor) => spread(dy as tf.Tensor4D, size, height, width),
  }));
  return pool(x) as tf.Tensor4D;
}

/** Gradient of the pool: each value spread evenly over its window. dy [B, h, w, C] -> [B, height, width, C]. */
function spread(dy: tf.Tensor4D, size: number, height: number, width: number): tf.Tensor4D {
  const fused = runFused("VillaAvgPoolGrad", { dy }, { size, height, width });
  if (fused) return fused[0] as tf.Tensor4D;
  return tf.tidy(() => {
    const [batch, rows, columns, channels] = dy.shape;
    const cells = tf.reshape(dy, [batch * rows, 1, columns, 1, channels]);
    // A broadcast product instead of a tile: WebGPU tiles at most four axes.
    const tiled = tf.mul(cells, tf.fill([1, size, 1, size, 1], 1 / (size * size)));
    const windows = tf.reshape(tiled, [batch, rows * size, columns * size, channels]) as tf.Tensor4D;
    const below = height - rows * size;
    const right = width - columns * size;
    if (below === 0 && right === 0) return windows;
    return tf.pad(windows as tf.Tensor4D, [
      [0, 0],
      [0, below],
      [0, right],
      [0, 0],
    ]);
  });
}
