import * as tf from "@tensorflow/tfjs-core";

/** Products, convolutions and pools. */
export const productGradients: readonly tf.GradConfig[] = [
  {
    kernelName: tf.BatchMatMul,
    inputsToSave: ["a", "b"],
    gradFunc: (gradient, saved, attrs) => {
      const dy = gradient as tf.Tensor;
      const [a, b] = saved as [tf.Tensor, tf.Tensor];
      const transposeA = attrs.transposeA as boolean;
      const transposeB = attrs.transposeB as boolean;
      // Each line is the textbook dA = dY·Bᵀ, dB = Aᵀ·dY with the operands' own transpositions pushed into the flags.
      return {
        a: () => unbatch(transposeA ? tf.matMul(b, dy, transposeB, true) : tf.matMul(dy, b, false, !transposeB), a),
        b: () => unbatch(transposeB ? tf.matMul(dy, a, true, transposeA) : tf.matMul(a, dy, !transposeA, false), b),
      };
    },
  },
  {
    kernelName: tf.Conv2D,
    inputsToSave: ["x", "filter"],
    gradFunc: (dy, saved, attrs) => {
      const [x, filter] = saved as [tf.Tensor4D, tf.Tensor4D];
      return {
        x: () => convKernel(tf.Conv2DBackpropInput, { dy: dy as tf.Tensor, filter }, { ...attrs, inputShape: x.shape }),
        filter: () =>
          convKernel(tf.Conv2DBackpropFilter, { x, dy: dy as tf.Tensor }, { ...attrs, filterShape: filter.shape }),
      };
    },
  },
  {
    kernelName: tf.Conv2DBackpropInput,
    inputsToSave: ["dy", "filter"],
    gradFunc: (ddx, saved, attrs) => {
      const [dy, filter] = saved as [tf.Tensor4D, tf.Tensor4D];
      return {
        dy: () => convKernel(tf.Conv2D, { x: ddx as tf.Tensor, filter }, { ...attrs, dilations: 1 }),
        filter: () =>
          convKernel(tf.Conv2DBackpropFilter, { x: ddx as tf.Tensor, dy }, { ...attrs, filterShape: filter.shape }),
      };
    },
  },
  {
    kernelName: tf.AvgPool,
    inputsToSave: ["x"],
    gradFunc: (dy, saved, attrs) => ({
      x: () => convKernel(tf.AvgPoolGrad, { dy: dy as tf.Tensor, input: saved[0]! }, attrs),
    }),
  },
  {
    kernelName: tf.MaxPool,
    inputsToSave: ["x"],
    outputsToSave: [true],
    gradFunc: (dy, saved, attrs) => {
      const [input, output] = saved as [tf.Tensor, tf.Tensor];
      return { x: () => convKernel(tf.MaxPoolGrad, { dy: dy as tf.Tensor, input, output }, attrs) };
    },
  },
];

function convKernel(kernelName: string, inputs: Record<string, tf.Tensor>, attrs: tf.NamedAttrMap): tf.Tensor {
  return tf.engine().runKernel(kernelName, inputs, attrs) as tf.Tensor;
}

/** Sums over batch axes that `matMul` had broadcast. */
function unbatch(gradient: tf.Tensor, operand: tf.Tensor): tf.Tensor {
  if (tf.util.arraysEqual(gradient.shape, operand.shape)) return gradient;
  const axes = tf.broadcast_util.getReductionAxes(operand.shape, gradient.shape);
  return tf.reshape(tf.sum(gradient, axes), operand.shape);
}
