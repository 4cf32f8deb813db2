import { appendFile, mkdir, rename, rm } from "node:fs/promises";
import { extname, join } from "node:path";
import { attributeNames, type ProgressListener, VillaError, writeNpy } from "@villa/data";
import { atomicWriteFile, openDataset } from "@villa/data/node";
import { type ExportedTower, exportHuggingFace, exportModel, openModel, vocabularyEmbeddings } from "@villa/vlm/node";

/** What {@link exportForUse} writes. */
export interface ExportOptions {
  /** A checkpoint of Stage 2. */
  readonly checkpoint: string;
  /** `.onnx` or `.pth`: the image tower alone. A name without an ending: a folder with all that a program needs. */
  readonly out: string;
  /** For a folder: the dataset whose attributes are embedded. */
  readonly dataDir?: string | undefined;
  /** CLIP's weights, when the checkpoint's text side needs them and they have moved. */
  readonly weights?: string | undefined;
}

/**
 * What goes in and comes out, as the ONNX file's own metadata, the README beside it and `--help` say it.
 *
 * @param tower how images have to be scaled, or regions cut out
 */
export function onnxInterface({ imageSize, cropSide }: ExportedTower) {
  const plain = "RGB from 0 to 1 (bytes divided by 255), no mean subtracted and no deviation divided by";
  const embeddings = "float32 [regions, d]: L2-normalised; their similarity to a text or attribute is the dot product";
  if (cropSide !== undefined) {
    return {
      images: `float32 [regions, 3, ${cropSide}, ${cropSide}]: ${plain}; each region cut out of its picture and scaled to that size, whatever its shape was`,
      boxes: `float32 [regions, 4]: 0, 0, ${cropSide}, ${cropSide} for each`,
      image_index: "int64 [regions]: 0, 1, 2, …",
      embeddings,
    };
  }
  return {
    images:
      imageSize === undefined
        ? `float32 [batch, 3, height, width]: ${plain}; any height and width`
        : `float32 [batch, 3, ${imageSize}, ${imageSize}]: ${plain}; scaled to that size, whatever their shape was`,
    boxes: `float32 [regions, 4]: x0, y0, x1, y1 in pixels of the ${imageSize === undefined ? "" : "scaled "}image`,
    image_index: "int64 [regions]: which image of the batch each box belongs to, from 0",
    embeddings,
  };
}

/**
 * Writes a trained model for programs that do not use these packages.
 *
 * @returns paths of the files
 * @throws VillaError `InvalidArgument` for another ending, or a folder without `dataDir`; as the file readers
 */
export async function exportForUse({ checkpoint, out, dataDir, weights }: ExportOptions): Promise<string[]> {
  if (extname(out) !== "") {
    await writeTower(checkpoint, out);
    return [out];
  }
  if (dataDir === undefined) {
    throw new VillaError(
      "InvalidArgument",
      "Give --data-dir, the dataset whose attributes are embedded, to export into a folder; or --out FILE.onnx for the image side alone.",
    );
  }
  const { vocabulary } = await openDataset(dataDir);
  const names = attributeNames(vocabulary);
  const model = await openModel(checkpoint, { weights });
  let vectors: Float32Array;
  try {
    vectors = await vocabularyEmbeddings(model, vocabulary);
  } finally {
    model.dispose();
  }
  await mkdir(out, { recursive: true });
  const path = (name: string) => join(out, name);
  const tower = await writeTower(checkpoint, path("encoder.onnx"));
  const shape = [names.length, vectors.length / names.length];
  await atomicWriteFile(path("attributes.npy"), writeNpy({ dtype: "float32", shape, data: vectors }));
  await atomicWriteFile(path("attributes.json"), `${JSON.stringify(names, null, 1)}\n`);
  await atomicWriteFile(path("README.md"), readme({ textFamily: model.text.family, shape, tower }));
  return ["README.md", "encoder.onnx", "attributes.npy", "attributes.json"].map(path);
}

/** What {@link exportAsHuggingFace} writes. */
export interface HuggingFaceFlags extends Omit<ExportOptions, "dataDir"> {
  /** Number formats of the ONNX models, such as `float32,int8`, or `none`. */
  readonly onnx: string;
  readonly onProgress?: ProgressListener | undefined;
  readonly signal?: AbortSignal | undefined;
}

const precisions = ["float32", "float16", "int8"] as const;

/**
 * Writes a trained model as a folder in Hugging Face's layout.
 *
 * @returns paths of the files, and what has been left out, in a sentence
 * @throws VillaError `InvalidArgument` for a file's name or an unknown number format; as `exportHuggingFace`
 */
