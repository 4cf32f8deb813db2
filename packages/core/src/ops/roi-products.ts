import * as tf from "@tensorflow/tfjs-core";
import { type RoiGeometry, roiAxisWeights } from "./roi-weights.ts";

/** A linear map from feature maps to regions (sorted by image), and its transpose. */
export interface RoiProduct {
  /** features [B, H, W, C] -> R·out·out·C values, row-major [R, out, out, C]. */
  forward(features: tf.Tensor4D): tf.Tensor;
  /** dy [R, out, out, C] -> B·H·W·C values, row-major [B, H, W, C]. */
  backward(dy: tf.Tensor4D): tf.Tensor;
}

type PrepareRoiProduct = (
  boxes: readonly (readonly number[])[],
  counts: readonly number[],
  size: readonly [height: number, width: number],
  geometry: RoiGeometry,
) => RoiProduct;

/** (A_y ⊗ A_x) · F: one product per image on [H·W, C] maps. */
export const denseRoiProduct: PrepareRoiProduct = (boxes, counts, [height, width], geometry) => {
  const cells = (geometry.outputSize / geometry.pool) ** 2;
  const kronecker = new Float32Array(boxes.length * cells * height * width);
  boxes.forEach((box, region) => {
    const [alongY, alongX] = boxWeights(box, height, width, geometry);
    const target = kronecker.subarray(region * cells * height * width, (region + 1) * cells * height * width);
    writeKronecker(target, alongY, alongX, height, width);
  });
  const rows = counts.map((count) => count * cells);
  const matrix = () => tf.tensor2d(kronecker, [boxes.length * cells, height * width]);
  return {
    forward: (features) => {
      const [batch, , , channels] = features.shape;
      return groupedMatMul(matrix(), rows, tf.reshape(features, [batch, height * width, channels]));
    },
    backward: (dy) => groupedMatMulTransposed(matrix(), rows, tf.reshape(dy, [-1, dy.shape[3]])),
  };
};

/** A_y · (F · A_xᵀ): the width by one product per image, then the height by one batched product. */
export const separableRoiProduct: PrepareRoiProduct = (boxes, counts, [height, width], geometry) => {
  const side = geometry.outputSize / geometry.pool;
  const allY = new Float32Array(boxes.length * side * height);
  const allX = new Float32Array(boxes.length * side * width);
  boxes.forEach((box, region) => {
    const [alongY, alongX] = boxWeights(box, height, width, geometry);
    allY.set(alongY, region * side * height);
    allX.set(alongX, region * side * width);
  });
  const rows = counts.map((count) => count * side);
  const matrixX = () => tf.tensor2d(allX, [boxes.length * side, width]);
  const matrixY = () => tf.tensor3d(allY, [boxes.length, side, height]);
  return {
    forward: (features) => {
      const [batch, , , channels] = features.shape;
      const columnsFirst = tf.transpose(features, [0, 2, 1, 3]); // [B, H, W, C] -> [B, W, H, C]
      const columns = tf.reshape(columnsFirst, [batch, width, height * channels]) as tf.Tensor3D;
      const byX = tf.reshape(groupedMatMul(matrixX(), rows, columns), [boxes.length, side, height, channels]); // [R, x, H, C]
      const lines = tf.reshape(tf.transpose(byX, [0, 2, 1, 3]), [boxes.length, height, side * channels]); // [R, H, x·C]
      return tf.matMul(matrixY(), lines); // [R, y, x·C]
    },
    backward: (dy) => {
      const channels = dy.shape[3];
      const dLines = tf.matMul(matrixY(), tf.reshape(dy, [boxes.length, side, side * channels]), true); // [R, H, x·C]
      const dByX = tf.transpose(tf.reshape(dLines, [boxes.length, height, side, channels]), [0, 2, 1, 3]);
      const dColumns = groupedMatMulTransposed(
        matrixX(),
        rows,
        tf.reshape(dByX, [boxes.length * side, height * channels]),
      );
      return tf.transpose(tf.reshape(dColumns, [counts.length, width, height, channels]), [0, 2, 1, 3]); // -> BHWC
    },
  };
};

/** [A_y [out, H], A_x [out, W]] of one box. */
function boxWeights(box: readonly number[], height: number, width: number, geometry: RoiGeometry) {
  const [x0, y0, x1, y1] = box as [number, number, number, number];
  return [roiAxisWeights(y0, y1, height, geometry), roiAxisWeights(x0, x1, width, geometry)] as const;
}

/** target [out·out, H·W] = A_y ⊗ A_x, rows (y, x), columns (i, j). */
function writeKronecker(
  target: Float32Array,
  alongY: Float64Array,
  alongX: Float64Array,
  height: number,
  width: number,
): void {
  const side = alongY.length / height;
  for (let y = 0; y < side; y++) {
    for (let i = 0; i < height; i++) {
      const weight = alongY[y * height + i]!;
      if (weight === 0) continue; // most are: a bin reads a few rows
      for (let x = 0; x < side; x++) {
        const to = ((y * side + x) * height + i) * width;
        for (let j = 0; j < width; j++) target[to + j] = weight * alongX[x * width + j]!;
      }
    }
  }
}

/** Row blocks of a, block b having rows[b] rows, each times its own x[b]: a [Σrows, K], x [B, K, N] -> [Σrows, N]. */
function groupedMatMul(a: tf.Tensor2D, rows: readonly number[], x: tf.Tensor3D): tf.Tensor2D {
  const [batch, inner, columns] = x.shape;
  if (rows.every((count) => count === rows[0])) {
    const blocks = tf.reshape(a, [batch, rows[0]!, inner]) as tf.Tensor3D;
    return tf.reshape(tf.matMul(blocks, x), [-1, columns]) as tf.Tensor2D;
  }
  const products: tf.Tensor2D[] = [];
  let start = 0;
  rows.forEach((count, image) => {
    if (count === 0) return;
    const block = tf.slice(a, [start, 0], [count, inner]);
    products.push(tf.matMul(block, tf.reshape(tf.slice(x, [image, 0, 0], [1, inner, columns]), [inner, columns])));
    start += count;
  });
  return tf.concat(products, 0);
}

/** The transpose of {@link groupedMatMul} in x: a [Σrows, K], dy [Σrows, N] -> [B, K, N]. */
function groupedMatMulTransposed(a: tf.Tensor2D, rows: readonly number[], dy: tf.Tensor2D): tf.Tensor3D {
  const inner = a.shape[1];
  const columns = dy.shape[1];
  if (rows.every((count) => count === rows[0])) {
    const blocks = tf.reshape(a, [rows.length, rows[0]!, inner]) as tf.Tensor3D;
    return tf.matMul(blocks, tf.reshape(dy, [rows.length, rows[0]!, columns]) as tf.Tensor3D, true);
  }
  let start = 0;
  const products = rows.map((count) => {
    if (count === 0) return tf.zeros([inner, columns]) as tf.Tensor2D;
    const product = tf.matMul(
      tf.slice(a, [start, 0], [count, inner]),
      tf.slice(dy, [start, 0], [count, columns]),
      true,
    );
    start += count;
    return product;
  });
  return tf.reshape(tf.concat(products, 0), [rows.length, inner, columns]);
}
