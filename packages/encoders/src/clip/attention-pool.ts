import * as tf from "@tensorflow/tfjs-core";

/** Looks a weight up by its name after `visual.attnpool.`. */
type Weights = (name: string) => tf.Tensor;

/**
 * CLIP's attention pool: the mean of all positions asks the positions and itself, through multi-head attention.
 *
 * There is a single query, so keys and values are never projected: each head's key projection is folded into its query
 * (the key bias cancels in the softmax) and the positions are averaged before the value projection. Exact, and 15 M
 * instead of 420 M multiply-adds a region for RN50.
 *
 * @param features [n, g, g, C]
 * @param heads attention heads; C / heads channels each
 * @returns [n, embedDim]
 */
export function attentionPool(features: tf.Tensor4D, weights: Weights, heads: number): tf.Tensor2D {
  return tf.tidy(() => {
    const [count, height, width, channels] = features.shape;
    const headSize = channels / heads;
    const positions = tf.reshape(features, [count, height * width, channels]);
    const mean = tf.mean(positions, 1, true);
    const tokens = tf.add(tf.concat([mean, positions], 1), weights("positional_embedding")); // [n, 1 + g², C]

    const first = tf.slice(tokens, [0, 0, 0], [count, 1, channels]);
    const query = tf.add(
      tf.matMul(tf.reshape(first, [count, channels]), weights("q_proj.weight") as tf.Tensor2D, false, true),
      // The key bias cancels, but optimisers must see its gradient, zero: weight decay moves it all the same.
      tf.add(weights("q_proj.bias"), tf.mul(weights("k_proj.bias"), 0)),
    );
    const scaled = tf.mul(query, headSize ** -0.5);
    const byHead = tf.transpose(tf.reshape(scaled, [count, heads, headSize]), [1, 0, 2]); // [heads, n, C / heads]
    const keyProjection = tf.reshape(weights("k_proj.weight"), [heads, headSize, channels]);
    const folded = tf.transpose(tf.matMul(byHead, keyProjection), [1, 0, 2]); // [n, heads, C]

    const attention = tf.softmax(tf.matMul(folded, tokens, false, true)); // [n, heads, 1 + g²]
    const averaged = tf.transpose(tf.matMul(attention, tokens), [1, 0, 2]); // [heads, n, C]
    const valueProjection = tf.reshape(weights("v_proj.weight"), [heads, headSize, channels]);
    const values = tf.transpose(tf.matMul(averaged, valueProjection, false, true), [1, 0, 2]); // [n, heads, C / heads]
    const joined = tf.add(tf.reshape(values, [count, channels]), weights("v_proj.bias")) as tf.Tensor2D;
    return linear(joined, weights, "c_proj");
  });
}

/** x·Wᵀ + b with torch's [out, in] weight. */
function linear(input: tf.Tensor2D, weights: Weights, name: string): tf.Tensor2D {
  return tf.add(tf.matMul(input, weights(`${name}.weight`) as tf.Tensor2D, false, true), weights(`${name}.bias`));
}
