import * as tf from "@tensorflow/tfjs-core";
import { checkArgument, VillaError } from "@villa/data";

/**
 * Symmetric InfoNCE over matching rows: ½ cross-entropy image→text + ½ text→image, the mean over rows.
 *
 * With logits Z = I·Tᵀ/τ the gradient is closed: dZ = (softmax over rows + softmax over columns - 2·identity) / 2R.
 *
 * @param imageEmbeddings [R, d] float32, rows of unit length (see `l2Normalize`); row i matches text row i
 * @param textEmbeddings [R, d], rows of unit length
 * @param options `temperature`: τ > 0, 0.07 in both stages; a scalar when it is learned
 * @returns scalar
 * @throws VillaError `Mismatch` when the shapes differ
 * @see ViLLA paper, section 3.3 (Stage 2)
 */
export function infoNCE(
  imageEmbeddings: tf.Tensor2D,
  textEmbeddings: tf.Tensor2D,
  options: { readonly temperature: number | tf.Scalar },
): tf.Scalar {
  checkArgument("imageEmbeddings", imageEmbeddings, "tensor2");
  checkArgument("textEmbeddings", textEmbeddings, "tensor2");
  checkArgument("options", options, { temperature: "number | tensor" });
  const { temperature } = options;

  requireMatchingRows(imageEmbeddings, textEmbeddings, "infoNCE");
  const scale = typeof temperature === "number" ? 1 / temperature : tf.reciprocal(temperature);
  const logits = tf.mul(tf.matMul(imageEmbeddings, textEmbeddings, false, true), scale) as tf.Tensor2D; // [R, R]
  return symmetricCrossEntropy(logits);
}

/** @throws VillaError `Mismatch` when row i of one cannot be the partner of row i of the other */
export function requireMatchingRows(images: tf.Tensor2D, texts: tf.Tensor2D, caller: string): void {
  const [rows, dimension] = images.shape;
  if (texts.shape[0] === rows && texts.shape[1] === dimension) return;
  const shapes = `[${images.shape}] and [${texts.shape}]`;
  throw new VillaError("Mismatch", `${caller} needs as many texts as images, of one dimension; got ${shapes}.`);
}

/** Mean over rows of ½(lse over columns + lse over rows) - diagonal, for logits [R, R]. */
function symmetricCrossEntropy(logits: tf.Tensor2D): tf.Scalar {
  const rows = logits.shape[0];
  const loss = tf.customGrad((input, save) => {
    const z = input as tf.Tensor2D;
    const identity = tf.eye(rows);
    const logImageToText = tf.logSoftmax(z); // [R, R], each row sums to 1
    const logTextToImage = tf.logSoftmax(tf.transpose(z)); // transposed
    const matching = tf.mul(tf.add(logImageToText, logTextToImage), identity);
    const probabilities = tf.add(tf.exp(logImageToText), tf.transpose(tf.exp(logTextToImage)));
    (save as tf.GradSaveFunc)([tf.mul(tf.sub(probabilities, tf.mul(identity, 2)), 0.5 / rows)]);
    return {
      value: tf.mul(tf.sum(matching), -0.5 / rows),
      gradFunc: (dy: tf.Tensor, saved: tf.Tensor[]) => tf.mul(dy, saved[0]!),
    };
  });
  return loss(logits) as tf.Scalar;
}
