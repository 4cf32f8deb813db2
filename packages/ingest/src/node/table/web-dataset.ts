import { createReadStream } from "node:fs";
import { posix } from "node:path";
import { isVillaError, parseJson, VillaError } from "@villa/data";
import { fileError } from "@villa/data/node";
import type { TableRecord } from "../../table-record.ts";
import type { TableFormat } from "./table-format.ts";

/**
 * Tars as WebDataset writes them: files next to each other whose names agree up to the first point are a sample. A picture
 * is its image, `.txt` or `.caption` its text, the members of `.json` its other columns, and `.cls` its class, where that
 * is a word.
 */
export const webDataset: TableFormat = {
  extensions: [".tar"],
  isRectangular: false,
  open: (path) => webDatasetRows([path]),
};

/** The samples of several tars, one after another. */
export function webDatasetRows(paths: readonly string[]) {
  return {
    expectedRows: 0,
    async *records(): AsyncGenerator<TableRecord> {
      let number = 0;
      for (const path of paths) for await (const sample of samplesOf(path)) yield recordOf(sample, number++);
    },
  };
}

interface Sample {
  /** Name of its files up to the first point. */
  readonly key: string;
  /** Contents by what follows that point, in lower case. */
  readonly files: Map<string, Uint8Array>;
}

/** More than any sample should have: its image would not be read either. */
const mostBytes = 2 ** 30;

async function* samplesOf(path: string): AsyncGenerator<Sample> {
  const { extract: createExtract } = await import("tar-stream");
  const extract = createExtract();
  const file = createReadStream(path);
  file.on("error", (error) => extract.destroy(error));
  file.pipe(extract);
  let sample: Sample | undefined;
  try {
    for await (const entry of extract) {
      const { name, type, size = 0 } = entry.header;
      const [, key, extension] = /^(.*?[^/.][^/.]*)\.([^/]+)$/s.exec(name) ?? [];
      // Folders, and names that begin with a point, do not belong to a sample.
      if (type !== "file" || key === undefined || extension === undefined || posix.basename(name).startsWith(".")) {
        entry.resume();
        continue;
      }
      if (size > mostBytes) throw new VillaError("InvalidFile", `${name} in ${path} has ${size} bytes.`);
      const chunks: Uint8Array[] = [];
      for await (const chunk of entry as AsyncIterable<Uint8Array>) chunks.push(chunk);
      if (sample && sample.key !== key) {
        yield sample;
        sample = undefined;
      }
      sample ??= { key, files: new Map() };
      sample.files.set(extension.toLowerCase(), Buffer.concat(chunks));
    }
    if (sample) yield sample;
  } catch (error) {
    if (isVillaError(error)) throw error;
    const { code, message } = error as NodeJS.ErrnoException;
    if (code !== undefined) throw fileError(error, { path, doing: "read" });
    throw new VillaError("InvalidFile", `${path} cannot be read as a tar: ${message}.`, { cause: error });
  } finally {
    file.destroy();
  }
}

const pictures = ["png", "jpg", "jpeg", "webp", "tif", "tiff", "gif", "avif", "ppm", "pgm", "dcm"];

function recordOf({ key, files }: Sample, number: number): TableRecord {
  // "png" before "seg.png", whatever their order.
  const names = [...files].sort(([a], [b]) => a.split(".").length - b.split(".").length);
  const find = (...extensions: readonly string[]) =>
    names.find(([name]) => extensions.includes(name.split(".").at(-1)!));
  try {
    const picture = find(...pictures);
    if (!picture) return { number, problem: new VillaError("InvalidFile", `the sample "${key}" has no picture`) };
    const text = textOf(find("txt", "text", "caption"), key);
    const label = textOf(find("cls", "label"), key);
    const json = textOf(find("json"), key);
    const columns = json === undefined ? {} : parseJson(json, `the JSON of the sample "${key}"`);
    if (typeof columns !== "object" || columns === null || Array.isArray(columns)) {
      throw new VillaError("InvalidFile", `the JSON of the sample "${key}" is not an object`);
    }
    const { caption, ...others } = columns as Record<string, unknown>;
    const isWord = label !== undefined && !/^\s*-?\d+\s*$/.test(label);
    return {
      number,
      values: {
        id: key,
        text: text ?? caption ?? (isWord ? label : undefined),
        attributes: isWord ? [label.trim()] : undefined,
        ...others,
        image: { bytes: picture[1], path: `${key}.${picture[0]}` },
      },
    };
  } catch (error) {
    if (!isVillaError(error)) throw error;
    return { number, problem: new VillaError("InvalidFile", error.message.replace(/\.$/, ""), { cause: error }) };
  }
}

function textOf(file: readonly [name: string, bytes: Uint8Array] | undefined, key: string): string | undefined {
  if (!file) return undefined;
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(file[1]);
  } catch (cause) {
    throw new VillaError("InvalidFile", `${key}.${file[0]} is not utf-8`, { cause });
  }
}
