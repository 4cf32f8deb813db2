import {
  anyNumber,
  type CommonFlags,
  counted,
  present,
  type RegisterCommand,
  seedNumber,
  table,
  wholeNumber,
  withCommonFlags,
} from "@villa/command-kit";
import { type Box, type ProgressListener, type RgbImage, type TensorData, VillaError } from "@villa/data";
import type { ImageEncoder, LoadRequest, RegionOptions, TextTower } from "@villa/encoders";
import { InvalidArgumentError } from "commander";
import { regionsOption, storageOption } from "./encoder-options.ts";
import { onBackend, type RuntimeFlags, withRuntimeFlags } from "./runtime.ts";

interface EncodeFlags extends CommonFlags, RuntimeFlags {
  readonly encoder: string;
  readonly textEncoder: string;
  readonly image?: string | undefined;
  readonly box: readonly Box[];
  readonly text: readonly string[];
  readonly regions?: RegionOptions["regions"];
  readonly context?: number | undefined;
  readonly imageSize?: number | undefined;
  readonly storage: LoadRequest["storage"];
  readonly dimension: number;
  readonly seed: number;
  readonly out?: string | undefined;
}

/** Features as the model gives them, not normalised. */
interface Features {
  readonly image: number[] | null;
  readonly regions: number[][];
  readonly texts: number[][];
}

/** `villa encode`: features of a picture, of boxes in it, of texts. */
export const registerEncode: RegisterCommand = (program, context) => {
  const command = program
    .command("encode")
    .description("features of a picture, of boxes in it and of texts, as the model gives them (not normalised)")
    .requiredOption("--encoder <which>", "clip-rn50, pixels, a model's folder, hf:ORG/NAME, or a checkpoint of Stage 2")
    .option("--text-encoder <which>", "hashed words, or another model's folder (default: the encoder's own)", "auto")
    .option("--image <file>", "a picture")
    .option("--box <x0,y0,x1,y1>", "a region of the picture in pixels; may be repeated", addBox, [])
    .option("--text <text>", "may be repeated", (text: string, others: readonly string[]) => [...others, text], [])
    .addOption(regionsOption("how boxes are embedded"))
    .option("--context <share>", "share of a crop's side that is added around it", anyNumber)
    .option("--image-size <pixels>", "side to which pictures with boxes are scaled", wholeNumber)
    .addOption(storageOption())
    .option("--dimension <n>", "length of the pixels encoder's vectors", wholeNumber, 1024)
    .option("--seed <n>", "seed of the pixels encoder and of hashed words", seedNumber, 23)
    .option("--out <file>", "FILE.npy: one row for the picture, each box and each text; or FILE.safetensors")
    .addHelpText(
      "after",
      `
Examples:
  villa encode --encoder models/siglip2-base-patch16-224 --image shelf.jpg --box 10,20,110,220 --text "a red mug" --json
  villa encode --encoder hf:sentence-transformers/all-MiniLM-L6-v2 --text "a red mug" --text "a blue mug" --out texts.npy`,
    );
  withCommonFlags(withRuntimeFlags(command)).action((flags: EncodeFlags) =>
    present(
      context,
      flags,
      async (onProgress) => {
        checkFlags(flags);
        return onBackend({ ...flags, terminal: context.terminal }, async () => {
          const features = await encode(flags, onProgress, context.signal);
          if (flags.out !== undefined) await writeFeatures(flags.out, features);
          return { ...features, out: flags.out };
        });
      },
      describe,
    ),
  );
};

function addBox(text: string, others: readonly Box[]): Box[] {
  const sides = text.split(",").map((side) => (side.trim() === "" ? Number.NaN : Number(side)));
  if (sides.length !== 4 || !sides.every(Number.isFinite)) {
    throw new InvalidArgumentError("Give four numbers: x0,y0,x1,y1.");
  }
  return [...others, sides as unknown as Box];
}

function checkFlags({ image, box, text, out }: EncodeFlags): void {
  const refuse = (message: string) => {
    throw new VillaError("InvalidArgument", message);
  };
  if (image === undefined && text.length === 0) refuse("Nothing to encode: give --image, --text or both.");
  if (image === undefined && box.length > 0) refuse("--box is a region of a picture: give --image too.");
  if (out !== undefined && !/\.(?:npy|safetensors)$/i.test(out)) {
    refuse(`--out takes FILE.npy or FILE.safetensors, not "${out}".`);
  }
}

