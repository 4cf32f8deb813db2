import type { TaskPool } from "@villa/core";
import { checkArgument } from "@villa/data";

/** Workers to spread heads over. `@villa/mapping/node` and `createTaskPool` of `@villa/backend-node` make one. */
export interface Parallel {
  readonly pool: TaskPool;
  /** URL of the module with the task functions of this package: `mappingTasks` of `@villa/mapping/node`. */
  readonly tasks: string;
}

/** A copy that all workers see, instead of one copy each; the array itself where memory cannot be shared. */
export function shareFloats(values: Float32Array): Float32Array {
  if (typeof SharedArrayBuffer === "undefined" || values.buffer instanceof SharedArrayBuffer) return values;
  const shared = new Float32Array(new SharedArrayBuffer(values.byteLength));
  shared.set(values);
  return shared;
}

/** Cuts a list into at most `parts` runs of nearly equal length, none empty. */
export function partition<T>(items: readonly T[], parts: number): T[][] {
  const count = Math.max(1, Math.min(parts, items.length));
  return Array.from({ length: count }, (_, i) =>
    items.slice(Math.floor((i * items.length) / count), Math.floor(((i + 1) * items.length) / count)),
  ).filter((part) => part.length > 0);
}

/** The part of the attributes that shard i of n (from 0) trains or maps: `--attributes-shard i/n`. */
export function shardOf(total: number, shard: { readonly index: number; readonly count: number }): number[] {
  checkArgument("total", total, "count");
  checkArgument("shard", shard, { index: "number", count: "count" });

  const first = Math.floor((shard.index * total) / shard.count);
  const end = Math.floor(((shard.index + 1) * total) / shard.count);
  return Array.from({ length: end - first }, (_, i) => first + i);
}

/** The shard, counted from 0, that {@link shardOf} gives an attribute to. */
export function shardOwning(
  attribute: number,
  { total, count }: { readonly total: number; readonly count: number },
): number {
  return Math.ceil(((attribute + 1) * count) / total) - 1;
}
