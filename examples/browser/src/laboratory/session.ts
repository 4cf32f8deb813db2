// Everything that needs TensorFlow.js. The worker imports this module when the first training starts.
import { attributeNames, saveTorch, VillaError, writeAnnotations } from "@villa/data";
import { type Encoder, pixelsEncoder } from "@villa/encoders";
import {
  type AttributeScores,
  assignRegions,
  chooseEpsilon,
  epsilonSweep,
  type HeadWeights,
  type MappingModel,
  mappingRows,
  modelStateDict,
  trainOptions,
} from "@villa/mapping";
import { chooseBackend } from "./backend.ts";
import { breathe } from "./breathe.ts";
import type { Dataset } from "./dataset.ts";
import { whileDeviceLasts } from "./device.ts";
import { type EmbeddedDataset, type EmbeddedSplit, type Embedder, embedDataset, embedSplit } from "./embed.ts";
import { type KeptModel, modelFor } from "./model-file.ts";
import type { OwnEncoder } from "./own-encoder.ts";
import { ownSplit } from "./own-image.ts";
import {
  type BackendName,
  epsilons,
  type ImageMapping,
  type QueryAnswer,
  type QueryHit,
  type TrainEvent,
  type TrainingResult,
  type TrainSettings,
} from "./protocol.ts";
import { parseQuery, queryInWords } from "./query.ts";
import { mentionedScores, type RegionScores, scoreAll } from "./region-scores.ts";
import { train } from "./train.ts";

interface ScoredSplit extends EmbeddedSplit {
  readonly all: RegionScores;
  readonly mentioned: readonly AttributeScores[];
}

export interface SessionOptions {
  readonly settings: TrainSettings;
  readonly listen: (event: TrainEvent) => void;
  readonly signal: AbortSignal;
  /** The image whose scores are reported; asked after every head. */
  readonly watched: () => number;
  /** The visitor's encoder. Default: random projections of pixels. */
  readonly encoder?: OwnEncoder | undefined;
}

/** Where an encoder comes from: it is opened on the backend of the moment, and disposed of after use. */
type EncoderSource = OwnEncoder | { readonly open: () => Promise<Encoder> };

const pixels = (dimension: number, seed: number): EncoderSource => ({
  open: async () => pixelsEncoder({ dimension, seed }),
});

/** Opens the encoder for as long as `work` takes. What it keeps belongs to the backend of now. */
async function withEncoder<T>(source: EncoderSource, work: (embedder: Embedder) => Promise<T>): Promise<T> {
  const encoder = await source.open();
  try {
    return await work({ encoder, key: "key" in source ? source.key : undefined });
  } finally {
    encoder.dispose();
  }
}

/** What a session knows. */
interface SessionParts {
  readonly dataset: Dataset;
  readonly embedded: EmbeddedDataset;
  readonly source: EncoderSource;
  readonly model: MappingModel;
  readonly splits: ReadonlyMap<string, ScoredSplit>;
  /** The backend that was asked for. */
  readonly backend: BackendName;
  /** Of the encoder. */
  readonly seed: number;
}

/** A model trained on a dataset, with the scores of all its regions. */
export class Session {
  readonly #parts: SessionParts;

  private constructor(parts: SessionParts) {
    this.#parts = parts;
  }

