import type * as tf from "@tensorflow/tfjs-core";

/** TF.js calls tfjs-node's backend this, whichever package brings it. */
export const tensorFlowBackend = "tensorflow";

/** The backend of tfjs-node, as far as it is used here. */
export interface NodeKernelBackend extends tf.KernelBackend {
  readonly isUsingGpuDevice: boolean;
  readonly binding: TensorFlowBinding;
  /** Values stay in this process's memory until the first operation needs them; after that they are null. */
  readonly tensorMap: { get(dataId: tf.DataId): { readonly values: ArrayLike<number> | null } | undefined };
  /** TensorFlow's code for the type of a tensor's values. */
  typeAttributeFromTensor(tensor: tf.TensorInfo): number;
  executeSingleOutput(name: string, attributes: readonly OpAttribute[], inputs: readonly tf.TensorInfo[]): tf.Tensor;
  applyActivation(input: tf.Tensor, activation: string, prelu?: tf.TensorInfo, leakyAlpha?: number): tf.Tensor;
}

/** The compiled binding: constants of TensorFlow's C interface, and what the backend calls. */
export interface TensorFlowBinding {
  readonly TF_Version: string;
  readonly TF_FLOAT: number;
  readonly TF_ATTR_INT: number;
  readonly TF_ATTR_STRING: number;
  readonly TF_ATTR_BOOL: number;
  readonly TF_ATTR_TYPE: number;
  isUsingGpuDevice(): boolean;
}

/** An attribute of a TensorFlow operation. */
export interface OpAttribute {
  readonly name: string;
  readonly type: number;
  readonly value: unknown;
}

/** What a repaired kernel gets: its operands, its attributes, the backend, and tfjs-node's own kernel. */
export interface TensorFlowCall {
  readonly inputs: tf.NamedTensorInfoMap;
  readonly attrs: tf.NamedAttrMap;
  readonly backend: NodeKernelBackend;
  /** Runs the kernel being replaced. */
  stock(): tf.TensorInfo;
}

export type TensorFlowKernel = (call: TensorFlowCall) => tf.TensorInfo;
