import * as tf from "@tensorflow/tfjs-core";
import { type RgbImage, VillaError } from "@villa/data";

/**
 * Pictures as the towers take them.
 *
 * @param images of one size, [3, height, width] bytes each
 * @returns [B, height, width, 3] float32 in 0 … 1
 * @throws VillaError `Mismatch` for a picture of another size
 */
export function imageTensor(images: readonly Omit<RgbImage, "channels">[]): tf.Tensor4D {
  const { width, height } = images[0] ?? { width: 0, height: 0 };
  const area = width * height;
  const values = new Float32Array(images.length * area * 3);
  images.forEach(({ data, ...size }, image) => {
    if (size.width !== width || size.height !== height || data.length !== 3 * area) {
      throw new VillaError(
        "Mismatch",
        `Image ${image} of the batch is not of ${width} × ${height} pixels with 3 channels.`,
      );
    }
    const to = image * area * 3;
    for (let channel = 0; channel < 3; channel++) {
      const from = channel * area;
      for (let pixel = 0; pixel < area; pixel++) values[to + pixel * 3 + channel] = data[from + pixel]! / 255;
    }
  });
  return tf.tensor4d(values, [images.length, height, width, 3]);
}