  /**
   * Embeds the dataset, trains the mapping model and scores every region.
   *
   * @throws VillaError `BackendUnavailable`, `Aborted`, and as the packages do
   */
  static async train(dataset: Dataset, options: SessionOptions): Promise<{ session: Session; result: TrainingResult }> {
    const { settings, listen } = options;
    const { epochs, learningRate, seed } = settings;
    const trainRows = dataset.rows.filter(({ split }) => split === "train");
    if (!trainRows.some(({ attributes }) => attributes.length > 0)) {
      throw new VillaError(
        "InvalidArgument",
        "No image of a train split mentions an attribute: nothing can be learned.",
      );
    }
    const { backend, lost } = await chooseBackend(settings.backend);
    listen({ kind: "backend", backend });
    const started = performance.now();
    const elapsed = (): number => (performance.now() - started) / 1000;
    const onProgress = throttled(listen);
    const source = options.encoder ?? pixels(settings.dimension, seed);
    return whileDeviceLasts(lost, options.signal, async (signal) => {
      const embedded = await withEncoder(source, (embedder) => embedDataset(dataset, embedder, { onProgress, signal }));
      const regions = dataset.rows.reduce((sum, { numRegions }) => sum + numRegions, 0);
      const dimension = embedded.attributeEmbeddings.length / embedded.attributes.length;
      listen({ kind: "embedded", regions, dimension, seconds: elapsed() });
      // A few complex images use up a small budget: they make one batch.
      const batchSize = Math.min(settings.batchSize, trainRows.length);
      const { model, history, complete } = await train(
        embedded,
        trainOptions({ epochs, batchSize, learningRate, seed }),
        {
          onProgress,
          signal,
          onHead: async (head, weights) => {
            await reportScores(dataset, embedded, head, weights, options);
            await breathe();
          },
          onEpoch: (epoch) => listen({ kind: "epoch", epoch }),
        },
      );
      const splits = await scoreSplits(embedded, model);
      const session = new Session({ dataset, embedded, source, model, splits, backend: settings.backend, seed });
      const { encoder: own } = options;
      const result = { complete, backend, history, seconds: elapsed(), ...session.#judge(), encoder: own?.summary };
      return { session, result };
    });
  }

  /**
   * Uses a model that was trained before, here or elsewhere, on a dataset.
   *
   * @returns undefined when the dataset has an attribute that the model does not know
   */
  static async restore(
    dataset: Dataset,
    kept: KeptModel,
  ): Promise<{ session: Session; result: TrainingResult } | undefined> {
    const { dimension, seed } = kept;
    const model = modelFor(kept, attributeNames(dataset.vocabulary));
    if (!model) return undefined;
    // Scoring is little work, which wasm does everywhere.
    const { backend, lost } = await chooseBackend("wasm");
    const started = performance.now();
    const source = pixels(dimension, seed);
    const { signal } = new AbortController();
    return whileDeviceLasts(lost, signal, async () => {
      const embedded = await withEncoder(source, (embedder) =>
        embedDataset(dataset, embedder, { onProgress: () => {}, signal }),
      );
      const splits = await scoreSplits(embedded, model);
      const session = new Session({ dataset, embedded, source, model, splits, backend: "auto", seed });
      const seconds = (performance.now() - started) / 1000;
      return { session, result: { complete: true, backend, history: [], seconds, ...session.#judge() } };
    });
  }

  /** The model, to be kept; undefined where it needs an encoder that is not. */
  get kept(): KeptModel | undefined {
    const { model, seed, source } = this.#parts;
    if ("key" in source) return undefined;
    return { attributes: model.attributes, dimension: model.dimension, seed, heads: model.heads };
  }

  /** The session with one more image of the visitor's own. @param dataset the old one with the image at its end */
  async withOwnImage(dataset: Dataset): Promise<Session> {
    const { embedded, source, model, splits, backend } = this.#parts;
    const images = [...dataset.rows.keys()].filter((row) => dataset.rows[row]!.split === ownSplit);
    // Chosen once more: the device of the training may have gone away since.
    const { lost } = await chooseBackend(backend);
    return whileDeviceLasts(lost, new AbortController().signal, async () => {
      const own = await withEncoder(source, (embedder) =>
        embedSplit(dataset, embedder, ownSplit, images, embedded.attributes),
      );
      const all = new Map(splits).set(ownSplit, await scored(own, model, embedded));
      return new Session({ ...this.#parts, dataset, splits: all });
    });
  }

  mapping(image: number, epsilon: number): ImageMapping {
    const { split, position } = this.#find(image);
    const assigned = assignRegions(split.mentioned, { counts: split.data.counts, epsilon })[position]!;
    const first = firstRegion(split, position);
    const count = split.data.counts[position]!;
    const names = this.#parts.embedded.attributes;
    const scores = names.flatMap((name, a) =>
      split.annotations[position]!.attributes.includes(name)
        ? [[name, [...split.all.byAttribute[a]!.subarray(first, first + count)]] as const]
        : [],
    );
    return {
      image,
      scores: Object.fromEntries(scores),
      assigned: assigned.map((region) => region.map((a) => names[a]!)),
    };
  }

  /**
   * The best regions of a split for a query. A region is as good as the condition that it meets worst; of alternatives the
   * best one counts, and what must not be there counts against it.
   */
  query(text: string, splitName: string, limit: number): QueryAnswer {
    const query = parseQuery(text, this.#parts.dataset.vocabulary);
    const { clauses, hint } = query;
    const names = this.#parts.embedded.attributes;
    const asked = queryInWords(query, names);
    const split = this.#parts.splits.get(splitName);
    if (clauses.length === 0 || !split) return { asked, hint, hits: [] };
    const hits: QueryHit[] = [];
    let row = 0;
    split.data.counts.forEach((count, position) => {
      for (let region = 0; region < count; region++, row++) {
        const scores = clauses.map(({ anyOf, negated }) => {
          const best = Math.max(...anyOf.map((a) => split.all.byAttribute[a]![row]!));
          return negated ? -best : best;
        });
        const truth = split.annotations[position]!.regToAttr?.[region];
        const isCovered = clauses.every(({ anyOf }) => !anyOf.some((a) => split.withoutTruth?.includes(a)));
        const correct =
          truth && isCovered
            ? clauses.every(({ anyOf, negated }) => anyOf.some((a) => truth.includes(names[a]!)) !== negated)
            : undefined;
        hits.push({ image: split.images[position]!, region, score: Math.min(...scores), correct });
      }
    });
    const isJudged = split.truth && hits.some(({ correct }) => correct !== undefined);
    const relevant = isJudged ? hits.filter(({ correct }) => correct).length : undefined;
    hits.sort((a, b) => b.score - a.score);
    return { asked, hint, hits: hits.slice(0, limit), relevant };
  }

  /** The best regions of a split by the cosine of the encoder's own vectors of region and text. */
  async queryByEncoder(text: string, splitName: string, limit: number): Promise<QueryAnswer> {
    const { source, splits, backend } = this.#parts;
    const split = splits.get(splitName);
    const asked = text.trim();
    if (asked === "" || !split) return { asked: "", hits: [] };
    const { lost } = await chooseBackend(backend);
    const query = await whileDeviceLasts(lost, new AbortController().signal, () =>
      withEncoder(source, ({ encoder }) => encoder.encodeText([asked])),
    );
    const { regions, counts } = split.data;
    const hits: QueryHit[] = [];
    let row = 0;
    counts.forEach((count, position) => {
      for (let region = 0; region < count; region++, row++) {
        const score = cosineOf(query, regions.subarray(row * query.length, (row + 1) * query.length));
        hits.push({ image: split.images[position]!, region, score });
      }
    });
    hits.sort((a, b) => b.score - a.score);
    return { asked: `“${asked}”`, hits: hits.slice(0, limit) };
  }

  /** `mapping_<split>.feather`, as `villa stage1` writes it. */
  async mappingFile(splitName: string, epsilon: number, seed: number): Promise<Uint8Array> {
    const split = this.#parts.splits.get(splitName);
    if (!split) throw new VillaError("NotFound", `There is no split "${splitName}" in this dataset.`);
    const assigned = assignRegions(split.mentioned, { counts: split.data.counts, epsilon });
    return writeAnnotations(
      mappingRows(split.annotations, assigned, { attributes: this.#parts.embedded.attributes, seed }),
    );
  }

  /** `last.pkl`, as `villa stage1` writes it. */
  async modelFile(): Promise<Uint8Array> {
    return saveTorch(await modelStateDict(this.#parts.model), { archiveName: "last" });
  }

  #judge(): Pick<TrainingResult, "judgedOn" | "sweep" | "best" | "baseline"> {
    const judgedOn = this.#parts.splits.has("val") ? "val" : "train";
    const { mentioned: scores, truth, withoutTruth, data } = this.#parts.splits.get(judgedOn)!;
    if (!truth?.includes(1)) return { judgedOn, sweep: [] };
    const known = { scores, truth, withoutTruth, counts: data.counts };
    return {
      judgedOn,
      sweep: epsilonSweep(known, epsilons),
      best: chooseEpsilon(known),
      baseline: epsilonSweep(known, [2])[0]!.f1,
    };
  }

  #find(image: number): { split: ScoredSplit; position: number } {
    const split = this.#parts.splits.get(this.#parts.dataset.rows[image]?.split ?? "");
    const position = split?.images.indexOf(image) ?? -1;
    if (!split || position < 0) throw new VillaError("NotFound", "The model has not seen this image; train again.");
    return { split, position };
  }
}

async function scoreSplits(embedded: EmbeddedDataset, model: MappingModel): Promise<Map<string, ScoredSplit>> {
  const splits = new Map<string, ScoredSplit>();
  for (const [split, each] of embedded.splits) splits.set(split, await scored(each, model, embedded));
  return splits;
}

async function scored(split: EmbeddedSplit, model: MappingModel, embedded: EmbeddedDataset): Promise<ScoredSplit> {
  const all = await scoreAll(model, split.data, embedded.attributeEmbeddings);
  return { ...split, all, mentioned: mentionedScores(all, split.data) };
}

/** Tells how a head scores the regions of the image that is looked at, if that image has its attribute. */
async function reportScores(
  dataset: Dataset,
  embedded: EmbeddedDataset,
  head: number,
  weights: HeadWeights,
  { listen, watched }: SessionOptions,
): Promise<void> {
  const image = watched();
  const split = embedded.splits.get(dataset.rows[image]?.split ?? "");
  const position = split?.images.indexOf(image) ?? -1;
  const { attributes, attributeEmbeddings } = embedded;
  if (!split?.annotations[position]?.attributes.includes(attributes[head]!)) return;
  const dimension = attributeEmbeddings.length / attributes.length;
  const [first, count] = [firstRegion(split, position), split.data.counts[position]!];
  const one = {
    regions: split.data.regions.subarray(first * dimension, (first + count) * dimension),
    counts: Int32Array.of(count),
    labels: new Uint8Array(attributes.length),
  };
  const model = { attributes, dimension, oneProj: false, adapter: false, load: async () => weights };
  const { byAttribute } = await scoreAll(model, one, attributeEmbeddings, [head]);
  listen({ kind: "scores", attribute: attributes[head]!, image, scores: byAttribute[head]! });
}

function cosineOf(a: Float32Array, b: Float32Array): number {
  let [product, ofA, ofB] = [0, 0, 0];
  for (let i = 0; i < a.length; i++) {
    product += a[i]! * b[i]!;
    ofA += a[i]! ** 2;
    ofB += b[i]! ** 2;
  }
  return product / Math.sqrt(ofA * ofB || 1);
}

function firstRegion({ data }: EmbeddedSplit, position: number): number {
  return data.counts.subarray(0, position).reduce((sum, count) => sum + count, 0);
}

/** Progress at most every 50 ms and at the end: more often than a page can show it helps nobody. */
function throttled(
  listen: (event: TrainEvent) => void,
): (update: { task: string; done: number; total?: number | undefined }) => void {
  let last = 0;
  return ({ task, done, total = 0 }) => {
    if (done < total && performance.now() - last < 50) return;
    last = performance.now();
    listen({ kind: "progress", task, done, total });
  };
}
