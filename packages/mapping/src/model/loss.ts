import { checkArgument } from "@villa/data";
/** Stage 1 loss of one attribute over one batch, with what the backward pass needs. */
export interface AttributeLoss {
  /** This attribute's share of the batch loss: shares of all attributes add up to the loss. */
  readonly loss: number;
  /** [B] batch row of each image's best region: the only rows the loss depends on. */
  readonly bestRows: Int32Array;
  /** [B] derivative of the loss by the cosine of each best row. */
  readonly gradient: Float64Array;
}

/**
 * Contrastive loss of one attribute (paper §3.2, stage 1).
 *
 * With S[i] = max over the regions r of image i of cos(head(x_r), t) / τ, and y[i] = 1 where the text of image i mentions
 * the attribute: Σ_{i: y=1} −log( e^{S[i]} / (e^{S[i]} + Σ_j e^{S[j]·(1−y[j])}) ) / positives.
 *
 * The sum over j counts e⁰ = 1 for every image j that has the attribute: the published formula, kept as it is. Attributes
 * do not meet except in the constant `positives`, so heads can be trained in any grouping with the same result.
 *
 * @param cosines cosine of every row of the batch with the attribute; row r is at `offset + r * stride`
 * @param offsets [B + 1] image i owns rows offsets[i] … offsets[i + 1] (at least one each)
 * An image of which nothing is known, y = 2, is neither: it counts e⁰ = 1 too and pulls no head.
 *
 * @param labels [B] y
 * @param positives Σ [y = 1] over all images and ALL attributes of the batch
 */
export function attributeLoss(
  cosines: { readonly values: Float32Array; readonly offset: number; readonly stride: number },
  offsets: Int32Array,
  labels: Uint8Array,
  positives: number,
  temperature: number,
): AttributeLoss {
  checkArgument("cosines", cosines, { values: "numbers", offset: "number", stride: "count" });
  checkArgument("offsets", offsets, "numbers");
  checkArgument("labels", labels, "bytes");
  checkArgument("positives", positives, "number");
  checkArgument("temperature", temperature, "number");

  const images = labels.length;
  const bestRows = new Int32Array(images);
  const similarity = new Float64Array(images);
  for (let i = 0; i < images; i++) {
    let best = offsets[i]!;
    for (let r = best + 1; r < offsets[i + 1]!; r++) {
      if (at(cosines, r) > at(cosines, best)) best = r;
    }
    bestRows[i] = best;
    similarity[i] = at(cosines, best) / temperature;
  }

  const gradient = new Float64Array(images);
  if (positives === 0) return { loss: 0, bestRows, gradient };

  // Exponents are shifted by their maximum (at least 0, the exponent of the e⁰ terms): |S| reaches 1/τ, and a small τ
  // would overflow.
  const shift = Math.max(
    0,
    similarity.reduce((a, b) => Math.max(a, b), Number.NEGATIVE_INFINITY),
  );
  let negatives = 0;
  for (let j = 0; j < images; j++) negatives += Math.exp((labels[j] === 0 ? similarity[j]! : 0) - shift);

  let loss = 0;
  let pull = 0; // Σ over positives of 1 / denominator
  for (let i = 0; i < images; i++) {
    if (labels[i] !== 1) continue;
    const own = Math.exp(similarity[i]! - shift);
    const denominator = own + negatives;
    loss += Math.log(denominator) + shift - similarity[i]!;
    gradient[i] = (own / denominator - 1) / (positives * temperature);
    pull += 1 / denominator;
  }
  for (let j = 0; j < images; j++) {
    if (labels[j] === 0) gradient[j] = (Math.exp(similarity[j]! - shift) * pull) / (positives * temperature);
  }
  return { loss: loss / positives, bestRows, gradient };
}

function at(cosines: { values: Float32Array; offset: number; stride: number }, row: number): number {
  return cosines.values[cosines.offset + row * cosines.stride]!;
}
