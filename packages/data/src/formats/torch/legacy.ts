import { VillaError } from "../../errors.ts";
import { describe } from "../describe.ts";
import type { Allowance } from "../limits.ts";
import { InertValue, pickleGlobal } from "../pickle/globals.ts";
import { readPickle } from "../pickle/reader.ts";
import { parseStorageId, torchGlobals } from "./globals.ts";
import { type RebuildOptions, TorchStorage } from "./storage.ts";
import type { ElementType } from "./types.ts";

// torch.save before 1.6: five pickles (magic number, version, machine, the value, storage keys), then each storage as
// its length in elements (int64) and its bytes.

const magicNumber = 0x1950a86a20f9469cfc6cn;
const protocolVersion = 1001;
const magicBytes = [0x80, 0x02, 0x8a, 0x0a, 0x6c, 0xfc, 0x9c, 0x46, 0xf9, 0x20, 0x6a, 0xa8, 0x50, 0x19];

/** True when `bytes` start with the magic number of torch's older format. */
export function looksLikeLegacyTorch(bytes: Uint8Array): boolean {
  return magicBytes.every((byte, i) => bytes[i] === byte);
}

interface Located {
  readonly type: ElementType;
  readonly bytes: Uint8Array;
}

/** Reads torch's older format. @see loadTorch */
export function readLegacyTorch(bytes: Uint8Array, rebuild: RebuildOptions): unknown {
  const { allowance } = rebuild;
  const plain = { allowance, globals: () => pickleGlobal("nothing") };
  const magic = readPickle(bytes, plain);
  const version = readPickle(bytes, { ...plain, start: magic.end });
  if (magic.value !== magicNumber || version.value !== protocolVersion) {
    throw new VillaError("Unsupported", `The torch file is of an unknown version: ${describe(version.value)}.`);
  }
  const machine = readPickle(bytes, { ...plain, start: version.end });
  if (machine.value instanceof Map && machine.value.get("little_endian") === false) {
    throw new VillaError(
      "Unsupported",
      "The torch file is big-endian, which cannot be read; save it on a little-endian machine.",
    );
  }
  const globals = torchGlobals(rebuild);

  // The storages come after the value that needs them: a first pass over the value finds out where they are. It makes
  // no tensors, only notes which storages the pickle mentions.
  const types = new Map<string, ElementType>();
  const inert = pickleGlobal("nothing", () => new InertValue());
  const scan = readPickle(bytes, {
    allowance,
    start: machine.end,
    globals: (module, name) => {
      const known = globals(module, name);
      return known.call ? inert : known;
    },
    persistentLoad: (id) => {
      const { type, key } = parseStorageId(id);
      if ((types.get(key) ?? type) !== type) throw malformed();
      types.set(key, type);
      return null;
    },
  });
  const storages = locateStorages(bytes, scan.end, types, allowance);
  return readPickle(bytes, {
    allowance,
    start: machine.end,
    globals,
    persistentLoad: (id) => legacyStorage(id, storages),
  }).value;
}

function locateStorages(
  bytes: Uint8Array,
  start: number,
  types: ReadonlyMap<string, ElementType>,
  allowance: Allowance,
): Map<string, Located> {
  const keys = readPickle(bytes, { start, allowance, globals: () => pickleGlobal("nothing") });
  if (!Array.isArray(keys.value)) throw malformed();
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const storages = new Map<string, Located>();
  let at = keys.end;
  for (const key of keys.value as unknown[]) {
    const type = typeof key === "string" ? types.get(key) : undefined;
    if (!type || typeof key !== "string" || at + 8 > bytes.length) throw malformed();
    const size = Number(view.getBigInt64(at, true)) * type.size;
    if (!(size >= 0 && at + 8 + size <= bytes.length)) throw malformed();
    storages.set(key, { type, bytes: bytes.subarray(at + 8, at + 8 + size) });
    at += 8 + size;
  }
  return storages;
}

function legacyStorage(id: unknown, storages: ReadonlyMap<string, Located>): TorchStorage {
  const { type, key, length, view } = parseStorageId(id);
  const located = storages.get(key);
  if (!located) throw malformed();
  if (view === null) return new TorchStorage(type, length, located.bytes);
  // A storage that is itself a slice of another: (key, offset, length).
  if (!Array.isArray(view)) throw malformed();
  const [, offset, viewLength] = view as unknown[];
  const isView = Number.isSafeInteger(offset) && typeof viewLength === "number" && typeof offset === "number";
  if (!isView || view.length !== 3 || offset < 0) throw malformed();
  return new TorchStorage(type, viewLength, located.bytes.subarray(offset * type.size));
}

function malformed(): VillaError {
  return new VillaError(
    "InvalidFile",
    "The torch file is truncated or malformed: its storages do not fit its tensors.",
  );
}
