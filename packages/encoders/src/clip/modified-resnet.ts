import * as tf from "@tensorflow/tfjs-core";
import {
  avgPool2d,
  type CompiledGraph,
  frozenWeight,
  graphCompiler,
  prepareRoiAlign,
  type WeightStorage,
} from "@villa/core";
import { checkArgument, type TensorData, VillaError } from "@villa/data";
import { backboneGraph } from "../onnx/backbone-graph.ts";
import { checkRegions, type Regions, wholeImages } from "../regions/group-regions.ts";
import { type PictureInput, plainPixels } from "../regions/picture-input.ts";
import type { ForwardOptions, ImageTower, TowerDescription, TrainablePart } from "../tower.ts";
import { attentionPool, type ConvNorm, FoldedLayers, TrainingLayers, type VisionLayers } from "./layers.ts";
import { type BlockShape, blockShapes, type ModifiedResNetConfig, resNetRule, type WeightArray } from "./parameters.ts";
import { visionStateDict } from "./state-dict.ts";

/** Maps [B, h, w, C] to regions, [R, side, side, C]. */
interface Alignment {
  readonly apply: (features: tf.Tensor4D) => tf.Tensor4D;
  /** R × side². */
  readonly bins: number;
}

/** RoIAlign, and RoIAlign with bins averaged 2 × 2. */
interface RoiAlign {
  readonly whole: Alignment;
  readonly pooled: Alignment;
}

/**
 * CLIP's image tower: a ResNet with a three-convolution stem, average pools before its strided 1 × 1 convolutions, and
 * attention in place of the final pool. Split where ViLLA needs it: {@link features} runs stem … layer3 on whole images,
 * {@link regionEmbeddings} RoIAlign, layer4 and the attention pool on regions.
 *
 * Every forward pass is differentiable in training mode: wrap it in `tf.variableGrads`.
 *
 * @see ViLLA paper, section 3.2 (region features)
 */
export class ModifiedResNet implements ImageTower {
  readonly config: ModifiedResNetConfig;
  /**
   * Weights by their torch names (`visual.layer1.0.conv1.weight`): convolutions are [h, w, in, out] in memory, linear
   * layers [out, in] as in torch. For training they are `tf.Variable`s, running statistics not trainable.
   */
  readonly parameters: ReadonlyMap<string, tf.Tensor>;
  readonly #blocks: readonly BlockShape[][];
  #folded: FoldedLayers | undefined;
  #frozen = false;
  #storage: WeightStorage = "float32";
  /** Stem … layer3 as one graph, where the backend runs graphs. */
  #backbone: CompiledGraph | undefined;

  constructor(config: ModifiedResNetConfig, parameters: ReadonlyMap<string, tf.Tensor>) {
    checkArgument("config", config, resNetRule);
    checkArgument("parameters", parameters, "Map");

    this.config = config;
    this.parameters = parameters;
    this.#blocks = blockShapes(config);
  }

  /**
   * A model that cannot be trained and takes half the memory: BatchNorm is folded before the weights reach the backend.
   * Its `parameters` are those of the attention pool alone. A backend that runs whole graphs gets stem … layer3 as one.
   *
   * @param weights a checkpoint's arrays in torch layout; some backends keep them, so they must not change afterwards
   */
  static forInference(
    config: ModifiedResNetConfig,
    weights: ReadonlyMap<string, WeightArray>,
    options: { readonly storage?: WeightStorage | undefined } = {},
  ): ModifiedResNet {
    checkArgument("options?", options, { "storage?": "'float32' | 'float16'" });
    const { storage = "float32" } = options;
    const pool = new Map<string, tf.Tensor>();
    for (const [name, { shape, data }] of weights) {
      if (name.startsWith("visual.attnpool.")) pool.set(name, tf.keep(frozenWeight(data, shape, storage)));
    }
    const model = new ModifiedResNet(config, pool);
    model.#backbone = graphCompiler()?.compileGraph(backboneGraph(weights, config));
    const pairs = model.#backbone ? model.#blocks[3]!.flatMap(blockLayers) : model.#convolutions();
    model.#folded = FoldedLayers.fromArrays(pool, { arrays: weights, pairs, storage });
    model.#frozen = true;
    model.#storage = storage;
    return model;
  }

  get description(): TowerDescription {
    return { family: "clip-resnet", config: { ...this.config } };
  }

  /** How its filters and matrices lie on the backend: halves only {@link forInference}. */
  get storage(): WeightStorage {
    return this.#storage;
  }

  get embedDim(): number {
    return this.config.embedDim;
  }

