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
