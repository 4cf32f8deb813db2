import * as tf from "@tensorflow/tfjs-core";
import { type ConvInfo, convInfo } from "../../convolution.ts";
import type { HeapBackend } from "../heap-backend.ts";
import type { Workspace } from "../workspace.ts";
import { input, type KernelCall, type Override, sizeOf } from "./register.ts";
import { paysByWinograd, winogradFilterGradient, winogradForward } from "./winograd.ts";

/** Values of one chunk of patch rows: large enough to amortise packing the weights, small enough to stay in cache. */
const chunk = 1 << 21;
/** Limits of a chunk of the filter gradient, which reads and writes the whole gradient once per chunk. */
const gradientChunks = [1 << 20, 1 << 24] as const;

export function registerConvolutions(override: Override): void {
  override("Conv2D", (call) => forward(call));
  override("FusedConv2D", fusedForward);
  override("Conv2DBackpropInput", inputGradient);
  override("Conv2DBackpropFilter", filterGradient);
}

/** A filter of one pixel at every pixel: the convolution is a product of [B·H·W, C] with [C, O]. */
function isProduct(info: ConvInfo): boolean {
  const { filterHeight, filterWidth, strideHeight, strideWidth, padInfo } = info;
  const padded = padInfo.top || padInfo.bottom || padInfo.left || padInfo.right;
  return filterHeight === 1 && filterWidth === 1 && strideHeight === 1 && strideWidth === 1 && !padded;
}

function patchParameters(space: Workspace, info: ConvInfo): number {
  return space.parameters(
    info.inHeight,
    info.inWidth,
    info.inChannels,
    info.outHeight,
    info.outWidth,
    info.filterHeight,
    info.filterWidth,
    info.strideHeight,
    info.strideWidth,
    info.padInfo.top,
    info.padInfo.left,
    info.dilationHeight,
    info.dilationWidth,
  );
}

/** Splits the B·outH output rows into chunks whose patches hold about `size` values. */
function* chunks(
  info: ConvInfo,
  size = chunk,
): Generator<{ from: number; to: number; pixels: number; offset: number }> {
  const rows = info.batchSize * info.outHeight;
  const patch = info.filterHeight * info.filterWidth * info.inChannels;
  const step = Math.max(1, Math.min(rows, Math.floor(size / (patch * info.outWidth))));
  for (let from = 0; from < rows; from += step) {
    const to = Math.min(rows, from + step);
    yield { from, to, pixels: (to - from) * info.outWidth, offset: from * info.outWidth };
  }
}

function largestChunk(info: ConvInfo, size = chunk): number {
  const first = chunks(info, size).next().value;
  return first ? first.pixels : 0;
}

function fusedForward(call: KernelCall): tf.TensorInfo | undefined {
  const { activation } = call.attrs;
  if (activation && activation !== "linear" && activation !== "relu") return undefined;
  return forward(call, activation === "relu");
}

function forward({ backend, inputs, attrs, space }: KernelCall, relu = false): tf.TensorInfo | undefined {
  const x = input(inputs, "x");
  const filter = input(inputs, "filter");
  const bias = inputs.bias as tf.TensorInfo | undefined;
  const info = convInfo(x.shape, filter.shape, attrs);
  if (!info || x.dtype !== "float32" || filter.dtype !== "float32" || sizeOf(x) === 0) return undefined;
  if (bias && sizeOf(bias) !== info.outChannels) return undefined;
  const weights = backend.valuesOf(filter) as Float32Array;
  const c = bias ? { data: backend.valuesOf(bias) as Float32Array, dims: [info.outChannels] } : undefined;
  const patch = info.filterHeight * info.filterWidth * info.inChannels;
  const w = { data: weights, dims: [patch, info.outChannels] };
  const values = space.floats(tf.util.sizeFromShape(info.outShape));
  if (isProduct(info)) {
    const pixels = sizeOf(x) / info.inChannels;
    const a = { data: backend.valuesOf(x) as Float32Array, dims: [pixels, info.inChannels] };
    backend.products.multiply(space, { a, b: w, y: { data: values, dims: [pixels, info.outChannels] }, c }, { relu });
  } else if (paysByWinograd(info) && backend.inHeap(values)) {
    const y = values.byteOffset;
    const at = { x: space.pointer(x), filter: weights, y, bias: bias ? space.pointer(bias) : 0, relu };
    winogradForward(backend, space, info, at);
  } else {
    const xAt = space.pointer(x);
    const parameters = patchParameters(space, info);
    const columns = space.scratch(largestChunk(info) * patch);
    for (const { from, to, pixels, offset } of chunks(info)) {
      space.simd.im2col(columns, xAt, from, to, parameters);
      const y = values.subarray(offset * info.outChannels, (offset + pixels) * info.outChannels);
      const a = { data: space.view(columns, pixels * patch), dims: [pixels, patch] };
      backend.products.multiply(space, { a, b: w, y: { data: y, dims: [pixels, info.outChannels] }, c }, { relu });
    }
  }
  return backend.tensor(info.outShape, values);
}

