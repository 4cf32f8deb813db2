import { mkdir, mkdtemp, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  type ImageAnnotation,
  type ObjectArray,
  saveTorch,
  type TensorData,
  writeAnnotations,
  writeFeather,
  writeNpz,
} from "@villa/data";
import { tensorValues, unit } from "@villa/testing";

export const dimension = 8;
export const attributes = ["red", "green", "blue", "one", "two"];

/** A dataset whose regions are noisy sums of their attributes' directions, so that mapping can succeed. */
export function smallDataset(): { annotations: ImageAnnotation[]; embeddings: Map<number, Float32Array> } {
  const annotations: ImageAnnotation[] = [];
  const embeddings = new Map<number, Float32Array>();
  for (let imageId = 0; imageId < 30; imageId++) {
    const draws = unit(`image ${imageId}`, 20).map((x) => (x + 1) / 2);
    const regions = 1 + Math.floor(draws[0]! * 3);
    const regToAttr = Array.from({ length: regions }, (_, r) => [
      attributes[Math.floor(draws[2 * r + 1]! * 3)]!,
      attributes[3 + Math.floor(draws[2 * r + 2]! * 2)]!,
    ]);
    const flat = tensorValues(`regions ${imageId}`, [regions, dimension], 0.3);
    regToAttr.forEach((names, r) => {
      for (const name of names) flat[r * dimension + attributes.indexOf(name)]! += 1;
    });
    embeddings.set(imageId, flat);
    const names = [...new Set(regToAttr.flat())];
    annotations.push({
      imageId,
      imageSize: [84, 84],
      imageFilepath: `images/${imageId}.npz`,
      regionCoord: Array.from({ length: regions }, (_, r) => [r * 28, 0, r * 28 + 28, 28] as const),
      numRegions: regions,
      split: imageId < 20 ? "train" : "val",
      text: names.map((name) => `there is a ${name}`).join(" . "),
      regToAttr,
      attributes: names,
    });
  }
  return { annotations, embeddings };
}

/** Writes {@link smallDataset}, or a changed one, as a dataset folder. */
export async function writeSmallDataset(
  change: (dataset: ReturnType<typeof smallDataset>) => void = () => {},
  attributeDimension = dimension,
): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), "villa-mapping-"));
  const dataset = smallDataset();
  change(dataset);
  await writeFile(join(directory, "annotations.feather"), await writeAnnotations(dataset.annotations));
  const groups = [{ name: "all", attributes, templates: ["there is a {}"] }];
  await writeFile(join(directory, "attributes.json"), JSON.stringify({ groups }));
  const tensors = new Map<string, TensorData>();
  attributes.forEach((name) => {
    const values = tensorValues(name, [attributeDimension]);
    const norm = Math.hypot(...values);
    tensors.set(name, { dtype: "float32", shape: [attributeDimension], data: values.map((value) => value / norm) });
  });
  await writeFile(join(directory, "attr_embs.pth"), saveTorch(tensors));
  await mkdir(join(directory, "region_embs"));
  const ids = [...dataset.embeddings.keys()];
  const vectors = [...dataset.embeddings.values()].map((data) => ({ dtype: "float32", shape: [data.length], data }));
  const array: ObjectArray = { dtype: "object", shape: [vectors.length], data: vectors };
  await writeFile(join(directory, "region_embs", "embs_0.npz"), writeNpz({ arr_0: array }));
  const index = await writeFeather([
    { name: "image_id", type: "int64", values: ids },
    { name: "file", type: "string", values: ids.map(() => "embs_0") },
    { name: "file_id", type: "int64", values: ids.map((_, i) => i) },
  ]);
  await writeFile(join(directory, "region_embs", "region_emb_mapping.feather"), index);
  return directory;
}
