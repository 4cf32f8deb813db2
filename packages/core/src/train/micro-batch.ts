import * as tf from "@tensorflow/tfjs-core";
import { checkArgument, VillaError } from "@villa/data";
import { type LossAndGradients, parameterGradients } from "./gradients.ts";

/** What {@link contrastiveMicroBatch} needs to know of a model and its loss. */
export interface ContrastiveMicroBatchOptions<Chunk> {
  /** The batch, cut into pieces that fit memory. */
  readonly chunks: readonly Chunk[];
  /**
   * Embeds one chunk: [rows of the chunk, d]. Called twice a chunk when there are several: `"embed"` without a tape, then
   * `"differentiate"` with one. Both must compute the same values; move running statistics in `"embed"` only.
   */
  readonly embed: (chunk: Chunk, pass: "embed" | "differentiate") => tf.Tensor2D;
  /** The loss over the embeddings of all chunks, [all rows, d] -> scalar. */
  readonly loss: (embeddings: tf.Tensor2D) => tf.Tensor;
  readonly parameters: ReadonlyMap<string, tf.Variable>;
  /** What the loss itself learns, such as a temperature; names differ from those of `parameters`. */
  readonly lossParameters?: ReadonlyMap<string, tf.Variable> | undefined;
}

/**
 * Loss and gradients of a contrastive batch that is too large to differentiate at once: embed chunk by chunk without a
 * tape, take the loss over all rows, then run each chunk again with a tape to carry its part of the gradient back. Memory
 * is that of one chunk plus the embeddings; the price is a second forward pass.
 *
 * What is exact: by the chain rule the gradients are those of the loss over all rows, for any loss and any encoder that
 * treats rows of different chunks independently. BatchNorm with batch statistics does not: it then sees the statistics of
 * one chunk at a time, as data-parallel training without synchronised BatchNorm does. The gradients are exact for that
 * function, which is another one than the whole batch's; with running statistics (evaluation mode, frozen BatchNorm), or
 * with a single chunk, there is no difference.
 *
 * @see Gao et al., Scaling Deep Contrastive Learning Batch Size under Memory Limited Setup (2021)
 */
export async function contrastiveMicroBatch<Chunk>(
  options: ContrastiveMicroBatchOptions<Chunk>,
): Promise<LossAndGradients> {
  checkArgument("options", options, {
    chunks: "list",
    embed: "function",
    loss: "function",
    parameters: "Map",
    "lossParameters?": "Map",
  });
  const { chunks, embed, loss, parameters, lossParameters = new Map() } = options;

  if (chunks.length === 0) throw new VillaError("InvalidArgument", "A contrastive batch needs at least one chunk.");
  if (chunks.length === 1) {
    const all = new Map([...parameters, ...lossParameters]);
    const whole = parameterGradients(() => loss(embed(chunks[0]!, "embed")), all);
    return { loss: await readScalar(whole.value), gradients: whole.gradients };
  }
  const parts = chunks.map((chunk) => tf.tidy(() => embed(chunk, "embed")));
  const rows = parts.map((part) => part.shape[0]);
  const embeddings = tf.tidy(() => tf.variable(tf.concat(parts, 0) as tf.Tensor2D));
  tf.dispose(parts);
  const { value, gradients: ofLoss } = parameterGradients(
    () => loss(embeddings),
    new Map<string, tf.Variable>([...lossParameters, [embeddings.name, embeddings]]),
  );
  const { [embeddings.name]: upstream, ...learned } = ofLoss;
  const gradients = carryBack(chunks, rows, upstream as tf.Tensor2D, embed, parameters);
  tf.dispose([embeddings, upstream!]);
  return { loss: await readScalar(value), gradients: { ...gradients, ...learned } };
}

/** Sum over chunks of the gradient of ⟨embeddings, upstream⟩ with the chunk's rows of `upstream` held constant. */
function carryBack<Chunk>(
  chunks: readonly Chunk[],
  rows: readonly number[],
  upstream: tf.Tensor2D,
  embed: ContrastiveMicroBatchOptions<Chunk>["embed"],
  parameters: ReadonlyMap<string, tf.Variable>,
): Record<string, tf.Tensor> {
  const sums: Record<string, tf.Tensor> = {};
  let start = 0;
  chunks.forEach((chunk, index) => {
    const part = tf.slice(upstream, [start, 0], [rows[index]!, -1]); // [rows of the chunk, d]
    start += rows[index]!;
    const objective = () => tf.sum(tf.mul(embed(chunk, "differentiate"), part));
    const { value, gradients } = parameterGradients(objective, parameters);
    tf.dispose([value, part]);
    for (const [name, gradient] of Object.entries(gradients)) {
      const sum = sums[name];
      sums[name] = sum ? tf.add(sum, gradient) : gradient;
      if (sum) tf.dispose([sum, gradient]);
    }
  });
  return sums;
}

async function readScalar(value: tf.Tensor): Promise<number> {
  const [number] = await value.data();
  value.dispose();
  return number!;
}
