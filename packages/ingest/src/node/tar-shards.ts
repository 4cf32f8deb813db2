import { once } from "node:events";
import { checkArgument, throwIfAborted } from "@villa/data";
import { atomicWriteFile } from "@villa/data/node";
import type { Pack } from "tar-stream";

/** A sample of a WebDataset: files that share a key. */
export interface TarSample {
  /** Without a dot; `<key>.<extension>` are the names in the tar. */
  readonly key: string;
  /** Extension → contents. */
  readonly files: Readonly<Record<string, Uint8Array | string>>;
}

/**
 * Writes samples as one tar file, as WebDataset reads them: the files of a sample next to each other. Equal samples give
 * equal bytes: times and owners are left zero.
 *
 * @param samples made one by one, as they are written
 * @throws VillaError `FileSystem`, `Aborted`
 */
export async function writeTarShard(
  path: string,
  samples: AsyncIterable<TarSample> | Iterable<TarSample>,
  options: { signal?: AbortSignal | undefined } = {},
): Promise<void> {
  checkArgument("path", path, "text");
  checkArgument("samples", samples, "iterable");
  checkArgument("options?", options, { "signal?": "object" });
  const { signal } = options;

  const { pack: createPack } = await import("tar-stream");
  const pack = createPack();
  const filling = fill(pack, samples, signal).catch((error: Error) => pack.destroy(error));
  await atomicWriteFile(path, pack as AsyncIterable<Uint8Array>);
  await filling;
}

async function fill(
  pack: Pack,
  samples: AsyncIterable<TarSample> | Iterable<TarSample>,
  signal: AbortSignal | undefined,
): Promise<void> {
  for await (const { key, files } of samples) {
    throwIfAborted(signal, "Writing shards was stopped; the same command begins anew.");
    for (const [extension, contents] of Object.entries(files)) {
      const bytes = Buffer.from(contents);
      const entry = pack.entry({ name: `${key}.${extension}`, size: bytes.length, mtime: new Date(0), mode: 0o644 });
      if (!entry.write(bytes)) await once(entry, "drain");
      entry.end();
    }
  }
  pack.finalize();
}
