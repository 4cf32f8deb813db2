import { checkArgument, VillaError } from "@villa/data";
import { checkCutOffs } from "../cut-offs.ts";
import { expectedAmong, meanOf } from "../ties.ts";

/** Scores of some images with all texts: [count, texts] row-major. */
export type ScoreBlock = (firstImage: number, count: number) => Float32Array | Promise<Float32Array>;

/** Images and the texts that describe them. */
export interface ImageTextOptions {
  readonly images: number;
  /** [texts] the image that each text describes. An image may have several texts. */
  readonly imageOf: ArrayLike<number>;
  /**
   * [images, texts] similarities, finite; or a function that computes them for some images at a time. It is called twice for
   * each block where there are several, and must answer alike both times.
   */
  readonly scores: Float32Array | ScoreBlock;
  /** Images at a time. Default as many as make 2²⁴ scores. */
  readonly blockSize?: number | undefined;
  /** Cut-offs of the recall. Default 1, 5, 10. */
  readonly ks?: readonly number[] | undefined;
}

/** Recall in one direction. */
export interface RetrievalRecall {
  readonly recall: readonly { readonly k: number; readonly recall: number }[];
  /** Queries that have a right answer; the others do not count. */
  readonly queries: number;
  /** [n, ks] row-major: the chance of a hit for each image or text; NaN for one that does not count. */
  readonly hits: Float64Array;
}

/** Recall of texts for images, and of images for texts. */
export interface ImageTextRetrieval {
  /** A hit where any of the image's texts is among the first k. */
  readonly imageToText: RetrievalRecall;
  /** A hit where the text's image is among the first k. */
  readonly textToImage: RetrievalRecall;
}

/**
 * Image ↔ text retrieval: Recall@k with several texts an image, as for COCO and Flickr30k (five captions an image).
 *
 * Ties: the chance of a hit over all orders of equal scores, see the README.
 *
 * @throws VillaError `Mismatch` for scores of another number, `InvalidArgument` for a text of no image or a cut-off below 1, `NotFinite` for a
 * score of NaN or infinity
 * @see Karpathy and Fei-Fei, Deep Visual-Semantic Alignments, CVPR 2015, section 4.1
 */
export async function imageTextRetrieval(options: ImageTextOptions): Promise<ImageTextRetrieval> {
  checkArgument("options", options, {
    images: "count",
    imageOf: "numbers",
    scores: "numbers | function",
    "blockSize?": "count",
    "ks?": "numbers",
  });

  const { images, imageOf, ks = [1, 5, 10] } = options;
  checkCutOffs(ks);
  const texts = imageOf.length;
  for (let t = 0; t < texts; t++) {
    const image = imageOf[t]!;
    if (!(Number.isInteger(image) && image >= 0 && image < images)) {
      throw new VillaError("InvalidArgument", `Text ${t} is of image ${image}, but there are ${images} images.`);
    }
  }
  const textsOf = Array.from({ length: images }, (): number[] => []);
  for (let t = 0; t < texts; t++) textsOf[imageOf[t]!]!.push(t);

  const own = new Float32Array(texts); // score of each text with its image
  const imageHits = new Float64Array(images * ks.length).fill(Number.NaN);
  const above = new Float64Array(texts); // images that a text scores higher with
  const tied = new Float64Array(texts);
  const blocks = blocksOf(options);
  for (const { first, count } of blocks) {
    const scores = await readBlock(options, { first, count });
    for (let i = 0; i < count; i++) {
      const row = scores.subarray(i * texts, (i + 1) * texts);
      const right = textsOf[first + i]!;
      for (const t of right) own[t] = row[t]!;
      if (right.length > 0) imageHits.set(rowHits(row, right, ks), (first + i) * ks.length);
    }
    if (blocks.length === 1) countRivals(scores, own, { above, tied });
  }
  if (blocks.length > 1) {
    for (const block of blocks) countRivals(await readBlock(options, block), own, { above, tied });
  }
  const textHits = new Float64Array(texts * ks.length);
  for (let t = 0; t < texts; t++) {
    ks.forEach((k, j) => {
      textHits[t * ks.length + j] = expectedAmong({ above: above[t]!, tied: tied[t]!, right: 1, k });
    });
  }
  return { imageToText: recallOf(imageHits, ks), textToImage: recallOf(textHits, ks) };
}

interface Block {
  readonly first: number;
  readonly count: number;
}

function blocksOf({ images, imageOf, scores, blockSize }: ImageTextOptions): Block[] {
  const whole = typeof scores === "function" ? Math.floor(2 ** 24 / Math.max(1, imageOf.length)) : images;
  const size = Math.max(1, blockSize ?? whole);
  return Array.from({ length: Math.ceil(images / size) }, (_, b) => ({
    first: b * size,
    count: Math.min(size, images - b * size),
  }));
}

async function readBlock({ scores, imageOf }: ImageTextOptions, { first, count }: Block): Promise<Float32Array> {
  const texts = imageOf.length;
  const block =
    typeof scores === "function" ? await scores(first, count) : scores.subarray(first * texts, (first + count) * texts);
  if (block.length !== count * texts) {
    throw new VillaError(
      "Mismatch",
      `${count} images and ${texts} texts need ${count * texts} scores, not ${block.length}.`,
    );
  }
  const bad = block.findIndex((score) => !Number.isFinite(score));
  if (bad >= 0) {
    const [image, text] = [first + Math.floor(bad / texts), bad % texts];
    throw new VillaError(
      "NotFinite",
      `Image ${image} and text ${text} have the score ${block[bad]}; scores must be finite numbers.`,
    );
  }
  return block;
}

/** The chance that one of the right texts is among the first k. */
function rowHits(row: Float32Array, right: readonly number[], ks: readonly number[]): number[] {
  let best = Number.NEGATIVE_INFINITY;
  for (const t of right) best = Math.max(best, row[t]!);
  const rightTied = right.filter((t) => row[t] === best).length;
  let above = 0;
  let tied = 0;
  for (let t = 0; t < row.length; t++) {
    if (row[t]! > best) above++;
    else if (row[t] === best) tied++;
  }
  return ks.map((k) => expectedAmong({ above, tied, right: rightTied, k }));
}

/** Counts, for each text, the images of a block with a higher score, and with the same. */
function countRivals(
  scores: Float32Array,
  own: Float32Array,
  { above, tied }: { above: Float64Array; tied: Float64Array },
): void {
  const texts = own.length;
  for (let start = 0; start < scores.length; start += texts) {
    for (let t = 0; t < texts; t++) {
      const score = scores[start + t]!;
      if (score > own[t]!) above[t]!++;
      else if (score === own[t]) tied[t]!++;
    }
  }
}

function recallOf(hits: Float64Array, ks: readonly number[]): RetrievalRecall {
  const columns = ks.map((k, j) => {
    const known = hits.filter((hit, i) => i % ks.length === j && !Number.isNaN(hit));
    return { k, recall: meanOf(known), queries: known.length };
  });
  return { recall: columns.map(({ k, recall }) => ({ k, recall })), queries: columns[0]?.queries ?? 0, hits };
}
