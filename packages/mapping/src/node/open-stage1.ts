import { VillaError } from "@villa/data";
import {
  type AttributeEmbeddings,
  checkEmbeddingManifest,
  type Dataset,
  openDataset,
  readAttributeEmbeddings,
  visitRegionEmbeddings,
} from "@villa/data/node";
import type { Stage1Config } from "../config.ts";
import { buildSplit, type SplitData } from "../data/build-data.ts";
import { checkMappingData } from "../data/check-data.ts";
import type { HeadsOptions } from "../model/heads.ts";

/** What a run works on: its settings and all its data, read and checked. */
export interface Stage1Input {
  readonly config: Stage1Config;
  readonly dataset: Dataset;
  readonly embeddings: AttributeEmbeddings;
  readonly form: HeadsOptions;
  readonly splits: ReadonlyMap<string, SplitData>;
}

/**
 * Reads and checks everything that a run needs, before anything is written.
 *
 * @param training whether the train split, and what judges epochs, are needed too
 * @throws VillaError with a sentence for whatever is wrong with the dataset or its embeddings
 */
export async function openStage1(config: Stage1Config, training: boolean): Promise<Stage1Input> {
  const dataset = await openDataset(config.dataDir);
  const embeddings = await readAttributeEmbeddings(config.dataDir);
  const { dimension } = embeddings;
  if (config.model.embDim !== null && config.model.embDim !== dimension) {
    throw new VillaError(
      "Mismatch",
      `model.emb_dim is ${config.model.embDim}, but the attribute embeddings in ${config.dataDir} have ${dimension} dimensions; set model.emb_dim=${dimension}.`,
    );
  }
  const mapped = mappedSplits(config, dataset);
  const judges = judgesEpochs(config);
  const wantsValidation = (training && judges) || typeof config.mapping.epsilon !== "number";
  const names = new Set([...(training ? ["train"] : []), ...mapped]);
  if (wantsValidation && (judges || dataset.splits.includes("val"))) names.add("val");
  const splits = await loadSplits(dataset, { embeddings, splits: [...names] });
  for (const [split, { data }] of splits) {
    checkMappingData(
      data,
      { names: embeddings.attributes, embeddings: embeddings.values },
      { what: `the ${split} split` },
    );
  }
  if (wantsValidation) requireTruth(config, splits.get("val"));
  const form = { dimension, oneProj: config.model.oneProj, adapter: config.model.adapter };
  return { config, dataset, embeddings, form, splits };
}

/** The splits that a run maps. */
export function mappedSplits({ mapping }: Stage1Config, dataset: Dataset): readonly string[] {
  return mapping.splits ?? ["train", "val", "test"].filter((split) => dataset.splits.includes(split));
}

/** Whether every epoch is judged on the validation split. */
export function judgesEpochs({ validate, earlyStop }: Stage1Config): boolean {
  return validate || earlyStop.metric !== "none";
}

/** Judging by true attributes needs a validation split that tells them. */
function requireTruth({ earlyStop, mapping }: Stage1Config, validation: SplitData | undefined): void {
  if (validation?.truth) return;
  const [setting, instead] =
    earlyStop.metric === "f1"
      ? ["early_stop.metric=f1", "early_stop.metric=loss"]
      : typeof mapping.epsilon === "string"
        ? [`mapping.epsilon=${mapping.epsilon}`, "a number, such as mapping.epsilon=0.2"]
        : [];
  if (setting === undefined) return;
  throw new VillaError(
    "InvalidArgument",
    `${setting} needs a val split whose annotations tell the true attributes (reg_to_attr); give ${instead} instead.`,
  );
}

/**
 * Loads splits of a dataset folder with their region embeddings, in one pass over the embedding files.
 *
 * @throws VillaError `Mismatch` when the embeddings were made from other annotations; as {@link buildSplit} and the file readers
 */
export async function loadSplits(
  { directory, annotations, vocabulary }: Pick<Dataset, "directory" | "annotations" | "vocabulary">,
  { embeddings, splits }: { readonly embeddings: AttributeEmbeddings; readonly splits: readonly string[] },
): Promise<Map<string, SplitData>> {
  await checkEmbeddingManifest(directory, annotations);
  const rows = new Map(splits.map((split) => [split, annotations.filter((row) => row.split === split)]));
  const wanted = new Set([...rows.values()].flat().map((row) => row.imageId));
  const regions = new Map<number, Float32Array>();
  await visitRegionEmbeddings(directory, (imageId, values) => regions.set(imageId, values), { imageIds: wanted });
  const loaded = new Map<string, SplitData>();
  for (const [split, own] of rows) {
    loaded.set(
      split,
      buildSplit({
        split,
        annotations: own,
        attributes: embeddings.attributes,
        dimension: embeddings.dimension,
        omitUncertain: vocabulary.uncertain === "omit",
        regions: (imageId) => regions.get(imageId),
        withoutTruth: vocabulary.withoutTruth,
        allocate: (length) => new Float32Array(new SharedArrayBuffer(length * 4)),
      }),
    );
  }
  return loaded;
}
