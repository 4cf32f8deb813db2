import * as tf from "@tensorflow/tfjs-core";
import type { TaskContext } from "@villa/core";
import { VillaError } from "@villa/data";

/** Tasks that the pool's tests run in workers. */
export async function multiply(size: number, context: TaskContext): Promise<{ backend: string; sum: number }> {
  context.post(`size ${size}`);
  const sum = tf.tidy(() => tf.sum(tf.matMul(tf.ones([size, size]), tf.ones([size, size]))).arraySync() as number);
  return { backend: tf.getBackend(), sum };
}

export async function incrementShared(values: Float32Array): Promise<void> {
  for (let i = 0; i < values.length; i++) values[i]! += 1;
}

export async function sharedInput(values: Float32Array): Promise<number> {
  return tf.tidy(() => tf.sum(tf.matMul(tf.tensor(values, [1, 100]), tf.ones([100, 1]))).arraySync() as number);
}

export async function refuse(): Promise<never> {
  throw new VillaError("InvalidFile", "Nothing to read here.");
}

export async function crash(): Promise<never> {
  process.exit(3);
}

export async function untilAborted(_: null, { signal }: TaskContext): Promise<string> {
  await new Promise((resolve) => signal.addEventListener("abort", resolve));
  return "stopped";
}

let kept: Float32Array | undefined;

/** Returns an array of its own, one that is part of a larger one, and a shared one. */
export async function arrays(
  shared: Float32Array,
): Promise<{ whole: Float32Array; rows: Map<string, Float32Array>[] }> {
  kept = Float32Array.of(1, 2, 3);
  const larger = Float32Array.of(4, 5, 6);
  return { whole: kept, rows: [new Map([["part", larger.subarray(1)]]), new Map([["shared", shared]])] };
}

/** Length of what the task above returned: 0 once it was moved. */
export async function keptLength(): Promise<number> {
  return kept?.length ?? -1;
}
