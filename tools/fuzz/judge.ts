import { createHash, type Hash } from "node:crypto";
import { isVillaError, type ReadLimits } from "../../packages/data/src/index.ts";
import type { FuzzFormat } from "./formats.ts";

/** What readers promise, and what an input is measured by. */
export const bounds = {
  /** Processor time of one input, in milliseconds. */
  milliseconds: 2000,
  /** Limits that most inputs are read with, and how many bytes the process may then grow by. */
  tight: { limits: { maxBytes: 2 ** 24, maxPixels: 2 ** 22 }, growth: 2 ** 26 },
  /** The same for the readers' own limits: their 512 MiB, and what objects take beside them. */
  usual: { limits: {}, growth: 3 * 2 ** 28 },
} as const satisfies Record<string, unknown> & Record<"tight" | "usual", { limits: ReadLimits; growth: number }>;

/** How a reader took an input. `find` says what it did that no reader may do. */
export interface Verdict {
  readonly outcome: "value" | "refused";
  readonly find?: { readonly kind: string; readonly detail: string } | undefined;
  /** Of the value that was read. */
  readonly digest?: string | undefined;
}

/**
 * Reads an input and judges what comes of it.
 *
 * @param expected the digest that a value must have: that of the undamaged file, where checksums cover all of it
 */
export async function judge(
  format: FuzzFormat,
  input: Uint8Array,
  { limits, growth }: { readonly limits: ReadLimits; readonly growth: number },
  expected?: string,
): Promise<Verdict> {
  const copy = input.slice();
  const memory = process.memoryUsage();
  const processor = process.cpuUsage();
  let value: unknown;
  let thrown: { readonly error: unknown } | undefined;
  try {
    value = await format.read(input, limits);
  } catch (error) {
    thrown = { error };
  }
  const spent = process.cpuUsage(processor);
  const after = process.memoryUsage();
  const find = (kind: string, detail: string): Verdict => ({
    outcome: thrown ? "refused" : "value",
    find: { kind, detail },
  });

  if (thrown && !isVillaError(thrown.error)) return find(nameOf(thrown.error), stackOf(thrown.error));
  if (thrown && (thrown.error as Error).message.length > 2000)
    return find("endless message", (thrown.error as Error).message.slice(0, 300));
  const milliseconds = (spent.user + spent.system) / 1000;
  if (milliseconds > bounds.milliseconds) return find("slow", `${Math.round(milliseconds)} ms of processor time`);
  const grown = after.heapUsed + after.arrayBuffers - memory.heapUsed - memory.arrayBuffers;
  if (grown > growth + 8 * input.length) return find("memory", `grew by ${Math.round(grown / 2 ** 20)} MiB`);
  if (Buffer.compare(copy, input) !== 0) return find("input changed", "the reader wrote into the bytes it was given");
  if (thrown) return { outcome: "refused" };

  const walk = new ValueWalk();
  walk.visit(value, 0);
  if (walk.broken) return find("broken value", walk.broken);
  const digest = walk.digest();
  if (expected !== undefined && digest !== expected) {
    return find("silent damage", "a file with a wrong checksum was read, with other values than the undamaged one");
  }
  return { outcome: "value", digest };
}

function nameOf(error: unknown): string {
  return error instanceof Error ? error.name : typeof error;
}

function stackOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error).slice(0, 200);
  const { cause } = error;
  const lines = (error.stack ?? error.message)
    .split("\n")
    .slice(0, 6)
    .map((line) => line.slice(0, 200));
  return [...lines, ...(cause instanceof Error ? [`cause: ${cause.message}`.slice(0, 200)] : [])].join("\n");
}

/** Digests a value, and looks at whether its parts fit together. */
class ValueWalk {
  broken: string | undefined;
  readonly #hash: Hash = createHash("sha1");
  #nodesLeft = 20_000;

  digest(): string {
    return this.#hash.digest("hex");
  }

  visit(value: unknown, depth: number): void {
    if (this.#nodesLeft-- <= 0 || depth > 50) return;
    if (ArrayBuffer.isView(value)) {
      this.#hash.update(value.constructor.name);
      this.#hash.update(new Uint8Array(value.buffer, value.byteOffset, Math.min(value.byteLength, 1 << 20)));
    } else if (Array.isArray(value) || value instanceof Set) {
      this.#hash.update("[");
      for (const item of value) this.visit(item, depth + 1);
    } else if (value instanceof Map) {
      this.#hash.update("{");
      for (const [key, item] of value) {
        this.visit(key, depth + 1);
        this.visit(item, depth + 1);
      }
    } else if (typeof value === "object" && value !== null) {
      this.#check(value as Record<string, unknown>);
      this.#hash.update("{");
      for (const [key, item] of Object.entries(value)) {
        this.#hash.update(key);
        this.visit(item, depth + 1);
      }
    } else
      this.#hash.update(`${typeof value}${Object.is(value, -0) ? "-0" : String(value as string).slice(0, 10_000)}`);
  }

  #check({ dtype, shape, data, width, height, channels }: Record<string, unknown>): void {
    if (typeof dtype === "string" && Array.isArray(shape) && (ArrayBuffer.isView(data) || Array.isArray(data))) {
      const count = (shape as number[]).reduce((product, side) => product * side, dtype.startsWith("complex") ? 2 : 1);
      if ((data as ArrayLike<unknown>).length !== count) {
        this.broken = `${dtype} [${shape}] with ${(data as ArrayLike<unknown>).length} elements`;
      }
    }
    if (typeof width === "number" && typeof height === "number" && channels === 3) {
      const { length } = data as ArrayLike<unknown>;
      if (length !== 3 * width * height) this.broken = `an image ${width}×${height} of ${length} bytes`;
    }
  }
}
