import { readFileSync } from "node:fs";
import { join } from "node:path";
import { fixturesDirectory } from "@villa/testing";
import { expect, test } from "vitest";
import { decompressZstd } from "../src/index.ts";

const read = (name: string): Uint8Array => new Uint8Array(readFileSync(join(fixturesDirectory, "zstd", name)));

// Made by the zstd command (1.5) of {@link contents}: raw, repeated, Huffman and FSE blocks, several of them, checksums.
test.each([
  ["empty", 0],
  ["zeros", 100_000],
  ["text-1", 20_000],
  ["text-19", 3000],
  ["text-fast", 5000],
  ["numbers", 3000],
  ["noise", 400],
])("%s", (name, size) => {
  expect(decompressZstd(read(`${name}.zst`), size)).toEqual(contents(name, size));
  expect(() => decompressZstd(read(`${name}.zst`), size + 1)).toThrow(/damaged/);
});

test("every byte that is changed is noticed, since there is a checksum", () => {
  const sound = read("text-19.zst");
  for (let at = 0; at < sound.length; at += 3) {
    const changed = sound.slice();
    changed[at] = changed[at]! ^ (1 << (at % 8));
    // The bits of the window's size and those that are not used change nothing.
    if (at >= 4 && at < 8) continue;
    expect(() => decompressZstd(changed, 3000), `byte ${at}`).toThrow(/damaged/);
  }
});

test("an offset that no length goes with ends at once", () => {
  // A page of a Parquet file, found by the fuzzer: fzstd went on for minutes.
  const page = Buffer.from("28b52ffd2020ad00007000000a0005001400000000000000035402feffff", "hex");
  expect(() => decompressZstd(new Uint8Array(page), 32)).toThrow(/damaged/);
});

/** What was compressed. */
function contents(name: string, size: number): Uint8Array {
  const out = new Uint8Array(size);
  const words = ["red", "mug", "lamp", "the", "a", "shows", "image", "of"];
  let state = 1;
  const next = (): number => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state >>> 16;
  };
  if (name.startsWith("text")) {
    let text = "";
    while (text.length < size) text += `${words[next() % words.length]} ${next() % 50} `;
    return new TextEncoder().encode(text.slice(0, size));
  }
  if (name === "numbers") for (let i = 0; i < size; i++) out[i] = (i * i) % 251;
  if (name === "noise") for (let i = 0; i < size; i++) out[i] = next();
  return out;
}
