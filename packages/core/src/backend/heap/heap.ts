import { kernelModule } from "./kernel-module.ts";
import type { SimdKernels } from "./simd-module.ts";

/** Pages of 64 KiB to reserve, largest first: address space only, physical memory follows use. */
const reservations = [65_536, 49_152, 32_768, 16_384, 8_192, 4_096];
const pageBytes = 65_536;
/** Blocks start on cache lines, so vector loads never straddle two tensors. */
const alignment = 64;
/** Size classes: four per power of two. */
const classes = 4 * 33;

interface Block {
  readonly offset: number;
  size: number;
  free: boolean;
  /** Neighbours in memory. */
  before: Block | undefined;
  after: Block | undefined;
}

export interface HeapOptions {
  readonly maximumBytes?: number | undefined;
  readonly shared?: boolean | undefined;
}

/** Thrown when no free block is large enough; the caller then works on plain arrays. */
export class HeapFullError extends Error {
  override readonly name = "HeapFullError";
}

/**
 * The WebAssembly memory that tensors live in, with an allocator and the kernels that work on it.
 *
 * All address space (up to 4 GiB) is reserved at once, because growing the memory would detach every view on it. Blocks are
 * found by size class, split, and merged with free neighbours when given back, so that batches of varying size do not
 * fragment it.
 */
export class Heap {
  readonly memory: WebAssembly.Memory;
  readonly buffer: ArrayBufferLike;
  /** The kernels' code, for the threads that share the memory. */
  readonly module: WebAssembly.Module;
  readonly simd: SimdKernels;
  readonly capacity: number;
  #used = 0;
  readonly #free: Set<Block>[] = Array.from({ length: classes }, () => new Set<Block>());
  readonly #blocks = new Map<number, Block>();

  /**
   * @param options `maximumBytes`: address space, at most 4 GiB; `shared`: other threads can compute on it too
   */
  constructor({ maximumBytes = Number.POSITIVE_INFINITY, shared = false }: HeapOptions = {}) {
    this.memory = reserve(maximumBytes, shared);
    this.buffer = this.memory.buffer;
    this.capacity = this.buffer.byteLength;
    this.module = kernelModule(shared);
    const instance = new WebAssembly.Instance(this.module, { env: { memory: this.memory } });
    this.simd = instance.exports as unknown as SimdKernels;
    // The first page stays out: offset 0 means "nothing", and the compiler may keep constants there.
    this.#release({
      offset: pageBytes,
      size: this.capacity - pageBytes,
      free: true,
      before: undefined,
      after: undefined,
    });
  }

  /** Bytes in use. */
  get used(): number {
    return this.#used;
  }

  /** Byte offset of a fresh block. @throws HeapFullError */
  allocate(bytes: number): number {
    const size = Math.max(alignment, Math.ceil(bytes / alignment) * alignment);
    const block = this.#find(size);
    if (!block) throw new HeapFullError(`no ${bytes} bytes left of ${this.capacity}`);
    this.#free[classOf(block.size)]!.delete(block);
    if (block.size > size) this.#split(block, size);
    block.free = false;
    this.#blocks.set(block.offset, block);
    this.#used += block.size;
    return block.offset;
  }

  /** A fresh float32 view, contents undefined. @throws HeapFullError */
  floats(length: number): Float32Array {
    return new Float32Array(this.buffer, this.allocate(length * 4), length);
  }

  /** Gives the block at this offset back. */
  free(offset: number): void {
    const block = this.#blocks.get(offset);
    if (!block) return;
    this.#blocks.delete(offset);
    this.#used -= block.size;
    let merged = block;
    const { after } = block;
    if (after?.free) {
      this.#free[classOf(after.size)]!.delete(after);
      merged.size += after.size;
      merged.after = after.after;
      if (merged.after) merged.after.before = merged;
    }
    const { before } = merged;
    if (before?.free) {
      this.#free[classOf(before.size)]!.delete(before);
      before.size += merged.size;
      before.after = merged.after;
      if (before.after) before.after.before = before;
      merged = before;
    }
    this.#release(merged);
  }

  #find(size: number): Block | undefined {
    const own = classOf(size);
    // Within the request's own class blocks differ in size; every block of a higher class is large enough.
    for (const block of this.#free[own]!) if (block.size >= size) return block;
    for (let index = own + 1; index < classes; index++) {
      for (const block of this.#free[index]!) return block;
    }
    return undefined;
  }

  #split(block: Block, size: number): void {
    const rest: Block = {
      offset: block.offset + size,
      size: block.size - size,
      free: true,
      before: block,
      after: block.after,
    };
    if (rest.after) rest.after.before = rest;
    block.after = rest;
    block.size = size;
    this.#release(rest);
  }

  #release(block: Block): void {
    block.free = true;
    this.#free[classOf(block.size)]!.add(block);
  }
}

function classOf(size: number): number {
  const exponent = 31 - Math.clz32(size);
  const whole = size >= 2 ** 32 ? 32 : exponent;
  const quarter = Math.floor((size / 2 ** whole - 1) * 4);
  return whole * 4 + quarter;
}

function reserve(maximumBytes: number, shared: boolean): WebAssembly.Memory {
  for (const pages of reservations) {
    if (pages * pageBytes > maximumBytes) continue;
    try {
      return new WebAssembly.Memory({ initial: pages, maximum: pages, shared });
    } catch {
      // The address space is limited here; try less.
    }
  }
  const pages = Math.max(2, Math.min(1024, Math.floor(maximumBytes / pageBytes)));
  return new WebAssembly.Memory({ initial: pages, maximum: pages, shared });
}