/** dW = patches(x)ᵀ · dy, chunk by chunk onto the same [kh·kw·I, O] result. */
function filterGradient({ backend, inputs, attrs, space }: KernelCall): tf.TensorInfo | undefined {
  const x = input(inputs, "x");
  const dy = input(inputs, "dy");
  const filterShape = attrs.filterShape as number[];
  const info = convInfo(x.shape, filterShape, attrs);
  if (!info || x.dtype !== "float32" || dy.dtype !== "float32" || sizeOf(dy) === 0) return undefined;
  const patch = info.filterHeight * info.filterWidth * info.inChannels;
  const outputs = info.outChannels;
  const dyValues = backend.valuesOf(dy) as Float32Array;
  const values = space.floats(patch * outputs);
  const result = { data: values, dims: [patch, outputs] };
  if (isProduct(info)) {
    const pixels = sizeOf(x) / info.inChannels;
    const a = { data: backend.valuesOf(x) as Float32Array, dims: [pixels, patch] };
    backend.products.multiply(
      space,
      { a, b: { data: dyValues, dims: [pixels, outputs] }, y: result },
      { transposeA: true },
    );
    return backend.tensor(filterShape, values);
  }
  if (paysByWinograd(info)) {
    winogradFilterGradient(backend, space, info, { x: space.pointer(x), dy: space.pointer(dy), gradient: values });
    return backend.tensor(filterShape, values);
  }
  const [smallest, largest] = gradientChunks;
  const size = Math.min(largest, Math.max(smallest, 4 * patch * outputs));
  const xAt = space.pointer(x);
  const parameters = patchParameters(space, info);
  const columns = space.scratch(largestChunk(info, size) * patch);
  for (const { from, to, pixels, offset } of chunks(info, size)) {
    space.simd.im2col(columns, xAt, from, to, parameters);
    const a = { data: space.view(columns, pixels * patch), dims: [pixels, patch] };
    const b = { data: dyValues.subarray(offset * outputs, (offset + pixels) * outputs), dims: [pixels, outputs] };
    backend.products.multiply(space, { a, b, y: result, c: from === 0 ? undefined : result }, { transposeA: true });
  }
  return backend.tensor(filterShape, values);
}

function inputGradient({ backend, inputs, attrs, space }: KernelCall): tf.TensorInfo | undefined {
  const dy = input(inputs, "dy");
  const filter = input(inputs, "filter");
  const inputShape = attrs.inputShape as number[];
  const info = convInfo(inputShape, filter.shape, attrs);
  if (!info || dy.dtype !== "float32" || filter.dtype !== "float32" || sizeOf(dy) === 0) return undefined;
  const values = space.floats(tf.util.sizeFromShape(inputShape));
  const patch = info.filterHeight * info.filterWidth * info.inChannels;
  if (isProduct(info)) {
    const pixels = sizeOf(dy) / info.outChannels;
    const a = { data: backend.valuesOf(dy) as Float32Array, dims: [pixels, info.outChannels] };
    const w = { data: backend.valuesOf(filter) as Float32Array, dims: [patch, info.outChannels] };
    backend.products.multiply(space, { a, b: w, y: { data: values, dims: [pixels, patch] } }, { transposeB: true });
  } else if (info.strideHeight === 1 && info.strideWidth === 1) {
    asForward(backend, space, info, dy, filter, values);
  } else {
    spreadColumns(backend, space, info, dy, filter, values);
  }
  return backend.tensor(inputShape, values);
}

