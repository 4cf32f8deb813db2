import { type TensorInfo, util } from "@tensorflow/tfjs-core";
import { HeapFullError } from "./heap.ts";
import type { HeapBackend } from "./heap-backend.ts";

/**
 * What one kernel call borrows from the heap: operands staged when they are ordinary arrays, scratch space and outputs.
 * `borrow` gives everything but the returned outputs back.
 */
export class Workspace {
  readonly backend: HeapBackend;
  readonly #temporary: number[] = [];
  readonly #unfinished: { to: Float32Array; from: Float32Array }[] = [];
  /** Values handed out for results; a kernel that fails before it makes tensors of them would leak them. */
  readonly #results: Float32Array[] = [];

  constructor(backend: HeapBackend) {
    this.backend = backend;
  }

  get simd() {
    return this.backend.heap.simd;
  }

  /** Address of a float32 (or int32) tensor's values. @throws HeapFullError */
  pointer(info: TensorInfo): number {
    return this.stage(this.backend.valuesOf(info) as Float32Array | Int32Array);
  }

  /** Address of these values: their own in the heap, else of a copy. @throws HeapFullError */
  stage(values: Float32Array | Int32Array | Uint8Array): number {
    if (values.buffer === this.backend.heap.buffer) return values.byteOffset;
    const offset = this.scratch(Math.ceil(values.byteLength / 4));
    const { buffer } = this.backend.heap;
    if (values instanceof Float32Array) new Float32Array(buffer, offset, values.length).set(values);
    else if (values instanceof Int32Array) new Int32Array(buffer, offset, values.length).set(values);
    else new Uint8Array(buffer, offset, values.length).set(values);
    return offset;
  }

  /** Address of n 32-bit values, contents undefined. @throws HeapFullError */
  scratch(n: number): number {
    const offset = this.backend.heap.allocate(n * 4);
    this.#temporary.push(offset);
    return offset;
  }

  /** n values for as long as the kernel runs, contents undefined: in the heap or, when it is full, an ordinary array. */
  temporary(n: number): Float32Array {
    try {
      return this.view(this.scratch(n), n);
    } catch (error) {
      if (error instanceof HeapFullError) return new Float32Array(n);
      throw error;
    }
  }

  /** A view on scratch space, for ONNX Runtime. */
  view(offset: number, n: number): Float32Array {
    return new Float32Array(this.backend.heap.buffer, offset, n);
  }

  inHeap(values: Float32Array): boolean {
    return this.backend.inHeap(values);
  }

  /** Int32 parameters of a kernel, in the heap. */
  parameters(...values: number[]): number {
    const offset = this.scratch(values.length);
    new Int32Array(this.backend.heap.buffer, offset, values.length).set(values);
    return offset;
  }

  /** Values for a result, contents undefined: in the heap or, when it is full, an ordinary array. */
  floats(n: number): Float32Array {
    const values = this.backend.floats(n);
    this.#results.push(values);
    return values;
  }

  /** A result of this shape: where to write it, and the tensor once written. @throws HeapFullError */
  output(shape: readonly number[]): { at: number; readonly info: TensorInfo } {
    const size = util.sizeFromShape([...shape]);
    const values = this.floats(size);
    const { backend } = this;
    let at = values.byteOffset;
    if (!backend.inHeap(values)) {
      // Too small for a block of its own (or no room): the kernel writes to scratch, `finish` copies.
      at = this.scratch(size);
      this.#unfinished.push({ to: values, from: this.view(at, size) });
    }
    return {
      at,
      get info() {
        return backend.tensor(shape, values);
      },
    };
  }

  finish(): void {
    for (const { to, from } of this.#unfinished) to.set(from);
  }

  abandon(): void {
    for (const values of this.#results) this.backend.drop(values);
  }

  release(): void {
    for (const offset of this.#temporary) this.backend.heap.free(offset);
  }
}

/** Runs `work` with a workspace and gives back what it borrowed. */
export function borrow<T>(backend: HeapBackend, work: (space: Workspace) => T): T {
  const space = new Workspace(backend);
  try {
    const result = work(space);
    space.finish();
    return result;
  } catch (error) {
    space.abandon();
    throw error;
  } finally {
    space.release();
  }
}
