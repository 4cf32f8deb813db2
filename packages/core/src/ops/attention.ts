import * as tf from "@tensorflow/tfjs-core";
import { checkArgument } from "@villa/data";
import { hasFused, runFused } from "../backend/fused.ts";

/** How {@link attention} splits its rows. */
export interface AttentionOptions {
  /** Sequences in the batch, n. */
  readonly count: number;
  readonly heads: number;
  /**
   * Added to the scores before the softmax, and not differentiated: [1 or n, 1, queries, keys], very negative where a
   * query must not look.
   */
  readonly mask?: tf.Tensor4D | undefined;
}

/**
 * Multi-head scaled dot-product attention: softmax(q·kᵀ / √d + mask)·v for each head of d = W / heads channels, as
 * torch's `scaled_dot_product_attention`. The backward pass computes the probabilities again instead of keeping them.
 *
 * @param query [n · queries, W] float32, sequence after sequence
 * @param key [n · keys, W]
 * @param value [n · keys, W]
 * @returns [n · queries, W]
 */
export function attention(
  query: tf.Tensor2D,
  key: tf.Tensor2D,
  value: tf.Tensor2D,
  options: AttentionOptions,
): tf.Tensor2D {
  checkArgument("query", query, "tensor2");
  checkArgument("key", key, "tensor2");
  checkArgument("value", value, "tensor2");
  checkArgument("options", options, { count: "count", heads: "count", "mask?": "tensor4" });

  const { mask } = options;
  const attend = tf.customGrad((...args) => {
    const [query, key, value, save] = args as unknown as [tf.Tensor2D, tf.Tensor2D, tf.Tensor2D, tf.GradSaveFunc];
    const y = forward(query, key, value, options);
    const fused = hasFused("VillaAttentionGrad");
    // The mask too: whoever made it inside of the function being differentiated may not keep it until the backward pass.
    save([query, key, value, ...(fused ? [y] : []), ...(mask ? [mask] : [])]);
    const gradFunc = (gradient: tf.Tensor, saved: tf.Tensor[]) => {
      const dy = gradient as tf.Tensor2D;
      const [query, key, value, ...rest] = saved as [tf.Tensor2D, tf.Tensor2D, tf.Tensor2D, ...tf.Tensor[]];
      const mask = rest[fused ? 1 : 0] as tf.Tensor4D | undefined;
      if (!fused) return backward([query, key, value, dy], { ...options, mask });
      const inputs = { query, key, value, y: rest[0]!, dy };
      const { count, heads } = options;
      return runFused("VillaAttentionGrad", mask ? { ...inputs, mask } : inputs, { count, heads })!;
    };
    return { value: y, gradFunc };
  });
  return attend(query, key, value) as tf.Tensor2D;
}

function forward(query: tf.Tensor2D, key: tf.Tensor2D, value: tf.Tensor2D, options: AttentionOptions): tf.Tensor2D {
  const { heads, count, mask } = options;
  const inputs = mask ? { query, key, value, mask } : { query, key, value };
  const fused = runFused("VillaAttention", inputs, { heads, count });
  if (fused) return fused[0] as tf.Tensor2D;
  return tf.tidy(() => {
    const [q, k, v] = [query, key, value].map((x) => splitHeads(x, options)) as [tf.Tensor3D, tf.Tensor3D, tf.Tensor3D];
    return joinHeads(tf.matMul(probabilities(q, k, options), v), options);
  });
}

type Heads4 = [q: tf.Tensor3D, k: tf.Tensor3D, v: tf.Tensor3D, g: tf.Tensor3D];

function backward(rows: readonly tf.Tensor2D[], options: AttentionOptions): tf.Tensor[] {
  return tf.tidy(() => {
    const [q, k, v, g] = rows.map((x) => splitHeads(x, options)) as Heads4;
    const p = probabilities(q, k, options);
    const dp = tf.matMul(g, v, false, true); // [n·heads, queries, keys]
    const weighted = tf.mul(p, dp);
    const scale = q.shape[2] ** -0.5;
    const ds = tf.mul(tf.sub(weighted, tf.mul(p, tf.sum(weighted, -1, true))), scale) as tf.Tensor3D;
    const gradients = [tf.matMul(ds, k), tf.matMul(ds, q, true), tf.matMul(p, g, true)];
    return gradients.map((gradient) => joinHeads(gradient, options));
  });
}

/** softmax(q·kᵀ / √d + mask), [n·heads, queries, keys] */
function probabilities(q: tf.Tensor3D, k: tf.Tensor3D, { count, heads, mask }: AttentionOptions): tf.Tensor3D {
  const [batch, queries, headSize] = q.shape;
  const keys = k.shape[1];
  const scores = tf.matMul(tf.mul(q, headSize ** -0.5), k, false, true);
  if (!mask) return tf.softmax(scores) as tf.Tensor3D;
  const masked = tf.add(tf.reshape(scores, [count, heads, queries, keys]), mask);
  return tf.softmax(tf.reshape(masked, [batch, queries, keys])) as tf.Tensor3D;
}

/** [n·L, W] -> [n·heads, L, d] */
function splitHeads(x: tf.Tensor2D, { count, heads }: AttentionOptions): tf.Tensor3D {
  const [rows, width] = x.shape;
  const length = rows / count;
  const split = tf.transpose(tf.reshape(x, [count, length, heads, width / heads]), [0, 2, 1, 3]);
  return tf.reshape(split, [count * heads, length, width / heads]);
}

/** [n·heads, L, d] -> [n·L, W] */
function joinHeads(x: tf.Tensor, { count, heads }: AttentionOptions): tf.Tensor2D {
  const [, length, headSize] = x.shape as [number, number, number];
  const joined = tf.transpose(tf.reshape(x, [count, heads, length, headSize]), [0, 2, 1, 3]);
  return tf.reshape(joined, [count * length, heads * headSize]);
}