  /**
   * Regions see the image as it is, as the original has it; whole images and crops as CLIP was trained. A tower of crops
   * sees everything as a crop, values as they are.
   */
  get input(): PictureInput {
    const { cropSide } = this.config;
    if (cropSide !== undefined) {
      const whole = { ...plainPixels, resize: [cropSide, cropSide] as const };
      return { regions: { ...plainPixels, cropSide }, whole, resample: "bilinear", smallest: 1 };
    }
    const side = this.config.gridSize * 32;
    const whole = { ...clipPixels, resize: side, crop: [side, side] as const, cropRounds: "even" as const };
    return { regions: plainPixels, whole, resample: "bicubic", smallest: smallestImage };
  }

  /**
   * Stem … layer3.
   *
   * @param images [B, h, w, 3] in 0 … 1
   * @returns [B, h/16, w/16, 16 × width]
   */
  features(images: tf.Tensor4D, options: ForwardOptions = {}): tf.Tensor4D {
    const layers = this.#layers(options);
    if (this.#backbone) return this.#backbone.run(images) as tf.Tensor4D;
    return tf.tidy(() => {
      const x = tf.tidy(() => {
        let x = images;
        for (const { conv, norm, stride } of stem) x = layers.convNorm(x, { conv, norm, stride, relu: true });
        return avgPool2d(x, 2);
      });
      return blocksInTurn(layers, x, this.#blocks.slice(0, 3).flat());
    });
  }

  /**
   * RoIAlign → layer4 → attention pool.
   *
   * @param features [B, h, w, C] of `features`
   * @returns [R, embedDim], not normalised, in the order of `regions`
   * @throws VillaError `InvalidArgument` for regions that do not fit the batch
   */
  regionEmbeddings(features: tf.Tensor4D, regions: Regions, options: ForwardOptions = {}): tf.Tensor2D {
    checkRegions(regions, features.shape[0]);
    const count = regions.imageIndex.length;
    if (count === 0) return tf.zeros([0, this.config.embedDim]);
    const layers = this.#layers(options);
    return tf.tidy(() => {
      const [first, ...rest] = this.#blocks[3]!;
      const x = tf.tidy(() => alignedBottleneck(layers, features, first!, this.#roiAlign(features, regions)));
      return this.#pool(layers, blocksInTurn(layers, x, rest));
    });
  }

  /**
   * CLIP's embedding of whole images.
   *
   * @param images [B, h, w, 3] with h = w = 32 × gridSize (224 for RN50); 0 … 1, or as the checkpoint was trained
   * @returns [B, embedDim], not normalised
   */
  encodeImage(images: tf.Tensor4D, options: ForwardOptions = {}): tf.Tensor2D {
    const side = this.config.gridSize * 32;
    if (images.shape[1] !== side || images.shape[2] !== side) {
      throw new VillaError(
        "InvalidArgument",
        `This model encodes images of ${side} × ${side} pixels, not ${images.shape[1]} × ${images.shape[2]}.`,
      );
    }
    const layers = this.#layers(options);
    return tf.tidy(() => {
      const x = this.features(images, options);
      return this.#pool(layers, blocksInTurn(layers, x, this.#blocks[3]!));
    });
  }

  imageEmbeddings(images: tf.Tensor4D, options: ForwardOptions = {}): tf.Tensor2D {
    if (this.config.cropSide === undefined) return this.encodeImage(images, options);
    return tf.tidy(() => this.regionEmbeddings(this.features(images, options), wholeImages(images), options));
  }

  /** Names and variables that an optimiser should change; the head is the attention pool. */
  trainableVariables(part: TrainablePart = "all"): Map<string, tf.Variable> {
    const blocks = this.#blocks.flat().map(({ name }) => `${name}.`);
    const last = part === "all" ? blocks.length : part === "head" ? 0 : part.last;
    const chosen = ["visual.attnpool.", ...blocks.slice(Math.max(0, blocks.length - last))];
    const isChosen = (name: string) => part === "all" || chosen.some((prefix) => name.startsWith(prefix));
    const isTrainable = (tensor: tf.Tensor): tensor is tf.Variable => tensor instanceof tf.Variable && tensor.trainable;
    return new Map(
      [...this.parameters].filter(
        (entry): entry is [string, tf.Variable] => isTrainable(entry[1]) && isChosen(entry[0]),
      ),
    );
  }

  /** Weights by their torch names and in torch's layout. */
  stateDict(): Promise<Map<string, TensorData>> {
    return visionStateDict(this.parameters);
  }

  /**
   * Frees the folded weights of inference; they are made again when needed. Call it after changing weights in place.
   * After assigning to a variable or a forward pass in training this is not needed.
   */
  refresh(): void {
    if (this.#frozen) return;
    this.#folded?.dispose();
    this.#folded = undefined;
  }

  /** Frees all weights. */
  dispose(): void {
    this.#frozen = false;
    this.#backbone?.dispose();
    this.#backbone = undefined;
    this.refresh();
    tf.dispose([...this.parameters.values()]);
  }

  #pool(layers: VisionLayers, x: tf.Tensor4D): tf.Tensor2D {
    return attentionPool(x, (name) => layers.parameter(`visual.attnpool.${name}`), this.config.heads);
  }

  /** RoIAlign on maps of these features' size, plain and averaged 2 × 2. */
  #roiAlign({ shape: [batch, height, width] }: tf.Tensor4D, { boxes, imageIndex, imageWidth }: Regions): RoiAlign {
    const options = { outputSize: 2 * this.config.gridSize, spatialScale: width / imageWidth };
    const prepare = (pool: number): Alignment => ({
      apply: prepareRoiAlign(boxes, imageIndex, [batch, height, width], { ...options, pool }),
      bins: imageIndex.length * (options.outputSize / pool) ** 2,
    });
    return { whole: prepare(1), pooled: prepare(2) };
  }

  #convolutions(): ConvNorm[] {
    return [...stem, ...this.#blocks.flat().flatMap(blockLayers)];
  }

  #layers({ training = false, updateStatistics = true }: ForwardOptions): VisionLayers {
    if (training) {
      if (this.#frozen)
        throw new VillaError(
          "InvalidArgument",
          "A model loaded for inference cannot be trained; load it again without that option.",
        );
      this.refresh();
      return new TrainingLayers(this.parameters, updateStatistics);
    }
    if (!this.#frozen && !this.#folded?.isCurrent()) {
      this.refresh();
      this.#folded = FoldedLayers.fromTensors(this.parameters, this.#convolutions());
    }
    return this.#folded!;
  }
}

/** Side in pixels; of a smaller image nothing is left on the map that regions are cut from. */
export const smallestImage = 16;

/** Mean and deviation of CLIP's training images. */
export const clipPixels = {
  mean: [0.48145466, 0.4578275, 0.40821073],
  deviation: [0.26862954, 0.26130258, 0.27577711],
} as const;

const stem = ([2, 1, 1] as const).map((stride, i) => ({
  conv: `visual.conv${i + 1}`,
  norm: `visual.bn${i + 1}`,
  stride,
}));

/** The convolutions of a block: narrow, 3 × 3, wide, shortcut. */
function blockLayers({ name, downsample }: BlockShape): ConvNorm[] {
  const layers = [1, 2, 3].map((i) => ({ conv: `${name}.conv${i}`, norm: `${name}.bn${i}` }));
  return downsample ? [...layers, { conv: `${name}.downsample.0`, norm: `${name}.downsample.1` }] : layers;
}

/** Runs blocks one after another and frees each one's input: otherwise all maps of a pass would be in memory at once. */
function blocksInTurn(layers: VisionLayers, input: tf.Tensor4D, blocks: readonly BlockShape[]): tf.Tensor4D {
  let x = input;
  for (const block of blocks) {
    const output = tf.tidy(() => bottleneck(layers, x, block));
    x.dispose();
    x = output;
  }
  return x;
}

function bottleneck(layers: VisionLayers, input: tf.Tensor4D, block: BlockShape): tf.Tensor4D {
  const [narrow, middle, wide, shortcut] = blockLayers(block) as [ConvNorm, ConvNorm, ConvNorm, ConvNorm?];
  let x = layers.convNorm(input, { ...narrow, relu: true });
  x = layers.convNorm(x, { ...middle, relu: true });
  let residual = input;
  if (block.stride === 2) {
    x = avgPool2d(x, 2);
    residual = avgPool2d(residual, 2);
  }
  if (shortcut) residual = layers.convNorm(residual, shortcut);
  return layers.convNorm(x, { ...wide, residual, relu: true });
}

/**
 * layer4's first block behind RoIAlign. Its 1 × 1 convolutions commute with RoIAlign and with the average pool, so each runs
 * where it has fewer positions: on the feature map, or on the bins of the regions. BatchNorm stays behind RoIAlign, where
 * its statistics belong.
 */
function alignedBottleneck(
  layers: VisionLayers,
  features: tf.Tensor4D,
  block: BlockShape,
  align: RoiAlign,
): tf.Tensor4D {
  const [narrow, middle, wide, shortcut] = blockLayers(block) as [ConvNorm, ConvNorm, ConvNorm, ConvNorm];
  const [batch, height, width] = features.shape;
  const convAndAlign = ({ apply, bins }: Alignment, names: ConvNorm): tf.Tensor4D =>
    batch * height * width <= bins
      ? layers.normOnly(apply(layers.convOnly(features, names.conv)), names)
      : layers.convNorm(apply(features), names);
  let x = convAndAlign(align.whole, { ...narrow, relu: true });
  x = avgPool2d(layers.convNorm(x, { ...middle, relu: true }), 2);
  const residual = convAndAlign(align.pooled, shortcut);
  return layers.convNorm(x, { ...wide, residual, relu: true });
}