export async function exportAsHuggingFace({ checkpoint, out, onnx, ...options }: HuggingFaceFlags) {
  if (extname(out) !== "") {
    throw new VillaError(
      "InvalidArgument",
      `--format hf writes a folder; give --out a name without an ending, not "${out}".`,
    );
  }
  const names = onnx === "none" ? [] : onnx.split(",").map((name) => name.trim());
  const chosen = precisions.filter((name) => names.includes(name));
  const unknown = names.find((name) => !(precisions as readonly string[]).includes(name));
  if (unknown !== undefined) {
    throw new VillaError(
      "InvalidArgument",
      `--onnx takes ${precisions.join(", ")} with commas, or none; not "${unknown}".`,
    );
  }
  const { files, architecture, hasText } = await exportHuggingFace(checkpoint, out, { ...options, onnx: chosen });
  const leftOut = hasText ? undefined : `The text side is left out: ${architecture} has none of its kind.`;
  return { files, architecture, leftOut };
}

async function writeTower(checkpoint: string, out: string): Promise<ExportedTower> {
  if (extname(out).toLowerCase() !== ".onnx") return exportModel(checkpoint, out);
  const partial = `${out}.partial.onnx`;
  try {
    const exported = await exportModel(checkpoint, partial);
    // Of a protobuf message, what is appended is merged: metadata can follow a graph that is written already.
    for (const [key, value] of Object.entries(onnxInterface(exported))) {
      await appendFile(partial, metadataEntry(key, value));
    }
    await rename(partial, out);
    return exported;
  } finally {
    await rm(partial, { force: true });
  }
}

/** `metadata_props` of ONNX's ModelProto: field 14, with a key (1) and a value (2). */
function metadataEntry(key: string, value: string): Uint8Array {
  const field = (number: number, bytes: Uint8Array) =>
    Uint8Array.of((number << 3) | 2, ...varint(bytes.length), ...bytes);
  const text = new TextEncoder();
  return field(14, Uint8Array.of(...field(1, text.encode(key)), ...field(2, text.encode(value))));
}

function varint(value: number): number[] {
  return value < 0x80 ? [value] : [(value & 0x7f) | 0x80, ...varint(value >>> 7)];
}

interface Described {
  readonly textFamily: string;
  /** Of the attributes' embeddings. */
  readonly shape: readonly number[];
  readonly tower: ExportedTower;
}

function readme({ textFamily, shape: [count, dimension], tower }: Described): string {
  const texts =
    textFamily === "hashed"
      ? "Texts were hashed words: this model knows only the words of the texts that it was trained on."
      : `Other texts need the model's frozen text side (${textFamily}): \`villa encode --text\` gives their vectors.`;
  return `# A model of ViLLA

| file | holds |
|---|---|
| \`encoder.onnx\` | the image side: regions of images in, embeddings out |
| \`attributes.npy\` | float32 [${count}, ${dimension}]: the attributes' embeddings, L2-normalised |
| \`attributes.json\` | their names, in the same order |

What the encoder takes and gives, also in the file's metadata:

${Object.entries(onnxInterface(tower))
  .map(([name, meaning]) => `- \`${name}\`: ${meaning}`)
  .join("\n")}

${texts}

\`\`\`python
import json, numpy as np, onnxruntime
from PIL import Image

${prepareInPython(tower)}
session = onnxruntime.InferenceSession("encoder.onnx")
(regions,) = session.run(None, {"images": images, "boxes": boxes, "image_index": image_index})
scores = regions @ np.load("attributes.npy").T
names = json.load(open("attributes.json"))
for row in scores:
    print([(names[a], float(row[a])) for a in np.argsort(-row)[:3]])
\`\`\`
`;
}

/** Lines of Python that make `images`, `boxes` and `image_index` of a photo and its boxes. */
function prepareInPython({ imageSize, cropSide }: ExportedTower): string {
  const photo = 'photo = Image.open("photo.jpg").convert("RGB")';
  const values = (picture: string) => `np.asarray(${picture}, dtype=np.float32).transpose(2, 0, 1) / 255`;
  if (cropSide !== undefined) {
    return `${photo}
regions = [[0, 0, 100, 80]]
crops = [photo.resize((${cropSide}, ${cropSide}), Image.BILINEAR, box=box) for box in regions]
images = np.stack([${values("crop")} for crop in crops])
boxes = np.tile(np.float32([0, 0, ${cropSide}, ${cropSide}]), (len(crops), 1))
image_index = np.arange(len(crops))`;
  }
  const scaled =
    imageSize === undefined
      ? "picture, scale = photo, np.ones(4, dtype=np.float32)"
      : `picture = photo.resize((${imageSize}, ${imageSize}), Image.BICUBIC)
scale = np.tile(np.float32(${imageSize}) / np.array(photo.size, dtype=np.float32), 2)`;
  return `${photo}
${scaled}
images = ${values("picture")}[None]
boxes = np.array([[0, 0, 100, 80]], dtype=np.float32) * scale
image_index = np.zeros(len(boxes), dtype=np.int64)`;
}
