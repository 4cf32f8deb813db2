import { createHash, type Hash } from "node:crypto";
import { type ImageAnnotation, throwIfAborted, VillaError } from "@villa/data";
import { openDataset } from "@villa/data/node";
import { docMnistAttributes } from "../attributes.ts";

/** Fingerprint of one split. Equal datasets have equal digests, whatever program wrote them. */
export interface SplitDigest {
  readonly images: number;
  readonly avg_sample_complexity: number;
  /** [images, 3, height, width] */
  readonly image_shape: readonly number[];
  /** SHA-256 of all pixels, uint8 [images, 3, height, width]. */
  readonly pixels_sha256: string;
  /** SHA-256 of the compact JSON of every image's boxes, [[[x0,y0,x1,y1],…],…]. */
  readonly boxes_sha256: string;
  /** SHA-256 of the compact JSON of every image's labels, [[[digit number, colour, shape|null, size|null],…],…]. */
  readonly labels_sha256: string;
  /** SHA-256 of the compact JSON of every image's sentences, sorted: the one thing about texts that does not depend on
   *  Python's string hashing. */
  readonly sorted_sentences_sha256: string;
}

/**
 * Fingerprints a DocMNIST folder, ours or the reference's, split by split.
 *
 * @throws VillaError `NotFound`, `InvalidFile`, `Mismatch` when the folder is not a sound DocMNIST dataset
 */
export async function digestDataset(
  directory: string,
  options: { readonly signal?: AbortSignal | undefined } = {},
): Promise<Record<string, SplitDigest>> {
  const dataset = await openDataset(directory);
  const digests = new Map<string, SplitDigest>();
  for (const split of dataset.splits) {
    const pixels = createHash("sha256");
    const boxes = new ListHash();
    const labels = new ListHash();
    const sentences = new ListHash();
    let complexity = 0;
    let shape: readonly number[] | undefined;
    for await (const { row, image } of dataset.samples(split)) {
      throwIfAborted(options.signal, "The digest was stopped.");
      shape ??= row.imageSize;
      if (row.imageSize[0] !== shape[0] || row.imageSize[1] !== shape[1]) {
        throw new VillaError("Mismatch", `Image ${row.imageId} of ${directory} has another size than the others.`);
      }
      pixels.update(image.data);
      boxes.add(row.regionCoord);
      const rowLabels = labelsOf(row, directory);
      labels.add(rowLabels);
      complexity += rowLabels.flat().filter((label) => label !== null).length;
      sentences.add(row.text === "" ? [] : row.text.split(" . ").sort());
    }
    const images = dataset.rows(split).length;
    digests.set(split, {
      images,
      avg_sample_complexity: complexity / images,
      image_shape: [images, 3, ...(shape ?? [])],
      pixels_sha256: pixels.digest("hex"),
      boxes_sha256: boxes.digest(),
      labels_sha256: labels.digest(),
      sorted_sentences_sha256: sentences.digest(),
    });
  }
  return Object.fromEntries(digests);
}

/** Digits appear as numbers, as in the reference; names that are not number words stay. */
function labelsOf(row: ImageAnnotation, directory: string): (string | number | null)[][] {
  const { digitLabel, colorLabel, shapeLabel, sizeLabel } = row;
  if (!digitLabel || !colorLabel || !shapeLabel || !sizeLabel) {
    throw new VillaError(
      "InvalidFile",
      `${directory} is not a DocMNIST dataset: its annotations have no digit labels.`,
    );
  }
  return digitLabel.map((name, i) => [
    docMnistAttributes.digits.find((digit) => digit.name === name)?.label ?? name,
    colorLabel[i] ?? null,
    shapeLabel[i] ?? null,
    sizeLabel[i] ?? null,
  ]);
}

/** Hash of a JSON list that is never in memory as a whole. */
class ListHash {
  readonly #hash: Hash = createHash("sha256").update("[");
  #separator = "";

  add(item: unknown): void {
    this.#hash.update(this.#separator + JSON.stringify(item));
    this.#separator = ",";
  }

  digest(): string {
    return this.#hash.update("]").digest("hex");
  }
}
