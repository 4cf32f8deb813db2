// What the page and its worker tell each other. Everything here can be cloned; functions go through Comlink.
import type { AttributeGroup, Box } from "@villa/data";
import type { EpochSummary, EpsilonResult } from "@villa/mapping";

/** What to generate. */
export interface DatasetSettings {
  readonly seed: number;
  readonly attributeBudget: number;
  readonly valAttributeBudget: number;
  readonly targetSampleComplexity: number;
  /** Names of built-in colours. */
  readonly colors: readonly string[];
  /** Names of built-in shapes, and "none". */
  readonly shapes: readonly string[];
}

export interface SplitSummary {
  readonly split: string;
  /** Numbers of its images, in the order of the dataset. */
  readonly images: readonly number[];
  readonly regions: number;
  /** (region, attribute) pairs of an image on average; absent where the true attributes are not known. */
  readonly sampleComplexity?: number | undefined;
}

export interface DatasetSummary {
  /** Name of its folder. */
  readonly name: string;
  readonly splits: readonly SplitSummary[];
  readonly groups: readonly AttributeGroup[];
  /** Regions that have a mask. */
  readonly masks: number;
  /** The image that explains the method best. */
  readonly telling: number;
}

/** An image of the dataset, ready to be drawn. */
export interface Picture {
  /** Its number in the dataset. */
  readonly image: number;
  readonly split: string;
  readonly width: number;
  readonly height: number;
  /** [height / reduction, width / reduction, 4], rounded up. */
  readonly rgba: Uint8ClampedArray<ArrayBuffer>;
  /** How many pixels of the image, across and down, one of `rgba` stands for: large images are drawn coarser. */
  readonly reduction: number;
  readonly boxes: readonly Box[];
  /** True attributes of each region, where they are known. */
  readonly truth?: readonly (readonly string[])[] | undefined;
  readonly text: string;
  /** Of the text, where the dataset keeps them. */
  readonly sentences?: readonly string[] | undefined;
  /** Attributes that the text mentions. */
  readonly attributes: readonly string[];
}

export interface Pictures {
  readonly pictures: readonly Picture[];
  /** What is wrong with the first of those that cannot be read. */
  readonly problem?: string | undefined;
}

export const backendNames = ["auto", "webgpu", "webgl", "wasm", "cpu"] as const;
export type BackendName = (typeof backendNames)[number];

export interface TrainSettings {
  readonly backend: BackendName;
  /** Length of the embeddings. */
  readonly dimension: number;
  readonly epochs: number;
  readonly batchSize: number;
  readonly learningRate: number;
  readonly seed: number;
}

export interface BackendInUse {
  readonly name: string;
  readonly detail: string;
  /** Why others that would have come first do not run here. */
  readonly passedOver: readonly string[];
  /** It was asked for by name, although the processor does the work of a graphics card there. */
  readonly software: boolean;
}

/** What happens while the worker trains. */
export type TrainEvent =
  | { readonly kind: "backend"; readonly backend: BackendInUse }
  /** All regions are embedded, as vectors of `dimension` numbers. */
  | { readonly kind: "embedded"; readonly regions: number; readonly dimension: number; readonly seconds: number }
  | { readonly kind: "progress"; readonly task: string; readonly done: number; readonly total: number }
  /** A head has finished an epoch and scores the regions of the watched image. */
  | { readonly kind: "scores"; readonly attribute: string; readonly image: number; readonly scores: Float32Array }
  | { readonly kind: "epoch"; readonly epoch: EpochSummary };

export interface TrainingResult {
  /** False when it was stopped; the epochs that were finished count. */
  readonly complete: boolean;
  readonly backend: BackendInUse;
  readonly history: readonly EpochSummary[];
  readonly seconds: number;
  /** The split that the figures below speak of: "val" where there is one. */
  readonly judgedOn: string;
  /** Quality at every ε of the slider; empty where the true attributes are not known. */
  readonly sweep: readonly EpsilonResult[];
  readonly best?: EpsilonResult | undefined;
  /** F1 of giving every attribute of an image to all of its regions, where the truth is known. */
  readonly baseline?: number | undefined;
  /** The visitor's encoder that embedded the regions, if one did. */
  readonly encoder?: EncoderSummary | undefined;
}

