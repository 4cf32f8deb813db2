import { checkArgument, type ProgressListener, throwIfAborted } from "@villa/data";
import { gatherRows, type MappingData, regionOffsets } from "../data/batches.ts";
import { HeadStack } from "./head-stack.ts";
import { type HeadsOptions, type HeadWeights, headOfAttribute } from "./heads.ts";

/** Scores of one attribute: only for the images that mention it, since nothing else is ever assigned. */
export interface AttributeScores {
  /** Image indices, ascending. */
  readonly images: Int32Array;
  /** Cosines of their regions, image after image. */
  readonly values: Float32Array;
}

/** Where the heads of a trained model come from; loaded one at a time, so any number of attributes fits. */
export interface HeadSource extends HeadsOptions {
  /** Attribute names, in the order of the heads. */
  readonly attributes: readonly string[];
  /** Weights of one head. */
  load(head: number): Promise<HeadWeights>;
}

/** Rows that go through a head together: large enough for a fast product, small enough for any memory. */
const rowsPerProduct = 512;

/** Images that mention the attribute, ascending. */
function imagesWith(labels: Uint8Array, attributes: number, attribute: number): Int32Array {
  const images: number[] = [];
  for (let i = 0; i * attributes < labels.length; i++) if (labels[i * attributes + attribute] === 1) images.push(i);
  return Int32Array.from(images);
}

/**
 * Scores the regions of every image for the attributes it mentions, on the current backend.
 *
 * Each head sees only the regions it is needed for, many images at a time: the same values as running every image through
 * every head, at a fraction of the work.
 *
 * @param options.attributeEmbeddings [A, d], each of norm 1
 * @param options.attributes which attributes to score; default all. The others get no images.
 * @returns one entry per attribute of the model
 */
export async function scoreRegions(options: {
  readonly model: HeadSource;
  readonly data: MappingData;
  readonly attributeEmbeddings: Float32Array;
  readonly attributes?: readonly number[] | undefined;
  readonly onProgress?: ProgressListener | undefined;
  readonly signal?: AbortSignal | undefined;
}): Promise<AttributeScores[]> {
  checkArgument("options", options, {
    model: { attributes: ["text"], load: "function", dimension: "count", oneProj: "boolean", adapter: "boolean" },
    data: { regions: "numbers", counts: "numbers", labels: "bytes" },
    attributeEmbeddings: "numbers",
    "attributes?": "numbers",
    "onProgress?": "function",
    "signal?": "object",
  });

  const { model, signal, onProgress } = options;
  const wanted = options.attributes ?? model.attributes.map((_, attribute) => attribute);
  const scores = model.attributes.map(
    (): AttributeScores => ({ images: new Int32Array(0), values: new Float32Array(0) }),
  );
  let done = 0;
  for (const attributes of model.oneProj ? [wanted] : wanted.map((attribute) => [attribute])) {
    throwIfAborted(signal, "Mapping was stopped; nothing has been written.");
    const head = await model.load(headOfAttribute(model.oneProj, attributes[0]!));
    const { dimension, oneProj, adapter } = model;
    const form = { dimension, oneProj, adapter, totalAttributes: model.attributes.length };
    const results = await scoreAttributes({ ...options, ...form, head, attributes });
    attributes.forEach((attribute, i) => {
      scores[attribute] = results[i]!;
    });
    done += attributes.length;
    onProgress?.({ task: "mapping", done, total: wanted.length, unit: "attributes" });
  }
  return scores;
}

/** Scores of attributes that share a head (one attribute, unless the model has a single head). */
async function scoreAttributes(
  options: HeadsOptions & {
    readonly head: HeadWeights;
    readonly attributes: readonly number[];
    readonly totalAttributes: number;
    readonly attributeEmbeddings: Float32Array;
    readonly data: MappingData;
  },
): Promise<AttributeScores[]> {
  const { data, attributes, dimension, totalAttributes } = options;
  const images = attributes.map((attribute) => imagesWith(data.labels, totalAttributes, attribute));
  const offsets = regionOffsets(data.counts);
  const rowsOf = images.map((each) => rowsOfImages(each, offsets));
  const rows = attributes.length === 1 ? rowsOf[0]! : union(rowsOf, offsets.at(-1)!);
  if (rows.length === 0) return images.map((each) => ({ images: each, values: new Float32Array(0) }));

  const embeddings = gatherRows(options.attributeEmbeddings, attributes, { dimension });
  const stack = new HeadStack([options.head], [embeddings], options);
  try {
    const cosines = await scoreWithStack(stack, data, rows, attributes.length);
    if (attributes.length === 1) return [{ images: images[0]!, values: cosines }];
    const position = new Int32Array(offsets.at(-1)!);
    rows.forEach((row, i) => {
      position[row] = i;
    });
    return images.map((each, a) => ({
      images: each,
      values: Float32Array.from(rowsOf[a]!, (row) => cosines[position[row]! * attributes.length + a]!),
    }));
  } finally {
    stack.dispose();
  }
}

/** [rows, A] cosines of the given rows with the attributes of a stack of one head. */
async function scoreWithStack(
  stack: HeadStack,
  data: MappingData,
  rows: Int32Array,
  attributes: number,
): Promise<Float32Array> {
  const values = new Float32Array(rows.length * attributes);
  for (let start = 0; start < rows.length; start += rowsPerProduct) {
    const chunk = rows.subarray(start, start + rowsPerProduct);
    const x = stack.rows(data.regions, chunk);
    values.set((await stack.score(x)).cosines, start * attributes);
    x.dispose();
  }
  return values;
}

function rowsOfImages(images: Int32Array, offsets: Int32Array): Int32Array {
  const rows: number[] = [];
  for (const image of images) for (let r = offsets[image]!; r < offsets[image + 1]!; r++) rows.push(r);
  return Int32Array.from(rows);
}

function union(lists: readonly Int32Array[], total: number): Int32Array {
  const used = new Uint8Array(total);
  for (const list of lists) for (const row of list) used[row] = 1;
  const rows: number[] = [];
  used.forEach((isUsed, row) => {
    if (isUsed) rows.push(row);
  });
  return Int32Array.from(rows);
}
