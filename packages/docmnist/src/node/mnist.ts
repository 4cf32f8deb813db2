import { existsSync } from "node:fs";
import { stat } from "node:fs/promises";
import { join } from "node:path";
import { gunzipSync } from "node:zlib";
import { checkArgument, type ProgressListener, VillaError } from "@villa/data";
import { cacheDirectory, downloadFile, readFileBytes } from "@villa/data/node";
import { type DigitSet, type DigitSource, parseDigits } from "../digits.ts";

/** Digits from files. */
export interface MnistDigits extends DigitSource {
  /** Something about the files that a person should know. */
  readonly note?: string | undefined;
}

/** A file of the MNIST distribution. */
export interface MnistFile {
  readonly name: string;
  readonly md5: string;
}

/** The four files of MNIST. */
const mnistFiles: readonly MnistFile[] = [
  { name: "train-images-idx3-ubyte.gz", md5: "f68b3c2dcbeaaa9fbdd348bbdeb94873" },
  { name: "train-labels-idx1-ubyte.gz", md5: "d53e105ee54ea40749a09fcbcd1e9432" },
  { name: "t10k-images-idx3-ubyte.gz", md5: "9fb629c4189551a2d022fa330f9573f3" },
  { name: "t10k-labels-idx1-ubyte.gz", md5: "ec29112dd5afa0611ce80d1b7f02629c" },
];

/** Public copies of MNIST, tried in this order. */
const mnistMirrors: readonly string[] = [
  "https://ossci-datasets.s3.amazonaws.com/mnist/",
  "https://storage.googleapis.com/cvdf-datasets/mnist/",
];

/** More than the largest MNIST file unpacks to; a file that unpacks to more is not MNIST. */
const largestFile = 256 * 2 ** 20;

/**
 * Reads MNIST, or other digits in its format, from a folder with the four IDX files, plain or gzipped. A folder with
 * only the two `t10k` files serves them as the training digits; a test split then has none of its own.
 *
 * @throws VillaError `NotFound`, `InvalidFile`, `Mismatch`
 */
export async function loadMnist(directory: string): Promise<MnistDigits> {
  checkArgument("directory", directory, "text");

  const isFolder = await stat(directory).then(
    (stats) => stats.isDirectory(),
    () => false,
  );
  if (!isFolder) {
    throw new VillaError("NotFound", `There is no folder ${directory} with MNIST files; --digits glyphs needs none.`);
  }
  const train = await loadPart(directory, "train");
  const test = await loadPart(directory, "t10k");
  if (train) return test ? { train, test } : { train };
  if (!test) {
    throw new VillaError(
      "NotFound",
      `${directory} has neither train-images-idx3-ubyte nor t10k-images-idx3-ubyte, plain or gzipped; give a folder with MNIST's files, or --digits glyphs.`,
    );
  }
  return { train: test, note: `${directory} has no train files: its ${test.labels.length} t10k digits serve as them.` };
}

/** Options of {@link downloadMnist}. */
export interface MnistDownloadOptions {
  /** Where to keep the files; default `mnist` in the cache folder (`VILLA_CACHE`). */
  readonly directory?: string | undefined;
  /** Addresses ending in "/", tried in order; default: two public copies of MNIST. */
  readonly mirrors?: readonly string[] | undefined;
  /** Default: the four files of MNIST. */
  readonly files?: readonly MnistFile[] | undefined;
  readonly onProgress?: ProgressListener | undefined;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Downloads MNIST unless it is there already. Each file is checked by its md5; an interrupted download continues.
 *
 * @returns the folder, for {@link loadMnist}
 * @throws VillaError `Network`, `ChecksumMismatch`, `FileSystem`, `Aborted`
 */
export async function downloadMnist(options: MnistDownloadOptions = {}): Promise<string> {
  checkArgument("options?", options, {
    "directory?": "text",
    "mirrors?": ["text"],
    "files?": ["object"],
    "onProgress?": "function",
    "signal?": "object",
  });

  const { directory = join(cacheDirectory(), "mnist"), mirrors = mnistMirrors, files = mnistFiles } = options;
  for (const { name, md5 } of files) {
    await downloadFile({
      urls: mirrors.map((mirror) => new URL(name, mirror).href),
      path: join(directory, name),
      md5,
      onProgress: options.onProgress,
      signal: options.signal,
    });
  }
  return directory;
}

async function loadPart(directory: string, part: "train" | "t10k"): Promise<DigitSet | undefined> {
  const images = findFile(directory, `${part}-images`, "idx3-ubyte");
  const labels = findFile(directory, `${part}-labels`, "idx1-ubyte");
  if (!images && !labels) return undefined;
  if (!images || !labels) {
    const missing = images ? `${part}-labels-idx1-ubyte` : `${part}-images-idx3-ubyte`;
    throw new VillaError(
      "NotFound",
      `${directory} has no ${missing}, plain or gzipped, to go with ${images ?? labels}.`,
    );
  }
  return parseDigits(await readIdxFile(images), await readIdxFile(labels), { images, labels });
}

/** The path of a file under one of the names in use. */
function findFile(directory: string, stem: string, type: string): string | undefined {
  const names = [`${stem}-${type}`, `${stem}.${type}`].flatMap((name) => [name, `${name}.gz`]);
  return names.map((name) => join(directory, name)).find((path) => existsSync(path));
}

async function readIdxFile(path: string): Promise<Uint8Array> {
  const bytes = await readFileBytes(path);
  if (bytes[0] !== 0x1f || bytes[1] !== 0x8b) return bytes;
  try {
    const { buffer, byteOffset, length } = gunzipSync(bytes, { maxOutputLength: largestFile });
    return new Uint8Array(buffer, byteOffset, length);
  } catch (cause) {
    const isTooLarge = (cause as NodeJS.ErrnoException).code === "ERR_BUFFER_TOO_LARGE";
    throw isTooLarge
      ? new VillaError("UnsafeFile", `${path} unpacks to more than 256 MiB, so it is not an MNIST file.`, { cause })
      : new VillaError("InvalidFile", `${path} is truncated or damaged; download it again.`, { cause });
  }
}
