import { extname } from "node:path";
import { attributeNames, VillaError } from "@villa/data";
import { atomicWriteFile } from "@villa/data/node";
import { vocabularyEmbeddings } from "@villa/vlm/node";
import { dot, openRetrieval, type RetrievalOptions } from "./open-retrieval.ts";

export interface AnnotateOptions extends RetrievalOptions {
  readonly out: string;
  /** Attributes of each region. */
  readonly top: number;
  /** Attributes below this cosine are left out. */
  readonly minScore?: number | undefined;
}

/** What is written about a region: a line of a .jsonl file. */
export interface RegionAnnotation {
  readonly image_id: number;
  readonly source?: string | undefined;
  readonly split: string;
  readonly region: number;
  readonly box: readonly number[];
  /** Best first. */
  readonly attributes: readonly { readonly name: string; readonly score: number }[];
}

/** How a file is written, by its ending. */
interface Format {
  readonly head: string;
  readonly lines: (region: RegionAnnotation) => string;
}

const formats: Readonly<Record<string, Format>> = {
  ".jsonl": { head: "", lines: (region) => `${JSON.stringify(region)}\n` },
  // A row per attribute, as a spreadsheet can sort and count them.
  ".csv": {
    head: "image_id,source,split,region,x0,y0,x1,y1,attribute,score\n",
    lines: ({ image_id, source = "", split, region, box, attributes }) =>
      attributes
        .map(({ name, score }) => `${[image_id, source, split, region, ...box, name, score].map(csvCell).join(",")}\n`)
        .join(""),
  },
};

/** @throws VillaError `InvalidArgument` for a file that {@link annotateDataset} cannot write */
export function annotationFormat(path: string): Format {
  const extension = extname(path).toLowerCase();
  if (Object.hasOwn(formats, extension)) return formats[extension]!;
  throw new VillaError("InvalidArgument", `--out takes FILE.jsonl or FILE.csv, not "${path}".`);
}

/** Quoted where a comma, a quote or a line break would end it. */
function csvCell(value: string | number): string {
  const text = String(value);
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

/**
 * Writes the best attributes of every region: as .jsonl an object per region, as .csv a row per attribute.
 *
 * @returns numbers of images and regions
 * @throws VillaError `InvalidArgument` for another ending
 */
export async function annotateDataset(options: AnnotateOptions): Promise<{ images: number; regions: number }> {
  const format = annotationFormat(options.out); // before anything is embedded
  const { dataset, model, index, sources } = await openRetrieval(options);
  try {
    const names = attributeNames(dataset.vocabulary);
    const embeddings = await vocabularyEmbeddings(model, dataset.vocabulary);
    const dimension = embeddings.length / names.length;
    const vectors = names.map((_, i) => embeddings.subarray(i * dimension, (i + 1) * dimension));
    let regionCount = 0;
    const encoder = new TextEncoder();
    const lines = async function* () {
      if (format.head !== "") yield encoder.encode(format.head);
      for await (const { rows, regions } of index.parts()) {
        let at = 0;
        const written: string[] = [];
        for (const { imageId, split, regionCoord } of rows) {
          const source = sources.get(imageId);
          for (const [region, box] of regionCoord.entries()) {
            const attributes = best(names, vectors, regions, at, options);
            at += dimension;
            regionCount++;
            written.push(format.lines({ image_id: imageId, source, split, region, box, attributes }));
          }
        }
        yield encoder.encode(written.join(""));
      }
    };
    await atomicWriteFile(options.out, lines());
    return { images: index.rows.length, regions: regionCount };
  } finally {
    model.dispose();
  }
}

function best(
  names: readonly string[],
  vectors: readonly Float32Array[],
  regions: Float32Array,
  at: number,
  { top, minScore = Number.NEGATIVE_INFINITY }: AnnotateOptions,
): RegionAnnotation["attributes"] {
  return names
    .map((name, i) => ({ name, score: Number(dot(regions, at, vectors[i]!).toFixed(6)) }))
    .filter(({ score }) => score >= minScore)
    .sort((a, b) => b.score - a.score)
    .slice(0, top);
}