/** A dataset with the model of it, as it was before a reload or an undone step. */
export interface Recalled {
  readonly dataset: DatasetSummary;
  /** The settings that it was made with; undefined where it comes from files. */
  readonly generated?: DatasetSettings | undefined;
  /** Of the model that was trained on it, if one was. */
  readonly result?: TrainingResult | undefined;
}

/** ε of the slider: 0.01 … 1. */
export const epsilons: readonly number[] = Array.from({ length: 100 }, (_, i) => (i + 1) / 100);

/** What the trained model says about an image. */
export interface ImageMapping {
  readonly image: number;
  /** Of every attribute that the text mentions: the score of each region, in −1 … 1. */
  readonly scores: Readonly<Record<string, readonly number[]>>;
  /** Attributes assigned to each region at ε. */
  readonly assigned: readonly (readonly string[])[];
}

export interface QueryHit {
  readonly image: number;
  readonly region: number;
  readonly score: number;
  /** Whether the region truly is what was asked for, where that is known. */
  readonly correct?: boolean | undefined;
}

export interface QueryAnswer {
  /** The query as it was understood, "red + (one or two)"; empty where it names no attribute. */
  readonly asked: string;
  /** A sentence about words that were not understood. */
  readonly hint?: string | undefined;
  readonly hits: readonly QueryHit[];
  /** Regions of the split that truly are what was asked for, where that is known. */
  readonly relevant?: number | undefined;
}

/** An encoder that the visitor brought. */
export interface EncoderSummary {
  /** The file of its weights. */
  readonly file: string;
  /** What kind of network it is. */
  readonly family: string;
  readonly megabytes: number;
  /** Whether sentences are embedded by its own text encoder; else their words are hashed. */
  readonly hasText: boolean;
}

/** What embedding the dataset with it takes, measured on one image. */
export interface EncoderTrial {
  /** Length of its vectors. */
  readonly dimension: number;
  /** To load it. */
  readonly loadSeconds: number;
  readonly secondsPerImage: number;
  readonly images: number;
  /** Each region is cut from the picture and embedded by itself: the encoder gives no vectors of a picture's places. */
  readonly crops: boolean;
  /** The browser keeps embeddings for the next visit. */
  readonly canKeep: boolean;
  /** The embeddings of this dataset are kept from before: nothing has to be computed. */
  readonly kept: boolean;
}

/** A file from a folder, an archive or a drop. */
export interface InputFile {
  /** Path with its folders. */
  readonly path: string;
  readonly contents: Blob;
}

/** An image of the visitor's own. */
export interface OwnImage {
  readonly name: string;
  readonly width: number;
  readonly height: number;
  /** [height, width, 4] */
  readonly rgba: Uint8ClampedArray<ArrayBuffer>;
  readonly boxes: readonly Box[];
  /** Sentences that describe it; may be empty. */
  readonly text: string;
}

/** Which pairs a tower of Stage 2 learns from: whole images with their whole texts, or mapped regions with their sentences. */
export type TowerPairs = "image" | "mapping";

export interface TowerSettings {
  readonly backend: BackendName;
  /** Steps of each tower. */
  readonly steps: number;
}

/** A trained tower, judged by regions that it has not seen. */
export interface TowerPoint {
  readonly pairs: TowerPairs;
  /** Pairs of an image that were asked for; undefined for data from files. */
  readonly target?: number | undefined;
  /** (region, attribute) pairs of a training image on average, where the truth is known. */
  readonly complexity?: number | undefined;
  /** Training images. */
  readonly images: number;
  /** R-Precision in 0 … 1: of the attributes that rank first for a region, as many as it truly has, how many are right. */
  readonly regionToText: number;
  /** The same of the regions that rank first for an attribute. */
  readonly textToRegion: number;
  /** Of training and judging. */
  readonly seconds: number;
}

