import type * as tf from "@tensorflow/tfjs-core";
import type { GeluKind } from "../../../ops/gelu.ts";
import { geluKind } from "../simd-module.ts";
import { input, type KernelCall, type Override, onFloats, sizeOf } from "./register.ts";

/** What transformer blocks are made of besides products: with their derivatives, each in one pass over its operands. */
export function registerTransformerParts(override: Override): void {
  override("VillaLayerNormGrad", onFloats(["dy", "x", "gamma"], layerNormGrad));
  override("VillaGelu", onFloats(["x"], gelu));
  override("VillaGeluSlope", onFloats(["x"], geluSlope));
}

function layerNormGrad({ inputs, attrs, space }: KernelCall): tf.TensorInfo[] {
  const [dy, x, gamma] = ["dy", "x", "gamma"].map((name) => input(inputs, name)) as [
    tf.TensorInfo,
    tf.TensorInfo,
    tf.TensorInfo,
  ];
  const [rows, channels] = x.shape as [number, number];
  const dx = space.output(x.shape);
  const dgamma = space.output([channels]);
  const dbeta = space.output([channels]);
  const [dyAt, xAt, gammaAt] = [space.pointer(dy), space.pointer(x), space.pointer(gamma)];
  const scratch = space.scratch(2 * channels);
  const epsilon = attrs.epsilon as number;
  space.simd.layerNormGrad(dx.at, dgamma.at, dbeta.at, dyAt, xAt, gammaAt, 0, scratch, rows, channels, epsilon);
  return [dx.info, dgamma.info, dbeta.info];
}

function gelu({ inputs, attrs, space }: KernelCall): tf.TensorInfo {
  const x = input(inputs, "x");
  const y = space.output(x.shape);
  const slope = space.scratch(sizeOf(x));
  space.simd.geluSlope(y.at, slope, space.pointer(x), sizeOf(x), geluKind[attrs.kind as GeluKind]);
  return y.info;
}

function geluSlope({ inputs, attrs, space }: KernelCall): tf.TensorInfo[] {
  const x = input(inputs, "x");
  const y = space.output(x.shape);
  const slope = space.output(x.shape);
  space.simd.geluSlope(y.at, slope.at, space.pointer(x), sizeOf(x), geluKind[attrs.kind as GeluKind]);
  return [y.info, slope.info];
}
