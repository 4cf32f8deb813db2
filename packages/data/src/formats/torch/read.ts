import { VillaError } from "../../errors.ts";
import { checkBytes } from "../check-arguments.ts";
import { shorten } from "../describe.ts";
import { Allowance, type ReadLimits } from "../limits.ts";
import { readPickle } from "../pickle/reader.ts";
import { otherKind } from "../recognize.ts";
import { looksLikeZip, openZip } from "../zip/reader.ts";
import { parseStorageId, torchGlobals } from "./globals.ts";
import { looksLikeLegacyTorch, readLegacyTorch } from "./legacy.ts";
import { type RebuildOptions, TorchStorage } from "./storage.ts";

/** Options of {@link loadTorch}. */
export interface TorchReadOptions extends ReadLimits {
  /** Leave float16 and bfloat16 as their bits in a Uint16Array instead of widening them. */
  readonly raw?: boolean | undefined;
  /** Compare the file's contents with its checksums (default true; costs about a second per GB). */
  readonly checksums?: boolean | undefined;
}

/**
 * Reads what `torch.save` wrote (zip or legacy format) or a TorchScript archive, without running anything in it.
 *
 * dicts come as `Map`, lists and tuples as arrays, tensors and NumPy arrays as `TensorData` (complex ones as
 * `ComplexArray`), modules of TorchScript archives as {@link TorchObject}. Sparse tensors are made dense, quantised ones
 * dequantised, negated and conjugated views resolved; a tensor of a kind that is not read is an
 * {@link UnsupportedTensor}. Contiguous tensors are views of `bytes` where alignment and type allow.
 *
 * @throws VillaError `UnsafeFile` naming a Python constructor that is not on the list of harmless ones; `InvalidFile`
 *   for damaged or truncated files and tensors outside of their storage; `Unsupported` for arguments of torch's
 *   constructors that are not known
 */
export function loadTorch(bytes: Uint8Array, options: TorchReadOptions = {}): unknown {
  checkBytes(bytes);
  const allowance = new Allowance(bytes.length, options);
  const rebuild = { raw: options.raw ?? false, allowance };
  if (looksLikeZip(bytes)) return readZipTorch(bytes, options, rebuild);
  if (looksLikeLegacyTorch(bytes)) return readLegacyTorch(bytes, rebuild);
  throw new VillaError(
    "InvalidFile",
    `This is not a torch file (a ZIP archive or torch's older format)${otherKind(bytes)}.`,
  );
}

function readZipTorch(bytes: Uint8Array, options: TorchReadOptions, rebuild: RebuildOptions): unknown {
  const archive = openZip(bytes, "torch file", { allowance: rebuild.allowance, checksums: options.checksums });
  const pickle = [...archive.entries.keys()]
    .filter((name) => /^(.*\/)?data\.pkl$/.test(name))
    .sort((a, b) => a.length - b.length)[0];
  if (pickle === undefined) {
    throw new VillaError("InvalidFile", "This ZIP archive is not a torch file: it has no data.pkl.");
  }
  const folder = pickle.slice(0, -"data.pkl".length);
  if (archive.entries.has(`${folder}byteorder`)) {
    const order = new TextDecoder().decode(archive.read(`${folder}byteorder`)).trim();
    if (order !== "little") throw new VillaError("Unsupported", `The torch file is ${shorten(order)}-endian.`);
  }
  // Views of one storage share it, so it is checked and located once.
  const storages = new Map<string, TorchStorage>();
  const persistentLoad = (id: unknown): TorchStorage => {
    const { type, key, length } = parseStorageId(id);
    const name = `${folder}data/${key}`;
    let storage = storages.get(name);
    if (!storage) {
      storage = new TorchStorage(type, length, archive.read(name));
      storages.set(name, storage);
    }
    return storage.type === type && storage.length === length ? storage : new TorchStorage(type, length, storage.bytes);
  };
  return readPickle(archive.read(pickle), {
    allowance: rebuild.allowance,
    globals: torchGlobals(rebuild),
    persistentLoad,
  }).value;
}