/** What happens while towers are trained. */
export type TowerEvent =
  | { readonly kind: "backend"; readonly backend: BackendInUse }
  | {
      readonly kind: "progress";
      readonly task: string;
      /** Of all the work, in 0 … 1. */
      readonly share: number;
      /** Undefined until it can be told. */
      readonly secondsLeft?: number | undefined;
    }
  | { readonly kind: "tower"; readonly point: TowerPoint };

/** The towers of the current data and settings. */
export interface TowersState {
  readonly points: readonly TowerPoint[];
  /** How many there are when all are trained. */
  readonly towers: number;
  /** The data are drawn digits, of which several complexities are compared. */
  readonly generated: boolean;
  /** The split that judges. */
  readonly judgedOn: string;
  /** Why none can be trained on these data. */
  readonly refusal?: string | undefined;
  /** Towers of other data or settings are kept. */
  readonly hasOthers: boolean;
}

/** A tower's files: for any ONNX runtime, and the checkpoint that `villa` reads. */
export interface TowerFiles {
  readonly onnx: Uint8Array;
  readonly checkpoint: Uint8Array;
}
export type TowerFileKind = keyof TowerFiles;

/** A file to be saved. */
export interface OutputFile {
  readonly name: string;
  readonly bytes: Uint8Array<ArrayBuffer>;
}

/** Rows of a table that have been read, with their pictures. */
export interface ReadingProgress {
  readonly done: number;
  readonly total: number;
}

/** The worker's side. Every call rejects with a sentence for people. */
export interface LaboratoryApi {
  /** Addresses of the files that the worker has loaded. */
  loadedFiles(): string[];
  /** What was kept when the page was last open with these settings; undefined when there is nothing. */
  recall(settings: DatasetSettings): Promise<Recalled | undefined>;
  generate(settings: DatasetSettings): Promise<DatasetSummary>;
  /** Puts the model that comes with the page to work; undefined when it does not know all attributes of the dataset. */
  useShippedModel(): Promise<TrainingResult | undefined>;
  /** Whether {@link undo} has something to bring back: a trained model, or data from files. */
  canUndo(): boolean;
  /** Exchanges dataset and model for those that were replaced last. */
  undo(): Promise<Recalled>;
  /** @param listen hears how far it is, where it takes long: a table whose pictures are all looked at */
  importFiles(files: readonly InputFile[], listen?: (progress: ReadingProgress) => void): Promise<DatasetSummary>;
  /** Gives up the files that are being read; the data before stay. */
  stopReading(): void;
  addImage(image: OwnImage): Promise<DatasetSummary>;
  /** Recognises an encoder by its files, and has the next trainings use it. */
  useEncoder(files: readonly InputFile[]): Promise<EncoderSummary>;
  /** Loads that encoder and embeds one image of the dataset. */
  tryEncoder(backend: BackendName): Promise<EncoderTrial>;
  /** Has the next trainings use random projections of pixels again. */
  forgetEncoder(): void;
  pictures(images: readonly number[]): Promise<Pictures>;
  train(settings: TrainSettings, listen: (event: TrainEvent) => void): Promise<TrainingResult>;
  /** Ends the training after the current step. */
  stop(): void;
  /** Chooses the image whose scores `train` reports. */
  watch(image: number): void;
  mapping(image: number, epsilon: number): Promise<ImageMapping>;
  query(text: string, split: string, limit: number): Promise<QueryAnswer>;
  /** The best regions for a text as the encoder itself compares them; only after a training with an own encoder. */
  queryByEncoder(text: string, split: string, limit: number): Promise<QueryAnswer>;
  exportDataset(): Promise<OutputFile>;
  exportMapping(split: string, epsilon: number): Promise<OutputFile>;
  exportModel(): Promise<OutputFile>;
  /** The towers of Stage 2 that belong to the current data and these settings. */
  towers(settings: TowerSettings): Promise<TowersState>;
  /** Trains those that are missing; all anew when none is. {@link stop} ends it, and what was finished stays. */
  trainTowers(settings: TowerSettings, listen: (event: TowerEvent) => void): Promise<TowersState>;
  exportTower(settings: TowerSettings, kind: TowerFileKind): Promise<OutputFile>;
}
