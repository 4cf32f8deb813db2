import { isVillaError, VillaError } from "@villa/data";
import { transfer } from "comlink";
import { type Dataset, pictureOf, summarize } from "./dataset.ts";
import { zipDataset } from "./export-dataset.ts";
import { generateDataset } from "./generate.ts";
import { importDataset } from "./import-dataset.ts";
import { keepState, keptState } from "./keep.ts";
import type { OwnEncoder } from "./own-encoder.ts";
import { ownSplit, withOwnImage } from "./own-image.ts";
import type {
  BackendName,
  DatasetSettings,
  DatasetSummary,
  EncoderSummary,
  EncoderTrial,
  InputFile,
  LaboratoryApi,
  OutputFile,
  OwnImage,
  Picture,
  Pictures,
  ReadingProgress,
  Recalled,
  TowerEvent,
  TowerFileKind,
  TowerSettings,
  TowersState,
  TrainEvent,
  TrainingResult,
  TrainSettings,
} from "./protocol.ts";
import type { Session } from "./session.ts";
import { type TowerSource, Towers } from "./towers.ts";

/** A dataset, and what was made of it. */
interface Bench {
  readonly dataset: Dataset;
  /** The settings that it was made with; undefined where it comes from files. */
  readonly generated?: DatasetSettings | undefined;
  readonly session?: Session | undefined;
  /** Of a training on this dataset; the model that comes with the page has none. */
  readonly result?: TrainingResult | undefined;
}

/** The worker's state: one dataset and one model of it, and those before that can be brought back. */
export class Laboratory implements LaboratoryApi {
  #bench: Bench | undefined;
  #former: Bench | undefined;
  /** What the controls said last. */
  #settings: DatasetSettings | undefined;
  #seed = 23;
  #watched = 0;
  #training: AbortController | undefined;
  #reading: AbortController | undefined;
  /** The visitor's encoder, for the trainings to come. */
  #encoder: OwnEncoder | undefined;
  #restoring: Promise<unknown> | undefined;
  readonly #towers = new Towers();

  loadedFiles(): string[] {
    return performance.getEntriesByType("resource").map(({ name }) => name);
  }

