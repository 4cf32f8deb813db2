import * as tf from "@tensorflow/tfjs-core";
import { checkArgument } from "@villa/data";
import { requireMatchingRows } from "./info-nce.ts";

/**
 * SigLIP's pairwise sigmoid loss over matching rows: every image-text pair of the batch is judged on its own,
 * -log σ(z) where rows match and -log σ(-z) where they do not, summed over texts and averaged over images.
 *
 * With logits Z = I·Tᵀ/τ + b and signs Y (1 on the diagonal, -1 elsewhere) the gradient is dZ = -Y·σ(-Y·Z) / R.
 *
 * @param imageEmbeddings [R, d] float32, rows of unit length (see `l2Normalize`); row i matches text row i
 * @param textEmbeddings [R, d], rows of unit length
 * @param options `temperature`: τ > 0, or a scalar that is learned; `bias`: b, likewise
 * @returns scalar
 * @throws VillaError `Mismatch` when the shapes differ
 * @see Zhai et al., Sigmoid Loss for Language Image Pre-Training (ICCV 2023)
 */
export function sigmoidLoss(
  imageEmbeddings: tf.Tensor2D,
  textEmbeddings: tf.Tensor2D,
  options: { readonly temperature: number | tf.Scalar; readonly bias: number | tf.Scalar },
): tf.Scalar {
  checkArgument("imageEmbeddings", imageEmbeddings, "tensor2");
  checkArgument("textEmbeddings", textEmbeddings, "tensor2");
  checkArgument("options", options, { temperature: "number | tensor", bias: "number | tensor" });
  const { temperature, bias } = options;

  requireMatchingRows(imageEmbeddings, textEmbeddings, "sigmoidLoss");
  const products = tf.matMul(imageEmbeddings, textEmbeddings, false, true); // [R, R]
  return signedCrossEntropy(tf.add(tf.div(products, temperature), bias) as tf.Tensor2D);
}

/** Sum of -log σ(±z) of logits [R, R], divided by R. */
function signedCrossEntropy(logits: tf.Tensor2D): tf.Scalar {
  const rows = logits.shape[0];
  const loss = tf.customGrad((input, save) => {
    const opposed = tf.mul(input as tf.Tensor2D, tf.sub(1, tf.mul(tf.eye(rows), 2))); // -Y·Z
    (save as tf.GradSaveFunc)([opposed]);
    // softplus(x) = max(x, 0) + log(1 + e^-|x|), finite for every x
    const softplus = tf.add(tf.relu(opposed), tf.log1p(tf.exp(tf.neg(tf.abs(opposed)))));
    return {
      value: tf.div(tf.sum(softplus), rows),
      gradFunc: (dy: tf.Tensor, saved: tf.Tensor[]) => {
        const signs = tf.sub(1, tf.mul(tf.eye(rows), 2));
        return tf.mul(tf.mul(tf.sigmoid(saved[0]!), signs), tf.div(dy, rows));
      },
    };
  });
  return loss(logits) as tf.Scalar;
}