/** Stride 1: the gradient is a convolution of dy with the filter turned by 180° and its channels exchanged. */
function asForward(
  backend: HeapBackend,
  space: Workspace,
  info: ConvInfo,
  dy: tf.TensorInfo,
  filter: tf.TensorInfo,
  values: Float32Array,
): void {
  const { filterHeight: kh, filterWidth: kw, inChannels: I, outChannels: O } = info;
  const turned = space.scratch(kh * kw * I * O);
  const last = (kh * kw - 1) * I * O;
  // turned[kh-1-y, kw-1-x, o, i] = filter[y, x, i, o]: taps backwards, [I, O] -> [O, I]
  const turn = space.parameters(1, 1, kh * kw, O, I, 0, 0, I * O, I, 1, 0, 0, -(I * O), 1, O);
  space.simd.stridedCopy(turned, space.pointer(filter) + last * 4, turn);
  const backward: ConvInfo = {
    ...info,
    inHeight: info.outHeight,
    inWidth: info.outWidth,
    inChannels: O,
    outHeight: info.inHeight,
    outWidth: info.inWidth,
    outChannels: I,
    padInfo: {
      ...info.padInfo,
      top: (kh - 1) * info.dilationHeight - info.padInfo.top,
      left: (kw - 1) * info.dilationWidth - info.padInfo.left,
    },
  };
  if (paysByWinograd(backward) && backend.inHeap(values)) {
    const turnedFilter = space.view(turned, kh * kw * I * O);
    const [x, y] = [space.pointer(dy), values.byteOffset];
    winogradForward(backend, space, backward, { x, filter: turnedFilter, y, bias: 0, relu: false });
    return;
  }
  const patch = kh * kw * O;
  const w = { data: space.view(turned, patch * I), dims: [patch, I] };
  const dyAt = space.pointer(dy);
  const parameters = patchParameters(space, backward);
  const columns = space.scratch(largestChunk(backward) * patch);
  for (const { from, to, pixels, offset } of chunks(backward)) {
    space.simd.im2col(columns, dyAt, from, to, parameters);
    const a = { data: space.view(columns, pixels * patch), dims: [pixels, patch] };
    backend.products.multiply(
      space,
      { a, b: w, y: { data: values.subarray(offset * I, (offset + pixels) * I), dims: [pixels, I] } },
      {},
    );
  }
}

/** Any stride: gradients of the patches, dy · Wᵀ, added back where the patches came from. */
function spreadColumns(
  backend: HeapBackend,
  space: Workspace,
  info: ConvInfo,
  dy: tf.TensorInfo,
  filter: tf.TensorInfo,
  values: Float32Array,
): void {
  const outputs = info.outChannels;
  const patch = info.filterHeight * info.filterWidth * info.inChannels;
  const w = { data: backend.valuesOf(filter) as Float32Array, dims: [patch, outputs] };
  const dyValues = backend.valuesOf(dy) as Float32Array;
  const inHeap = backend.inHeap(values);
  const dxAt = inHeap ? values.byteOffset : space.scratch(values.length);
  space.simd.fill(dxAt, values.length, 0);
  const parameters = patchParameters(space, info);
  const columns = space.scratch(largestChunk(info) * patch);
  for (const { from, to, pixels, offset } of chunks(info)) {
    const a = { data: dyValues.subarray(offset * outputs, (offset + pixels) * outputs), dims: [pixels, outputs] };
    const y = { data: space.view(columns, pixels * patch), dims: [pixels, patch] };
    backend.products.multiply(space, { a, b: w, y }, { transposeB: true });
    space.simd.col2im(dxAt, columns, from, to, parameters);
  }
  if (!inHeap) values.set(space.view(dxAt, values.length));
}