  async recall(settings: DatasetSettings): Promise<Recalled | undefined> {
    this.#settings = settings;
    const kept = await keptState();
    if (!kept || JSON.stringify(kept.settings) !== JSON.stringify(settings)) return undefined;
    if (!kept.archive && !kept.trained) return undefined;
    const { archive, trained } = kept;
    const dataset = archive
      ? await importDataset([{ path: "kept.zip", contents: new Blob([archive]) }])
      : generateDataset(settings);
    const generated = archive ? undefined : settings;
    const { Session } = await import("./session.ts");
    const restored = trained && (await Session.restore(dataset, trained.model));
    this.#seed = trained?.model.seed ?? this.#seed;
    this.#bench = { dataset, generated, session: restored?.session, result: restored && trained.result };
    return recalled(this.#bench);
  }

  async generate(settings: DatasetSettings): Promise<DatasetSummary> {
    this.#settings = settings;
    return this.#open({ dataset: generateDataset(settings), generated: settings });
  }

  async importFiles(
    files: readonly InputFile[],
    listen?: (progress: ReadingProgress) => void,
  ): Promise<DatasetSummary> {
    const reading = new AbortController();
    this.#reading = reading;
    return this.#open({ dataset: await importDataset(files, { listen, signal: reading.signal }) });
  }

  stopReading(): void {
    this.#reading?.abort();
  }

  async useShippedModel(): Promise<TrainingResult | undefined> {
    const bench = this.#bench;
    if (!bench || bench.session || this.#training) return undefined;
    const restoring = restoreShipped(bench.dataset);
    // A training that is asked for meanwhile waits: both need the backend.
    this.#restoring = restoring;
    const restored = await restoring;
    if (this.#bench !== bench || !restored) return undefined;
    this.#bench = { ...bench, session: restored.session };
    return restored.result;
  }

  canUndo(): boolean {
    return this.#former !== undefined;
  }

  async undo(): Promise<Recalled> {
    this.#refuseWhileTraining();
    if (!this.#former) throw new VillaError("NotFound", "There is nothing to undo.");
    [this.#bench, this.#former] = [this.#former, this.#bench];
    this.#settings = this.#bench.generated ?? this.#settings;
    void this.#keep();
    return recalled(this.#bench);
  }

  async addImage(image: OwnImage): Promise<DatasetSummary> {
    this.#refuseWhileTraining();
    const dataset = withOwnImage(this.#current(), image);
    this.#bench = { ...this.#bench, dataset, session: await this.#bench?.session?.withOwnImage(dataset) };
    void this.#keep();
    return summarize(dataset);
  }

  async useEncoder(files: readonly InputFile[]): Promise<EncoderSummary> {
    this.#refuseWhileTraining();
    const { recogniseEncoder } = await import("./own-encoder.ts");
    this.#encoder = await recogniseEncoder(files);
    return this.#encoder.summary;
  }

  async tryEncoder(backend: BackendName): Promise<EncoderTrial> {
    this.#refuseWhileTraining();
    const encoder = this.#encoder;
    if (!encoder) throw new VillaError("NotFound", "There is no encoder to try; bring its weights first.");
    await this.#restoring?.catch(() => undefined);
    const { tryEncoder } = await import("./try-encoder.ts");
    return tryEncoder(encoder, this.#current(), backend);
  }

  forgetEncoder(): void {
    this.#refuseWhileTraining();
    this.#encoder = undefined;
  }

  async pictures(images: readonly number[]): Promise<Pictures> {
    const dataset = this.#current();
    const pictures: Picture[] = [];
    let problem: string | undefined;
    for (const image of images) {
      if (image >= dataset.rows.length) continue;
      try {
        pictures.push(await pictureOf(dataset, image));
      } catch (error) {
        // One that cannot be read does not hide the others.
        problem ??= (error as Error).message;
      }
    }
    return transfer(
      { pictures, problem },
      pictures.map(({ rgba }) => rgba.buffer),
    );
  }

  async train(settings: TrainSettings, listen: (event: TrainEvent) => void): Promise<TrainingResult> {
    this.#refuseWhileTraining();
    const training = new AbortController();
    this.#training = training;
    this.#seed = settings.seed;
    try {
      const dataset = this.#current();
      await this.#restoring?.catch(() => undefined);
      this.#remember();
      this.#bench = { dataset, generated: this.#bench?.generated };
      const { Session } = await import("./session.ts");
      const { signal } = training;
      const watched = (): number => this.#watched;
      const { session, result } = await Session.train(dataset, {
        settings,
        listen,
        signal,
        watched,
        encoder: this.#encoder,
      });
      this.#bench = { dataset, generated: this.#bench?.generated, session, result };
      void this.#keep();
      return result;
    } finally {
      this.#training = undefined;
    }
  }

  stop(): void {
    this.#training?.abort(new VillaError("Aborted", "Training was stopped before its first epoch was finished."));
  }

  watch(image: number): void {
    this.#watched = image;
  }

  mapping: LaboratoryApi["mapping"] = async (image, epsilon) => this.#trained().mapping(image, epsilon);

  query: LaboratoryApi["query"] = async (text, split, limit) => this.#trained().query(text, split, limit);

  queryByEncoder: LaboratoryApi["queryByEncoder"] = async (text, split, limit) =>
    this.#trained().queryByEncoder(text, split, limit);

  async exportDataset(): Promise<OutputFile> {
    const dataset = this.#current();
    return file(`${dataset.name}.zip`, await zipDataset(dataset));
  }

  async exportMapping(split: string, epsilon: number): Promise<OutputFile> {
    return file(`mapping_${split}.feather`, await this.#trained().mappingFile(split, epsilon, this.#seed));
  }

  async exportModel(): Promise<OutputFile> {
    return file("last.pkl", await this.#trained().modelFile());
  }

  async towers(settings: TowerSettings): Promise<TowersState> {
    return this.#towers.state(this.#source(), settings);
  }

  async trainTowers(settings: TowerSettings, listen: (event: TowerEvent) => void): Promise<TowersState> {
    this.#refuseWhileTraining();
    const training = new AbortController();
    this.#training = training;
    try {
      const source = this.#source();
      await this.#restoring?.catch(() => undefined);
      await this.#towers.train(source, settings, { listen, signal: training.signal });
    } catch (error) {
      // What was reached before a stop is the result.
      if (!isVillaError(error, "Aborted")) throw error;
    } finally {
      this.#training = undefined;
    }
    return this.towers(settings);
  }

  async exportTower(settings: TowerSettings, kind: TowerFileKind): Promise<OutputFile> {
    const found = await this.#towers.file(this.#source(), settings, kind);
    if (!found) throw new VillaError("NotFound", "There is no tower of these data and settings yet; train one.");
    return file(found.name, found.bytes);
  }

  #open(bench: Bench): DatasetSummary {
    this.#refuseWhileTraining();
    this.#remember();
    this.#bench = bench;
    void this.#keep();
    return summarize(bench.dataset);
  }

  /** What took time or came from files is worth an undo; data that settings make again is not. */
  #remember(): void {
    if (this.#bench && (this.#bench.result || !this.#bench.generated)) this.#former = this.#bench;
  }

  /** Keeps dataset and model over a reload. */
  async #keep(): Promise<void> {
    const { dataset, generated, session, result } = this.#bench!;
    if (!this.#settings) return;
    const isOwn = !generated || dataset.rows.some(({ split }) => split === ownSplit);
    await keepState({
      settings: this.#settings,
      archive: isOwn && (await isSmall(dataset)) ? await zipDataset(dataset) : undefined,
      trained: session?.kept && result ? { model: session.kept, result } : undefined,
    });
  }

  #current(): Dataset {
    if (!this.#bench) throw new VillaError("NotFound", "There is no dataset yet; generate or open one.");
    return this.#bench.dataset;
  }

  #source(): TowerSource {
    return { dataset: this.#current(), generated: this.#bench?.generated };
  }

  #trained(): Session {
    if (!this.#bench?.session) throw new VillaError("NotFound", "There is no model of this dataset yet; train one.");
    return this.#bench.session;
  }

  #refuseWhileTraining(): void {
    if (this.#training) throw new VillaError("InvalidArgument", "A training is running; stop it first.");
  }
}

const recalled = ({ dataset, generated, result }: Bench): Recalled => ({
  dataset: summarize(dataset),
  generated,
  result,
});

/** Whether its images take less than 200 MB: an archive of more might not fit into memory. */
async function isSmall({ rows, imageFile }: Dataset): Promise<boolean> {
  let bytes = 0;
  for (const row of rows.keys()) {
    bytes += (await imageFile(row)).length;
    if (bytes > 200_000_000) return false;
  }
  return true;
}

/** Loads what is needed of TensorFlow.js too. */
async function restoreShipped(dataset: Dataset) {
  const [{ Session }, { shippedModel }] = await Promise.all([import("./session.ts"), import("./shipped-model.ts")]);
  return Session.restore(dataset, await shippedModel());
}

function file(name: string, contents: Uint8Array): OutputFile {
  const bytes = contents as Uint8Array<ArrayBuffer>;
  return transfer({ name, bytes }, [bytes.buffer]);
}
