import { VillaError } from "../errors.ts";
import { checkObject } from "./check-arguments.ts";

/**
 * Bounds on what reading one file may cost, so that a small hostile file cannot exhaust memory or patience. Raise them
 * for trusted files that need more.
 */
export interface ReadLimits {
  /**
   * Most bytes that one call may allocate for decompressed, widened or expanded contents. Views of the input are free.
   * Default: 512 MiB plus eight times the input.
   */
  readonly maxBytes?: number | undefined;
  /** Most pixels of an image, width times height. Default: 100 million. */
  readonly maxPixels?: number | undefined;
  /**
   * Most steps of work of one call: values copied, operations of a pickle, coefficients of a JPEG. A limit of time that
   * does not depend on the machine; 100 million steps take about a second. Default: 2^28 plus 64 times the input.
   */
  readonly maxSteps?: number | undefined;
}

const largestImage = 100_000_000;

/** What one read may still cost. Every part of a reader charges the same allowance. */
export class Allowance {
  readonly #maxBytes: number;
  readonly #maxSteps: number;
  readonly #maxPixels: number;
  #bytesLeft: number;
  #stepsLeft: number;

  /** @throws VillaError `InvalidArgument` for limits that are not numbers ≥ 0 */
  constructor(inputBytes: number, limits: ReadLimits = {}) {
    checkObject(limits, "The limits of a reader");
    this.#maxBytes = limit(limits.maxBytes, "maxBytes") ?? 2 ** 29 + 8 * inputBytes;
    this.#maxSteps = limit(limits.maxSteps, "maxSteps") ?? 2 ** 28 + 64 * inputBytes;
    this.#maxPixels = limit(limits.maxPixels, "maxPixels") ?? largestImage;
    this.#bytesLeft = this.#maxBytes;
    this.#stepsLeft = this.#maxSteps;
  }

  /** Counts `bytes` as allocated. @throws VillaError `UnsafeFile` when more than the limit would be allocated in all. */
  take(bytes: number, what: string): void {
    if (!(bytes <= this.#bytesLeft)) {
      throw new VillaError(
        "UnsafeFile",
        `${what} would take ${bytes} bytes of memory, more than what is left of the limit of ${this.#maxBytes}; raise maxBytes if the file is trusted.`,
      );
    }
    this.#bytesLeft -= bytes;
  }

  /** Counts steps of work. @throws VillaError `UnsafeFile` when more than the limit would be done in all. */
  work(steps: number, what: string): void {
    if (!(steps <= this.#stepsLeft)) {
      throw new VillaError(
        "UnsafeFile",
        `${what} would take more than the limit of ${this.#maxSteps} steps of work; raise maxSteps if the file is trusted.`,
      );
    }
    this.#stepsLeft -= steps;
  }

  /** @throws VillaError `UnsafeFile` for an image of more pixels than are read */
  checkPixels(width: number, height: number): void {
    if (!(width * height <= this.#maxPixels)) {
      throw new VillaError(
        "UnsafeFile",
        `An image of ${width}×${height} pixels is larger than the limit of ${this.#maxPixels}; raise maxPixels if the file is trusted.`,
      );
    }
  }
}

function limit(value: number | undefined, name: string): number | undefined {
  if (value === undefined || (typeof value === "number" && value >= 0)) return value;
  throw new VillaError("InvalidArgument", `${name} must be a number of at least 0.`);
}
