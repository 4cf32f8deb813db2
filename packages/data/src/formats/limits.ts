import { VillaError } from "../errors.ts";

/** Bounds on what reading one file may cost, so that a small hostile file cannot exhaust memory. */
export interface ReadLimits {
  /**
   * Most bytes that one call may allocate for decompressed, widened or expanded contents. Views of the input are free.
   * Default: 512 MiB plus eight times the input.
   */
  readonly maxBytes?: number | undefined;
}

/** The memory that one read may still allocate. */
export class Allowance {
  readonly #limit: number;
  #left: number;

  constructor(inputBytes: number, limits: ReadLimits = {}) {
    this.#limit = limits.maxBytes ?? 2 ** 29 + 8 * inputBytes;
    this.#left = this.#limit;
  }

  /** Counts `bytes` as allocated. @throws VillaError `UnsafeFile` when more than the limit would be allocated in all. */
  take(bytes: number, what: string): void {
    if (!(bytes <= this.#left)) {
      throw new VillaError(
        "UnsafeFile",
        `${what} would take ${bytes} bytes of memory, more than the limit of ${this.#limit}; raise maxBytes if the file is trusted.`,
      );
    }
    this.#left -= bytes;
  }
}
