import { VillaError } from "../../errors.ts";
import type { Allowance } from "../limits.ts";
import type { ComplexArray } from "../numpy/array.ts";
import { isPickleGlobal } from "../pickle/globals.ts";
import { decodeElements, encodeElements, isTensorData, type TensorData, toFloat32 } from "../tensor.ts";
import type { RebuildOptions } from "./storage.ts";
import { type ElementType, UnsupportedTensor } from "./types.ts";

/**
 * The tensor with every value negated, which is what a view with torch's "neg" bit means; with `imaginaryOnly` the
 * complex conjugate ("conj" bit).
 */
export function negate<T extends TensorData | ComplexArray>(
  tensor: T,
  allowance: Allowance,
  { imaginaryOnly = false }: { imaginaryOnly?: boolean | undefined } = {},
): T {
  allowance.take(tensor.data.byteLength, "A tensor");
  const { dtype } = tensor;
  const data = tensor.data.slice();
  const step = imaginaryOnly ? 2 : 1;
  const first = imaginaryOnly ? 1 : 0;
  if (dtype === "bool") throw new VillaError("InvalidFile", "The torch file has a negated tensor of booleans.");
  if (data instanceof Uint16Array && dtype !== "uint16") for (let i = 0; i < data.length; i++) data[i]! ^= 0x8000;
  else if (data instanceof Uint8Array && dtype.startsWith("float8"))
    for (let i = 0; i < data.length; i++) data[i]! ^= 128;
  else for (let i = first; i < data.length; i += step) data[i] = -data[i]! as never;
  return { ...tensor, data };
}

/**
 * A quantised tensor as float32, as `tensor.dequantize()` gives: (value − zero point) · scale.
 *
 * @param quantizer (scheme, scale, zero point) or (scheme, scales, zero points, axis)
 */
export function dequantize(
  stored: TensorData,
  quantizer: readonly unknown[],
  allowance: Allowance,
): TensorData | UnsupportedTensor {
  const malformed = () => new VillaError("InvalidFile", "The torch file has a quantised tensor without its scale.");
  const scheme = isPickleGlobal(quantizer[0]) ? quantizer[0].name : "";
  const { shape, data } = stored;
  allowance.take(4 * data.length, "A tensor");
  const out = new Float32Array(data.length);
  if (scheme === "torch.per_tensor_affine" && quantizer.length === 3) {
    const [, scale, zero] = quantizer;
    if (typeof scale !== "number" || typeof zero !== "number") throw malformed();
    const factor = Math.fround(scale);
    for (let i = 0; i < out.length; i++) out[i] = Math.fround((data[i] as number) - zero) * factor;
    return { dtype: "float32", shape, data: out };
  }
  const isPerChannel = scheme === "torch.per_channel_affine" || scheme === "torch.per_channel_affine_float_qparams";
  if (!isPerChannel || quantizer.length !== 4) {
    if (scheme.startsWith("torch.per_")) return new UnsupportedTensor(`a tensor quantised by ${scheme}`);
    throw malformed();
  }
  const [, scales, zeros, axis] = quantizer;
  const channels = typeof axis === "number" ? shape[axis] : undefined;
  if (channels === undefined || !isTensorData(scales) || !isTensorData(zeros)) throw malformed();
  const [factors, offsets] = [toFloat32(scales), toFloat32(zeros)];
  if (factors.length !== channels || offsets.length !== channels) throw malformed();
  const inner = shape.slice((axis as number) + 1).reduce((product, side) => product * side, 1);
  for (let i = 0; i < out.length; i++) {
    const channel = Math.floor(i / inner) % channels;
    out[i] = Math.fround((data[i] as number) - offsets[channel]!) * factors[channel]!;
  }
  return { dtype: "float32", shape, data: out };
}

/** The same values as another type: what `tensor.to(dtype)` gives for floats of any width. */
export function convertTo(
  tensor: TensorData,
  { stored, name, kind }: ElementType,
  { raw, allowance }: RebuildOptions,
): TensorData | UnsupportedTensor {
  if (stored === undefined || kind !== "plain") return new UnsupportedTensor(`a tensor of type ${name}`);
  if (stored === tensor.dtype) return tensor;
  const { shape, data } = tensor;
  allowance.take(8 * data.length, "A tensor");
  const isFloat = (type: string) => type.includes("float");
  if (!isFloat(stored) || !isFloat(tensor.dtype)) {
    return new UnsupportedTensor(`a tensor of type ${name} saved as ${tensor.dtype}`);
  }
  if (stored === "float64") return { dtype: stored, shape, data: Float64Array.from(toFloat32(tensor)) };
  // Through the file's form: that rounds.
  const bytes = encodeElements({ dtype: stored, shape, data: toFloat32(tensor) });
  return decodeElements(bytes, stored, shape, { raw });
}
