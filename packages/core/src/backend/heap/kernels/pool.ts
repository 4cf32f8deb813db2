import * as tf from "@tensorflow/tfjs-core";
import type { Workspace } from "../workspace.ts";
import { input, type KernelCall, type Override, onFloats, sizeOf } from "./register.ts";

export function registerPooling(override: Override): void {
  override("AvgPool", onFloats(["x"], averagePool));
  override("AvgPoolGrad", onFloats(["dy"], averagePoolGradient));
  override("VillaAvgPoolGrad", onFloats(["dy"], nonOverlappingGradient));
}

interface Window {
  readonly image: readonly number[];
  readonly pooled: readonly number[];
  readonly size: readonly [number, number];
  readonly stride: readonly [number, number];
  readonly pad: readonly [number, number];
}

function poolWindow(shape: number[], attrs: tf.NamedAttrMap): Window {
  const info = tf.backend_util.computePool2DInfo(
    shape as [number, number, number, number],
    attrs.filterSize as [number, number],
    attrs.strides as [number, number],
    1,
    attrs.pad as number,
    attrs.dimRoundingMode as "floor" | undefined,
  );
  return {
    image: shape,
    pooled: info.outShape,
    size: [info.filterHeight, info.filterWidth],
    stride: [info.strideHeight, info.strideWidth],
    pad: [info.padInfo.top, info.padInfo.left],
  };
}

function parameters(space: Workspace, { image, pooled, size, stride, pad }: Window): number {
  const [batch, height, width, channels] = image as [number, number, number, number];
  const [, outHeight, outWidth] = pooled as [number, number, number];
  return space.parameters(batch, height, width, channels, outHeight, outWidth, ...size, ...stride, ...pad);
}

function averagePool({ inputs, attrs, space }: KernelCall): tf.TensorInfo | undefined {
  const x = input(inputs, "x");
  const window = poolWindow(x.shape, attrs);
  if (tf.util.sizeFromShape([...window.pooled]) === 0) return undefined;
  const y = space.output(window.pooled);
  space.simd.averagePool(y.at, space.pointer(x), parameters(space, window), 0);
  return y.info;
}

function averagePoolGradient({ inputs, attrs, space }: KernelCall): tf.TensorInfo {
  return spread(space, input(inputs, "dy"), poolWindow(input(inputs, "input").shape, attrs));
}

function nonOverlappingGradient({ inputs, attrs, space }: KernelCall): tf.TensorInfo {
  const dy = input(inputs, "dy");
  const size = attrs.size as number;
  const image = [dy.shape[0]!, attrs.height as number, attrs.width as number, dy.shape[3]!];
  return spread(space, dy, { image, pooled: dy.shape, size: [size, size], stride: [size, size], pad: [0, 0] });
}

function spread(space: Workspace, dy: tf.TensorInfo, window: Window): tf.TensorInfo {
  const dx = space.output(window.image);
  space.simd.fill(dx.at, sizeOf({ ...dy, shape: [...window.image] }), 0);
  space.simd.averagePool(space.pointer(dy), dx.at, parameters(space, window), 1);
  return dx.info;
}
