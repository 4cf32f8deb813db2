import { MathBackendCPU } from "@tensorflow/tfjs-backend-cpu";
import type { BackendValues, DataType, TensorInfo, TypedArray } from "@tensorflow/tfjs-core";
import { type Heap, HeapFullError } from "./heap.ts";
import type { ProductEngine } from "./products.ts";

type DataId = object;

/** Below this many values a tensor stays an ordinary array: copying it into the heap costs less than a block. */
const smallTensor = 64;
/** Bytes from which a forgotten tensor's block is worth the cost of watching for its collection. */
const watched = 1 << 16;

/**
 * TF.js's cpu backend with float32 tensors in a WebAssembly heap, where vector kernels and what multiplies matrices both
 * reach them without copies. Small tensors, and those that no longer fit, stay ordinary arrays; every kernel takes both.
 */
export class HeapBackend extends MathBackendCPU {
  readonly heap: Heap;
  readonly products: ProductEngine;
  static #ids = 0;
  /** Frees the blocks of tensors that were collected without being disposed of, as ordinary arrays would be. */
  readonly #collected = new FinalizationRegistry<number>((offset) => this.heap.free(offset));
  /** Blocks handed out by `floats` that no tensor has claimed yet. */
  readonly #unclaimed = new Set<number>();

  constructor(products: ProductEngine, heap: Heap) {
    super();
    this.products = products;
    this.heap = heap;
  }

  /** Values for a new float32 tensor, contents undefined: in the heap, or an ordinary array when it is small or full. */
  floats(length: number): Float32Array {
    if (length < smallTensor) return new Float32Array(length);
    try {
      const values = this.heap.floats(length);
      this.#unclaimed.add(values.byteOffset);
      return values;
    } catch (error) {
      if (error instanceof HeapFullError) return new Float32Array(length);
      throw error;
    }
  }

  /** A new tensor over values from `floats` (or any other array). */
  tensor(shape: readonly number[], values: Float32Array, dtype: DataType = "float32"): TensorInfo {
    return this.makeTensorInfo([...shape], dtype, values);
  }

  /** Gives values from `floats` back that no tensor claimed. */
  drop(values: Float32Array): void {
    if (this.inHeap(values) && this.#unclaimed.delete(values.byteOffset)) this.heap.free(values.byteOffset);
  }

  inHeap(values: unknown): boolean {
    return ArrayBuffer.isView(values) && values.buffer === this.heap.buffer;
  }

  /** A tensor's values, not copied. */
  valuesOf(info: TensorInfo): TypedArray {
    return this.data.get(info.dataId).values as TypedArray;
  }

  override write(values: BackendValues, _shape: number[], dtype: DataType): DataId {
    const dataId = { id: HeapBackend.#ids++ };
    this.#store(dataId, values, dtype, 1);
    return dataId;
  }

  override move(dataId: DataId, values: BackendValues, _shape: number[], dtype: DataType, refCount: number): void {
    this.#store(dataId, values, dtype, refCount);
  }

  override readSync(dataId: DataId): BackendValues {
    const values = super.readSync(dataId);
    // A view on the heap would show other tensors once this one is disposed of.
    return this.inHeap(values) ? (values as TypedArray).slice() : values;
  }

  override async read(dataId: DataId): Promise<BackendValues> {
    return this.readSync(dataId);
  }

  override disposeData(dataId: DataId, force = false): boolean {
    const values = this.data.has(dataId) ? this.data.get(dataId).values : undefined;
    const released = super.disposeData(dataId, force);
    if (released && this.inHeap(values)) {
      const { byteOffset, byteLength } = values as TypedArray;
      this.heap.free(byteOffset);
      if (byteLength >= watched) this.#collected.unregister(dataId);
    }
    return released;
  }

  override memory(): { unreliable: boolean; reasons: string[] } {
    return { unreliable: false, reasons: [] };
  }

  override dispose(): void {
    this.#unclaimed.clear();
  }

  #store(dataId: DataId, given: BackendValues, dtype: DataType, refCount: number): void {
    const values = this.#adopt(given);
    this.data.set(dataId, { values, dtype, refCount });
    if (this.inHeap(values)) {
      const { byteOffset, byteLength } = values as TypedArray;
      if (byteLength >= watched) this.#collected.register(dataId, byteOffset, dataId);
    }
  }

  /**
   * Makes the values the tensor's own. A block from `floats` becomes the tensor's. Float32 values from elsewhere (a caller's
   * array, a stock kernel's result, a slice of the heap taken without copying) are copied into the heap once, instead of at
   * every use. Shared memory, which ONNX Runtime refuses, is always copied.
   */
  #adopt(values: BackendValues): BackendValues {
    if (!ArrayBuffer.isView(values)) return values;
    const array = values as TypedArray;
    if (this.inHeap(array) && this.#unclaimed.delete(array.byteOffset)) return array;
    if (array instanceof Float32Array && array.length >= smallTensor) {
      const own = this.floats(array.length);
      own.set(array);
      this.#unclaimed.delete(own.byteOffset);
      return own;
    }
    return this.inHeap(array) || !(array.buffer instanceof ArrayBuffer) ? array.slice() : array;
  }
}
