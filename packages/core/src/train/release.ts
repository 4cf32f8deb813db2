import * as tf from "@tensorflow/tfjs-core";

interface TapeNode {
  readonly kernelName: string;
  readonly saved?: readonly tf.Tensor[] | undefined;
  gradient?: ((dys: (tf.Tensor | null)[]) => Record<string, () => tf.Tensor>) | undefined;
}

/**
 * Makes the backward pass of the tape that is being recorded free as it goes: once a node has passed its gradient on, the
 * activations it saved and the gradient it received are not needed any more. TF.js keeps all of them to the end, which
 * doubles the memory of a training step. Call it at the end of the function being differentiated.
 *
 * Only for gradients taken once: a second-order gradient reads the tape again.
 */
export function releaseTapeInBackwardPass(): void {
  const { activeTape, gradientDepth } = tf.engine().state;
  if (gradientDepth !== 1) return;
  let finished: tf.Tensor[] = []; // what the node before this one, in the order of the backward pass, leaves behind
  for (const node of activeTape as unknown as TapeNode[]) {
    const gradient = node.gradient;
    if (!gradient) continue;
    node.gradient = (dys) => {
      tf.dispose(finished);
      const received = dys.filter((dy) => dy !== null && dy !== undefined);
      finished = [...received, ...(node.saved ?? [])];
      const thunks = tf.getGradient(node.kernelName) ? gradient(dys) : evaluated(gradient, dys);
      return mapValues(thunks, (thunk) => () => unshared(thunk(), received));
    };
  }
}

/** A custom gradient computes all its results in the call: free what it made in between. */
function evaluated(
  gradient: NonNullable<TapeNode["gradient"]>,
  dys: (tf.Tensor | null)[],
): Record<string, () => tf.Tensor> {
  const results = tf.tidy(() => mapValues(gradient(dys), (thunk) => unshared(thunk(), dys)));
  return mapValues(results, (result) => () => result);
}

/**
 * A gradient function may return the very tensor that it received, which is going to be disposed: a copy is passed on.
 */
function unshared(result: tf.Tensor, received: readonly (tf.Tensor | null)[]): tf.Tensor {
  return received.includes(result) ? tf.clone(result) : result;
}

function mapValues<A, B>(record: Readonly<Record<string, A>>, map: (value: A) => B): Record<string, B> {
  return Object.fromEntries(Object.entries(record).map(([key, value]) => [key, map(value)]));
}