async function encode(flags: EncodeFlags, onProgress: ProgressListener, signal: AbortSignal): Promise<Features> {
  const { readPicture } = await import("@villa/ingest/node");
  const picture = flags.image === undefined ? undefined : await readPicture(flags.image);
  if (picture) for (const box of flags.box) checkInside(box, picture);
  const { image, text } = await openSides(flags, onProgress, signal);
  try {
    const whole = image && picture && (await image.encodeImages([picture]));
    const regions = image && picture && flags.box.length > 0 && (await image.encodeRegions([picture], [flags.box]));
    const texts = text && (await text.encodeText(flags.text));
    return {
      image: whole ? rowsOf(whole, 1)[0]! : null,
      regions: regions ? rowsOf(regions, flags.box.length) : [],
      texts: texts ? rowsOf(texts, flags.text.length) : [],
    };
  } finally {
    image?.dispose();
    text?.dispose();
  }
}

/** The sides that are needed: a text encoder alone loads no image tower, a picture alone no text tower. */
async function openSides(
  { encoder, textEncoder, image: picture, text: texts, ...options }: EncodeFlags,
  onProgress: ProgressListener,
  signal: AbortSignal,
): Promise<{ image?: ImageEncoder | undefined; text?: TextTower | undefined }> {
  const { openEncoder, openTextTower, requireEncoder } = await import("@villa/encoders/node");
  requireEncoder(encoder);
  const settings = { ...options, onProgress, signal };
  if (picture === undefined)
    return { text: await openTextTower(textEncoder === "auto" ? encoder : textEncoder, settings) };
  const opened = await openEncoder(encoder, { ...settings, textEncoder: texts.length > 0 ? textEncoder : "none" });
  if (texts.length > 0 && !opened.text) {
    opened.image.dispose();
    throw new VillaError(
      "Mismatch",
      `${encoder} holds no text encoder; name one with --text-encoder: hashed, or a model's folder.`,
    );
  }
  return opened;
}

function checkInside([x0, y0, x1, y1]: Box, { width, height }: RgbImage): void {
  if (x0 < width && y0 < height && x1 > 0 && y1 > 0) return;
  throw new VillaError(
    "InvalidArgument",
    `The box ${[x0, y0, x1, y1].join(",")} lies outside of the picture, which has ${width} × ${height} pixels.`,
  );
}

/** Nine digits tell every float32 from its neighbours. */
function rowsOf(values: Float32Array, rows: number): number[][] {
  const width = values.length / rows;
  return Array.from({ length: rows }, (_, row) =>
    Array.from(values.subarray(row * width, (row + 1) * width), (value) => Number(value.toPrecision(9))),
  );
}

async function writeFeatures(path: string, { image, regions, texts }: Features): Promise<void> {
  const { writeNpy, writeSafetensors } = await import("@villa/data");
  const { atomicWriteFile } = await import("@villa/data/node");
  if (/\.npy$/i.test(path)) {
    const rows = [...(image ? [image] : []), ...regions, ...texts];
    if (rows.some((row) => row.length !== rows[0]!.length)) {
      throw new VillaError(
        "Mismatch",
        "Features of the picture and of the texts differ in length, so one array cannot hold them; give --out FILE.safetensors.",
      );
    }
    await atomicWriteFile(path, writeNpy(matrix(rows)));
    return;
  }
  const tensors = new Map<string, TensorData>();
  if (image) tensors.set("image", { ...matrix([image]), shape: [image.length] });
  if (regions.length > 0) tensors.set("regions", matrix(regions));
  if (texts.length > 0) tensors.set("texts", matrix(texts));
  await atomicWriteFile(path, writeSafetensors(tensors));
}

function matrix(rows: readonly (readonly number[])[]): TensorData {
  return { dtype: "float32", shape: [rows.length, rows[0]!.length], data: Float32Array.from(rows.flat()) };
}

function describe({ image, regions, texts, out }: Features & { readonly out?: string | undefined }): string {
  const rows = [
    ...(image ? [["picture", image] as const] : []),
    ...regions.map((row, i) => [`box ${i + 1}`, row] as const),
    ...texts.map((row, i) => [`text ${i + 1}`, row] as const),
  ];
  const lines = rows.map(([of, values]) => [
    of,
    counted(values.length, "value"),
    `${values.slice(0, 4).map((value) => value.toFixed(4)).join(" ")} …`, // biome-ignore format: one thought
  ]);
  return [table([["of", "length", "begins with"], ...lines]), ...(out === undefined ? [] : ["", out])].join("\n");
}
