import type { Heap } from "./heap.ts";

/** Kernels that are cut into parts: `kernel(worker, parameters, part)`, each part writing where no other does. */
export type PartKernel = "packPart" | "productPart";

/** Starts a thread that runs `source`, JavaScript that finds `data` in the variable of that name; returns what ends it. */
export type StartThread = (source: string, data: unknown) => () => void;

/** Where the words stand that threads agree through. */
const word = { ticket: 0, wake: 1, done: 2, kernel: 3, parameters: 4, parts: 5, failed: 6 } as const;
const kernels: readonly PartKernel[] = ["packPart", "productPart"];
/** A ticket is the job's number and how many of its parts nobody has taken yet: 15 and 16 bits. */
const mostParts = 0xffff;
const jobs = 0x7fff;

/**
 * What a thread does: take a part, compute it, and sleep when there is none. A part is taken by one atomic exchange of the
 * ticket, which names the job, so that a thread that comes late never takes a part of another job for its own.
 */
const program = `
const { module, memory, control, worker, word, kernels } = data;
const exports = new WebAssembly.Instance(module, { env: { memory } }).exports;
const calls = kernels.map((name) => exports[name]);
for (;;) {
  const seen = Atomics.load(control, word.wake);
  let ticket = Atomics.load(control, word.ticket);
  while ((ticket & 0xffff) > 0) {
    const taken = Atomics.compareExchange(control, word.ticket, ticket, ticket - 1);
    if (taken === ticket) {
      try {
        calls[control[word.kernel]](worker, control[word.parameters], (ticket & 0xffff) - 1);
      } catch {
        Atomics.store(control, word.failed, 1);
      }
      if (Atomics.add(control, word.done, 1) + 1 === control[word.parts]) Atomics.notify(control, word.done);
    }
    ticket = Atomics.load(control, word.ticket);
  }
  // Products follow one another: looking a little longer is cheaper than being woken.
  for (let i = 0; i < 2000 && (Atomics.load(control, word.ticket) & 0xffff) === 0; i++);
  if ((Atomics.load(control, word.ticket) & 0xffff) === 0) Atomics.wait(control, word.wake, seen);
}
`;

/** Threads that share a heap and compute the parts of a kernel side by side; the calling thread is one of them. */
export class Team {
  readonly #heap: Heap;
  readonly #threads: number;
  readonly #start: StartThread;
  readonly #control: Int32Array;
  readonly #ends: (() => void)[] = [];
  #job = 0;
  #canWait = true;

  /**
   * @param heap one whose memory is shared
   * @param options `threads`: how many compute, the calling one included; `start`: starts each of the others
   */
  constructor(heap: Heap, { threads, start }: { readonly threads: number; readonly start: StartThread }) {
    this.#heap = heap;
    this.#threads = threads;
    // A page that is not isolated has no shared memory, and one thread needs none.
    this.#control = threads > 1 ? new Int32Array(new SharedArrayBuffer(64)) : new Int32Array(16);
    this.#start = start;
  }

  /** How many compute now. */
  get size(): number {
    return 1 + this.#ends.length;
  }

  /** Starts the threads that are missing. Work need not wait for them: the calling thread takes what they do not. */
  start(): void {
    const { module, memory } = this.#heap;
    while (this.size < this.#threads) {
      const data = { module, memory, control: this.#control, worker: this.size, word, kernels };
      this.#ends.push(this.#start(program, data));
    }
  }

  /** Runs all parts of a kernel. The order is not fixed; each part is computed the same by whichever thread. */
  run(kernel: PartKernel, parameters: number, parts: number): void {
    const call = this.#heap.simd[kernel];
    if (parts > mostParts) throw new Error(`A kernel has ${parts} parts; at most ${mostParts} are possible.`);
    if (this.size === 1 || parts === 1) {
      for (let part = 0; part < parts; part++) call(0, parameters, part);
      return;
    }
    const control = this.#control;
    control[word.kernel] = kernels.indexOf(kernel);
    control[word.parameters] = parameters;
    control[word.parts] = parts;
    Atomics.store(control, word.done, 0);
    this.#job = (this.#job + 1) & jobs;
    Atomics.store(control, word.ticket, (this.#job << 16) | parts);
    Atomics.add(control, word.wake, 1);
    Atomics.notify(control, word.wake, this.size - 1);
    let ticket = Atomics.load(control, word.ticket);
    while ((ticket & mostParts) > 0) {
      if (Atomics.compareExchange(control, word.ticket, ticket, ticket - 1) === ticket) {
        call(0, parameters, (ticket & mostParts) - 1);
        Atomics.add(control, word.done, 1);
      }
      ticket = Atomics.load(control, word.ticket);
    }
    this.#join(parts);
    if (Atomics.load(control, word.failed)) throw new Error(`The kernel ${kernel} failed in a thread.`);
  }

  /** Ends the threads; the calling one goes on alone. */
  end(): void {
    for (const end of this.#ends.splice(0)) end();
  }

  #join(parts: number): void {
    const control = this.#control;
    for (let looks = 0; ; looks++) {
      const done = Atomics.load(control, word.done);
      if (done === parts) return;
      if (looks > 2000 && this.#canWait) this.#sleep(done);
    }
  }

  /** Waits for the last part; a page's main thread may not, and goes on looking. */
  #sleep(done: number): void {
    try {
      Atomics.wait(this.#control, word.done, done, 1);
    } catch {
      this.#canWait = false;
    }
  }
}
