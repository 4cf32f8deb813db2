import * as tf from "@tensorflow/tfjs-core";

/** A convolution followed by BatchNorm, by their names in the checkpoint. */
export interface ConvNorm {
  readonly conv: string;
  readonly norm: string;
  readonly stride?: 1 | 2 | undefined;
  readonly relu?: boolean | undefined;
  /** Added after BatchNorm and before ReLU: a bottleneck's shortcut. */
  readonly residual?: tf.Tensor4D | undefined;
}

/**
 * How the network's forward pass computes its layers. It is written once against this interface: training normalises
 * with batch statistics, inference uses BatchNorm folded into the convolutions.
 */
export interface VisionLayers {
  /** Convolution, BatchNorm, residual, ReLU. Kernel 3 × 3 (padding 1) or 1 × 1, as the weights say. */
  convNorm(input: tf.Tensor4D, names: ConvNorm): tf.Tensor4D;
  /** Only the linear part, [n, h, w, in] → [n, h, w, out] with the scale of BatchNorm if that is folded. */
  convOnly(input: tf.Tensor4D, conv: string): tf.Tensor4D;
  /** What is left of BatchNorm after {@link convOnly}. */
  normOnly(input: tf.Tensor4D, names: ConvNorm): tf.Tensor4D;
  /** A weight outside of convolutions and BatchNorm. */
  parameter(name: string): tf.Tensor;
}

/**
 * Convolution with PyTorch's padding of (size − 1) / 2. A 1 × 1 convolution is a plain matrix product.
 *
 * @param filter [size, size, in, out]
 * @param bias [out]
 */
export function convolve(
  input: tf.Tensor4D,
  filter: tf.Tensor4D,
  {
    stride = 1,
    bias,
    relu = false,
  }: { stride?: 1 | 2 | undefined; bias?: tf.Tensor1D | undefined; relu?: boolean | undefined } = {},
): tf.Tensor4D {
  const [size, , inputs, outputs] = filter.shape;
  const activation = relu ? "relu" : "linear";
  if (size === 1 && stride === 1) {
    const [batch, height, width] = input.shape;
    const a = tf.reshape(input, [batch * height * width, inputs]);
    const b = tf.reshape(filter, [inputs, outputs]);
    const product = bias ? tf.fused.matMul({ a, b, bias, activation }) : tf.matMul(a, b);
    return tf.reshape(product, [batch, height, width, outputs]);
  }
  const pad = (size - 1) / 2;
  if (bias) return tf.fused.conv2d({ x: input, filter, strides: stride, pad, bias, activation }) as tf.Tensor4D;
  return tf.conv2d(input, filter, stride, pad);
}
