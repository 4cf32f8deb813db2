import * as tf from "@tensorflow/tfjs-core";
import type { NodeKernelBackend, OpAttribute, TensorFlowKernel } from "./backend.ts";

type ConvInfo = tf.backend_util.Conv2DInfo;
type Shape4 = [number, number, number, number];

/**
 * Convolutions and their gradients with the padding given as a number or for each side. tfjs-node refuses both, or one of
 * them, though TensorFlow has had explicit paddings since 1.14; "same" and "valid" go to its own kernels.
 */
export const convolutionKernels: Readonly<Record<string, TensorFlowKernel>> = {
  Conv2D: forward("Conv2D", false),
  DepthwiseConv2dNative: forward("DepthwiseConv2dNative", true),
  FusedConv2D: fused("Conv2D"),
  FusedDepthwiseConv2D: fused("DepthwiseConv2dNative"),
  Conv2DBackpropFilter: filterGradient("Conv2DBackpropFilter", false),
  DepthwiseConv2dNativeBackpropFilter: filterGradient("DepthwiseConv2dNativeBackpropFilter", true),
  Conv2DBackpropInput: inputGradient("Conv2DBackpropInput", false),
  DepthwiseConv2dNativeBackpropInput: inputGradient("DepthwiseConv2dNativeBackpropInput", true),
};

function forward(name: string, depthwise: boolean): TensorFlowKernel {
  return (call) => {
    if (isNamed(call.attrs.pad)) return call.stock();
    const { x, filter } = call.inputs;
    const info = convInfo(x!.shape, filter!.shape, call.attrs, depthwise);
    return call.backend.executeSingleOutput(name, attributes(call.backend, info), [x!, filter!]);
  };
}

function fused(name: string): TensorFlowKernel {
  return ({ inputs, attrs, backend, stock }) => {
    if (isNamed(attrs.pad)) return stock();
    return tf.tidy(() => {
      const { x, filter, bias, preluActivationWeights } = inputs as Record<string, tf.Tensor | undefined>;
      const y: tf.Tensor = tf.engine().runKernel(name, { x: x!, filter: filter! }, attrs);
      const biased = bias ? tf.add(y, bias) : y;
      const { activation, leakyreluAlpha } = attrs as { activation: string; leakyreluAlpha?: number };
      return backend.applyActivation(biased, activation, preluActivationWeights, leakyreluAlpha);
    });
  };
}

function filterGradient(name: string, depthwise: boolean): TensorFlowKernel {
  return (call) => {
    if (isNamed(call.attrs.pad)) return call.stock();
    const { x, dy } = call.inputs;
    const filterShape = call.attrs.filterShape as number[];
    const info = convInfo(x!.shape, filterShape, call.attrs, depthwise);
    return withShape(filterShape, (sizes) =>
      call.backend.executeSingleOutput(name, attributes(call.backend, info), [x!, sizes, dy!]),
    );
  };
}

function inputGradient(name: string, depthwise: boolean): TensorFlowKernel {
  return (call) => {
    if (isNamed(call.attrs.pad)) return call.stock();
    const { dy, filter } = call.inputs;
    const inputShape = call.attrs.inputShape as number[];
    const info = convInfo(inputShape, filter!.shape, call.attrs, depthwise);
    return withShape(inputShape, (sizes) =>
      call.backend.executeSingleOutput(name, attributes(call.backend, info), [sizes, filter!, dy!]),
    );
  };
}

/** "same" and "valid" are names; numbers and lists are not. */
function isNamed(pad: unknown): boolean {
  return typeof pad === "string";
}

function convInfo(inputShape: number[], filterShape: number[], attrs: tf.NamedAttrMap, depthwise: boolean): ConvInfo {
  return tf.backend_util.computeConv2DInfo(
    inputShape as Shape4,
    filterShape as Shape4,
    attrs.strides as [number, number],
    (attrs.dilations as [number, number] | undefined) ?? 1,
    attrs.pad as number,
    attrs.dimRoundingMode as "floor" | undefined,
    depthwise,
    attrs.dataFormat === "NCHW" ? "channelsFirst" : "channelsLast",
  );
}

function attributes({ binding }: NodeKernelBackend, info: ConvInfo): OpAttribute[] {
  const { top, bottom, left, right } = info.padInfo;
  const channelsFirst = info.dataFormat === "channelsFirst";
  const spatial = (values: number[], outer: number[]) =>
    channelsFirst ? [...outer, ...outer, ...values] : [...outer, ...values, ...outer];
  const list = (name: string, value: number[]) => ({ name, type: binding.TF_ATTR_INT, value });
  return [
    { name: "T", type: binding.TF_ATTR_TYPE, value: binding.TF_FLOAT },
    { name: "padding", type: binding.TF_ATTR_STRING, value: "EXPLICIT" },
    { name: "data_format", type: binding.TF_ATTR_STRING, value: channelsFirst ? "NCHW" : "NHWC" },
    list("strides", spatial([info.strideHeight, info.strideWidth], [1])),
    list("dilations", spatial([info.dilationHeight, info.dilationWidth], [1])),
    list("explicit_paddings", spatial([top, bottom, left, right], [0, 0])),
  ];
}

/** Gradients take the shape they are to have as a tensor. */
function withShape(shape: number[], run: (sizes: tf.Tensor) => tf.Tensor): tf.Tensor {
  const sizes = tf.tensor1d(shape, "int32");
  const result = run(sizes);
  sizes.dispose();
  return result;
}
