import type * as tf from "@tensorflow/tfjs-core";
import type { WeightStorage } from "@villa/core";
import type { Box, RgbImage, TensorData } from "@villa/data";
import type { EncoderFiles } from "./files.ts";
import type { ImageMasks, Regions } from "./regions/group-regions.ts";
import type { PictureInput } from "./regions/picture-input.ts";

/** Sizes and settings as JSON. */
export type TowerConfig = Readonly<Record<string, unknown>>;

/** Family and sizes of a tower: what checkpoints and manifests keep, and what makes an equal tower again. */
export interface TowerDescription {
  /** Name in `imageTowers` or `textTowers`. */
  readonly family: string;
  readonly config: TowerConfig;
}

/** How a forward pass treats BatchNorm; towers without one ignore it. */
export interface ForwardOptions {
  /** Normalise with the batch's statistics instead of the running ones. Default false. */
  readonly training?: boolean | undefined;
  /** In training, move the running statistics. Turn off when a batch is computed a second time. Default true. */
  readonly updateStatistics?: boolean | undefined;
}

/** Which weights an optimiser changes: all, the last blocks and what follows them, or what follows the last block. */
export type TrainablePart = "all" | "head" | { readonly last: number };

/**
 * An image tower on tensors: all that training needs to know of it. Whole images run through `features` once,
 * regions are cut out of the map.
 *
 * Every forward pass is differentiable with respect to the parameters.
 */
export interface ImageTower {
  readonly description: TowerDescription;
  /** Length of the vectors. */
  readonly embedDim: number;
  /** How pictures become the tower's images: size and pixel statistics. */
  readonly input: PictureInput;
  /** Weights by the checkpoint's names. */
  readonly parameters: ReadonlyMap<string, tf.Tensor>;
  /** Names and variables that an optimiser should change. Default all. */
  trainableVariables(part?: TrainablePart): Map<string, tf.Variable>;
  /** @param images [B, h, w, 3] as `input` makes them @returns the map that regions are cut from, [B, gh, gw, C] */
  features(images: tf.Tensor4D, options?: ForwardOptions): tf.Tensor4D;
  /** @param features of `features` @returns [R, embedDim] in the order of `regions`, not normalised */
  regionEmbeddings(features: tf.Tensor4D, regions: Regions, options?: ForwardOptions): tf.Tensor2D;
  /** Means of the map's cells that regions cover, where the map consists of patch tokens; as {@link regionEmbeddings}. */
  maskEmbeddings?(features: tf.Tensor4D, regions: Regions, options?: ForwardOptions): tf.Tensor2D;
  /** Whole images as the family embeds them. @param images [B, h, w, 3] @returns [B, embedDim], not normalised */
  imageEmbeddings(images: tf.Tensor4D, options?: ForwardOptions): tf.Tensor2D;
  /** Weights as files hold them: the checkpoint's names, torch's layout. */
  stateDict(): Promise<Map<string, TensorData>>;
  /** Frees what was derived from the weights; call it after changing them in place. */
  refresh(): void;
  /** Frees what it holds on the backend. */
  dispose(): void;
}

/** Pictures in, vectors out: all that preprocessing, queries and annotation need to know of an image encoder. */
export interface ImageEncoder {
  readonly name: string;
  /** Length of the vectors. */
  readonly dimension: number;
  /** What results depend on besides the name; kept in the manifest, so that embeddings of two kinds never mix. */
  readonly options: Readonly<Record<string, string | number | boolean>>;
  /** The tower behind it, when it can be trained. */
  readonly tower?: ImageTower | undefined;
  /**
   * Embeds whole pictures.
   *
   * @param images any sizes
   * @returns [images, dimension], not normalised
   */
  encodeImages(images: readonly RgbImage[]): Promise<Float32Array>;
  /**
   * @param boxes each image's regions
   * @param options `masks` of the regions, of the sizes of the images; only `regions: "mask"` looks at them
   * @returns [R, dimension], image after image, not normalised
   */
  encodeRegions(
    images: readonly RgbImage[],
    boxes: readonly (readonly Box[])[],
    options?: { readonly masks?: ImageMasks | undefined },
  ): Promise<Float32Array>;
  /** Frees what it holds on the backend. */
  dispose(): void;
}

/** Sentences in, vectors out. */
export interface TextTower {
  readonly description: TowerDescription;
  readonly embedDim: number;
  /** @returns [texts, embedDim], not normalised */
  encodeText(texts: readonly string[]): Promise<Float32Array>;
  /** Frees what it holds on the backend. */
  dispose(): void;
}

/** How regions of a picture are seen. */
export interface RegionOptions {
  /**
   * `roi-align` (the paper's): the whole image runs through the tower once, and regions are cut from its feature map.
   * `crop`: every region is cut from the image and encoded as an image of its own; slower by the number of regions and
   * blind to their surroundings. `mask`: the mean of the patch tokens that a region's mask covers, or its box where it has
   * none. Default `roi-align`.
   */
  readonly regions?: "roi-align" | "crop" | "mask" | undefined;
  /** `crop`: what is added on each side, as a share of the region's own side. Default 0. */
  readonly context?: number | undefined;
  /** Vision transformers: the map that regions are cut from. Default `value` where the family has it. */
  readonly dense?: "value" | "last-hidden" | undefined;
  /** Side in pixels to which images are scaled, when not the tower's own. */
  readonly imageSize?: number | undefined;
}

/** What a family is asked to make. */
export interface LoadRequest extends RegionOptions {
  /** Absent for encoders that need no files. */
  readonly files?: EncoderFiles | undefined;
  /** Known sizes, e.g. of a checkpoint; otherwise what `recognise` finds. */
  readonly config?: TowerConfig | undefined;
  /** Weights in variables, ready to train. Default false: folded and fused where that saves time and memory. */
  readonly trainable?: boolean | undefined;
  /**
   * How weights that are not trained lie on the backend. `float16` takes half of the memory, on WebGPU; features change in
   * the fourth digit. Default `float32`.
   */
  readonly storage?: WeightStorage | undefined;
  /** Length of the vectors, where it can be chosen. */
  readonly dimension?: number | undefined;
  /** Of random projections and random weights. */
  readonly seed?: number | undefined;
}

/** An entry of the registry: finds out whether files are of its family, and loads them. */
export interface EncoderFamily<Encoder> {
  /** Whether it has weights that `storage: "float16"` could be about. Default false: such a request is refused. */
  readonly storesHalves?: boolean | undefined;
  /** The sizes that the files show, or undefined when they are of another family. */
  recognise(files: EncoderFiles): Promise<TowerConfig | undefined>;
  /** @throws VillaError `Mismatch` naming what is missing, unexpected or wrongly shaped; `NotFinite` naming a tensor */
  load(request: LoadRequest): Promise<Encoder>;
}

/** A family of image encoders in the registry. */
export type ImageFamily = EncoderFamily<ImageEncoder>;
/** A family of text towers in the registry. */
export type TextFamily = EncoderFamily<TextTower>;
