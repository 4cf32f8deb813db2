import { simdModule } from "./simd-module.ts";

/** Pages of 64 KiB to reserve, largest first: address space only, physical memory follows use. */
const RESERVATIONS = [65_536, 49_152, 32_768, 16_384, 8_192, 4_096];
const PAGE = 65_536;
/** Blocks start on cache lines, so vector loads never straddle two tensors. */
const ALIGNMENT = 64;
/** Size classes: four per power of two. */
const CLASSES = 4 * 33;

interface Block {
  readonly offset: number;
  size: number;
  free: boolean;
  /** Neighbours in memory. */
  before: Block | undefined;
  after: Block | undefined;
}

/** The vector kernels: pointers are byte offsets into the heap, sizes count values. See assembly/. */
export interface SimdKernels {
  unary(op: number, y: number, x: number, n: number, p: number, q: number): void;
  binary(
    op: number, y: number, a: number, b: number, n0: number, n1: number, n: number,
    a0: number, a1: number, aStep: number, b0: number, b1: number, bStep: number,
  ): void; // biome-ignore format: one line per group
  compare(
    op: number, y: number, a: number, b: number, n0: number, n1: number, n: number,
    a0: number, a1: number, aStep: number, b0: number, b1: number, bStep: number,
  ): void; // biome-ignore format: one line per group
  fill(y: number, n: number, value: number): void;
  select(y: number, condition: number, a: number, b: number, n: number): void;
  sumRows(y: number, x: number, rows: number, n: number, scale: number): void;
  sumColumns(y: number, x: number, scratch: number, outer: number, reduced: number, inner: number, scale: number): void;
  extremeRows(y: number, x: number, rows: number, n: number, minimum: number): void;
  extremeColumns(y: number, x: number, outer: number, reduced: number, inner: number, minimum: number): void;
  softmax(y: number, x: number, rows: number, n: number): void;
  accumulate(y: number, x: number, n: number): void;
  stridedCopy(y: number, x: number, parameters: number): void;
  gatherRows(y: number, x: number, index: number, rows: number, n: number): void;
  scatterAddRows(y: number, x: number, index: number, rows: number, n: number): void;
  im2col(columns: number, x: number, from: number, to: number, parameters: number): void;
  col2im(x: number, columns: number, from: number, to: number, parameters: number): void;
  moments(x: number, mean: number, variance: number, scratch: number, rows: number, channels: number): void;
  affine(
    y: number,
    x: number,
    centre: number,
    scale: number,
    shift: number,
    rows: number,
    channels: number,
    relu: number,
  ): void;
  batchNormSums(
    dbeta: number,
    dgamma: number,
    dy: number,
    x: number,
    y: number,
    mean: number,
    inverseStd: number,
    scratch: number,
    rows: number,
    channels: number,
    relu: number,
  ): void;
  batchNormInputGrad(
    dx: number,
    dy: number,
    x: number,
    y: number,
    mean: number,
    p: number,
    q: number,
    s: number,
    rows: number,
    channels: number,
    relu: number,
  ): void;
  averagePool(y: number, x: number, parameters: number, backward: number): void;
  adamStep(
    w: number,
    g: number,
    mean: number,
    square: number,
    n: number,
    rest1: number,
    beta2: number,
    rest2: number,
    epsilon: number,
    stepSize: number,
    rootCorrection: number,
    coupled: number,
    keep: number,
  ): void;
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
  readonly buffer: ArrayBuffer;
  readonly simd: SimdKernels;
  readonly capacity: number;
  #used = 0;
  readonly #free: Set<Block>[] = Array.from({ length: CLASSES }, () => new Set<Block>());
  readonly #blocks = new Map<number, Block>();

  constructor(maximumBytes = Number.POSITIVE_INFINITY) {
    const memory = reserve(maximumBytes);
    this.buffer = memory.buffer;
    this.capacity = this.buffer.byteLength;
    const module = new WebAssembly.Module(Buffer.from(simdModule, "base64"));
    const instance = new WebAssembly.Instance(module, { env: { memory } });
    this.simd = instance.exports as unknown as SimdKernels;
    // The first page stays out: offset 0 means "nothing", and the compiler may keep constants there.
    this.#release({ offset: PAGE, size: this.capacity - PAGE, free: true, before: undefined, after: undefined });
  }

  /** Bytes in use. */
  get used(): number {
    return this.#used;
  }

  /** Byte offset of a fresh block. @throws HeapFullError */
  allocate(bytes: number): number {
    const size = Math.max(ALIGNMENT, Math.ceil(bytes / ALIGNMENT) * ALIGNMENT);
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

  /** True when the offset starts a block in use. */
  owns(offset: number): boolean {
    return this.#blocks.has(offset);
  }

  #find(size: number): Block | undefined {
    const own = classOf(size);
    // Within the request's own class blocks differ in size; every block of a higher class is large enough.
    for (const block of this.#free[own]!) if (block.size >= size) return block;
    for (let index = own + 1; index < CLASSES; index++) {
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

function reserve(maximumBytes: number): WebAssembly.Memory {
  for (const pages of RESERVATIONS) {
    if (pages * PAGE > maximumBytes) continue;
    try {
      return new WebAssembly.Memory({ initial: pages, maximum: pages });
    } catch {
      // The address space is limited here; try less.
    }
  }
  const pages = Math.max(2, Math.min(1024, Math.floor(maximumBytes / PAGE)));
  return new WebAssembly.Memory({ initial: pages, maximum: pages });
}
