import { type FuzzFormat, formats } from "./formats.ts";
import { bounds, judge, type Verdict } from "./judge.ts";
import { inPlaceMutators, movingMutators } from "./mutate-bytes.ts";
import { FuzzRandom } from "./random.ts";

/** One mutated input. Seed, format and index give the same one on every machine. */
export interface FuzzCase {
  readonly input: Uint8Array;
  /** The file it was made of. */
  readonly origin: string;
  /** Whether every byte is in its place, changed or not. */
  readonly inPlace: boolean;
  readonly bound: (typeof bounds)["tight" | "usual"];
}

/** A format with its seeds, and what reading them gives. */
export interface LoadedFormat {
  readonly format: FuzzFormat;
  readonly seeds: readonly { readonly name: string; readonly bytes: Uint8Array; readonly digest: string | undefined }[];
}

/** Reads the undamaged files of a format. @throws Error when the judge objects to one of them */
export async function loadFormat(name: string): Promise<LoadedFormat> {
  const format = formats.find((each) => each.name === name);
  if (!format) throw new Error(`There is no format ${name}; there are ${formats.map((each) => each.name).join(", ")}.`);
  const seeds: LoadedFormat["seeds"][number][] = [];
  for (const [origin, bytes] of await format.seeds()) {
    const { find, digest } = await judge(format, bytes, bounds.usual);
    if (find) throw new Error(`${name}: the undamaged ${origin} is a find: ${find.kind}, ${find.detail}`);
    seeds.push({ name: origin, bytes, digest });
  }
  return { format, seeds };
}

/** The input of a number. */
export function makeCase({ format, seeds }: LoadedFormat, seed: number, index: number): FuzzCase {
  const random = new FuzzRandom(Math.imul(seed ^ nameHash(format.name), 0x9e3779b1) + Math.imul(index, 0x85ebca6b));
  const { name: origin, bytes } = random.pick(seeds);
  let input = bytes;
  let inPlace = true;
  for (let count = random.pick([1, 1, 1, 2, 3]); count > 0; count--) {
    const known = format.mutators;
    const kind = random.below(known.length > 0 ? 6 : 3);
    const mutator = kind > 2 ? random.pick(known) : random.pick(kind === 0 ? movingMutators : inPlaceMutators);
    if (kind === 0 || kind > 2) inPlace = false;
    try {
      input = mutator(input, random, random.pick(seeds).bytes);
    } catch {
      // A mutator that knows the format may not find it in a file that others have changed already.
      input = random.pick(inPlaceMutators)(input, random, input);
    }
  }
  return { input, origin, inPlace, bound: random.once(16) ? bounds.usual : bounds.tight };
}

/** Makes and judges the input of a number. */
export async function runCase(loaded: LoadedFormat, seed: number, index: number): Promise<Verdict> {
  const { input, origin, inPlace, bound } = makeCase(loaded, seed, index);
  const { digest } = loaded.seeds.find(({ name }) => name === origin)!;
  return judge(loaded.format, input, bound, loaded.format.checked && inPlace ? digest : undefined);
}

function nameHash(name: string): number {
  let hash = 0x811c9dc5;
  for (const byte of new TextEncoder().encode(name)) hash = Math.imul(hash ^ byte, 0x01000193);
  return hash;
}
