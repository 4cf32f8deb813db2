import { VillaError } from "@villa/data";
import { transfer } from "comlink";
import { type Dataset, pictureOf, summarize } from "./dataset.ts";
import { zipDataset } from "./export-dataset.ts";
import { generateDataset } from "./generate.ts";
import { importDataset } from "./import-dataset.ts";
import { withOwnImage } from "./own-image.ts";
import type {
  DatasetSettings,
  DatasetSummary,
  InputFile,
  LaboratoryApi,
  OutputFile,
  OwnImage,
  Picture,
  Pictures,
  TrainEvent,
  TrainingResult,
  TrainSettings,
} from "./protocol.ts";
import type { Session } from "./session.ts";

/** The worker's state: one dataset, and one model trained on it. */
export class Laboratory implements LaboratoryApi {
  #dataset: Dataset | undefined;
  #session: Session | undefined;
  #seed = 23;
  #watched = 0;
  #training: AbortController | undefined;

  loadedFiles(): string[] {
    return performance.getEntriesByType("resource").map(({ name }) => name);
  }

  async generate(settings: DatasetSettings): Promise<DatasetSummary> {
    return this.#open(generateDataset(settings));
  }

  async importFiles(files: readonly InputFile[]): Promise<DatasetSummary> {
    return this.#open(await importDataset(files));
  }

  async addImage(image: OwnImage): Promise<DatasetSummary> {
    this.#refuseWhileTraining();
    const dataset = withOwnImage(this.#current(), image);
    this.#session = await this.#session?.withOwnImage(dataset);
    this.#dataset = dataset;
    return summarize(dataset);
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
    this.#session = undefined;
    this.#seed = settings.seed;
    try {
      const { Session } = await import("./session.ts");
      const { signal } = training;
      const watched = (): number => this.#watched;
      const { session, result } = await Session.train(this.#current(), { settings, listen, signal, watched });
      this.#session = session;
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

  #open(dataset: Dataset): DatasetSummary {
    this.#refuseWhileTraining();
    this.#dataset = dataset;
    this.#session = undefined;
    return summarize(dataset);
  }

  #current(): Dataset {
    if (!this.#dataset) throw new VillaError("NotFound", "There is no dataset yet; generate or open one.");
    return this.#dataset;
  }

  #trained(): Session {
    if (!this.#session) throw new VillaError("NotFound", "There is no model of this dataset yet; train one.");
    return this.#session;
  }

  #refuseWhileTraining(): void {
    if (this.#training) throw new VillaError("InvalidArgument", "A training is running; stop it first.");
  }
}

function file(name: string, contents: Uint8Array): OutputFile {
  const bytes = contents as Uint8Array<ArrayBuffer>;
  return transfer({ name, bytes }, [bytes.buffer]);
}
