import { writeFileSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  isVillaError,
  openSafetensors,
  type RangeSource,
  readSafetensors,
  type TensorData,
  writeSafetensors,
} from "../src/index.ts";
import { fileSource } from "../src/node.ts";
import { tensors } from "./arbitraries.ts";
import { temporaryFolder, thrown } from "./temporary.ts";

const folder = temporaryFolder();
const named = fc.uniqueArray(fc.tuple(fc.string({ minLength: 1 }), tensors()), {
  selector: ([name]) => name,
  maxLength: 6,
});
const half: TensorData = { dtype: "float16", shape: [2], data: Float32Array.of(0.5, -2) };

/** A file with a header written by hand. */
function file(header: unknown, data = new Uint8Array(0)): Uint8Array {
  const json = new TextEncoder().encode(typeof header === "string" ? header : JSON.stringify(header));
  const bytes = new Uint8Array(8 + json.length + data.length);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(json.length), true);
  bytes.set(json, 8);
  bytes.set(data, 8 + json.length);
  return bytes;
}

test("any tensors and metadata survive, at once and one by one", async () => {
  await fc.assert(
    fc.asyncProperty(named, fc.dictionary(fc.string(), fc.string(), { maxKeys: 3 }), async (entries, metadata) => {
      const bytes = writeSafetensors(new Map(entries), metadata);
      const read = readSafetensors(bytes);
      expect(new Map([...read.tensors].sort())).toEqual(new Map([...entries].sort()));
      expect(read.metadata).toEqual({ ...metadata });
      const lazy = await openSafetensors(bytes);
      for (const [name, tensor] of entries) expect(await lazy.tensor(name)).toEqual(tensor);
    }),
  );
});

test("the layout is the format's: length, header padded to 8, tensors without gaps, wide ones first", () => {
  const tensorsByName = new Map<string, TensorData>([
    ["b", { dtype: "uint8", shape: [3], data: Uint8Array.of(1, 2, 3) }],
    ["a", { dtype: "float32", shape: [1], data: Float32Array.of(1) }],
  ]);
  const bytes = writeSafetensors(tensorsByName, { made: "here" });
  const length = Number(new DataView(bytes.buffer).getBigUint64(0, true));
  expect(length % 8).toBe(0);
  expect(JSON.parse(new TextDecoder().decode(bytes.subarray(8, 8 + length)))).toEqual({
    __metadata__: { made: "here" },
    a: { dtype: "F32", shape: [1], data_offsets: [0, 4] },
    b: { dtype: "U8", shape: [3], data_offsets: [4, 7] },
  });
  expect([...bytes.subarray(8 + length)]).toEqual([0, 0, 128, 63, 1, 2, 3]);
});

test("halves are widened, or left as bits", () => {
  const bytes = writeSafetensors(
    new Map([
      ["h", half],
      ["b", { ...half, dtype: "bfloat16" as const }],
    ]),
  );
  expect(readSafetensors(bytes).tensors.get("h")).toEqual(half);
  const raw = readSafetensors(bytes, { raw: true }).tensors;
  expect(raw.get("h")!.data).toEqual(Uint16Array.of(0x3800, 0xc000));
  expect(raw.get("b")!.data).toEqual(Uint16Array.of(0x3f00, 0xc000));
  expect(writeSafetensors(raw)).toEqual(bytes);
});

test("a file is read by range: the header, then what is asked for", async () => {
  const big: TensorData = { dtype: "float32", shape: [100_000], data: new Float32Array(100_000).fill(2) };
  const bytes = writeSafetensors(
    new Map([
      ["big", big],
      ["small", half],
    ]),
  );
  const path = join(folder, "model.safetensors");
  writeFileSync(path, bytes);
  const source = await fileSource(path);
  let read = 0;
  const counted: RangeSource = {
    size: source.size,
    read: (start, end) => {
      read += end - start;
      return source.read(start, end);
    },
  };
  const model = await openSafetensors(counted);
  expect([...model.entries.keys()].sort()).toEqual(["big", "small"]);
  expect(await model.tensor("small")).toEqual(half);
  expect(read).toBeLessThan(1000);
  expect((await model.tensor("big")).data).toEqual(big.data);
  await expect(model.tensor("none")).rejects.toMatchObject({ code: "InvalidArgument" });
});

describe("hostile and damaged files", () => {
  const four = new Uint8Array(4);
  const entry = (changes: object) => ({ a: { dtype: "F32", shape: [1], data_offsets: [0, 4], ...changes } });

  test("the undamaged one is read", () => {
    expect(readSafetensors(file(entry({}), four)).tensors.size).toBe(1);
  });

  test.each([
    ["nothing", new Uint8Array(0), "InvalidFile"],
    ["a header beyond the file", file("{}").fill(255, 0, 8), "InvalidFile"],
    ["a header that is not JSON", file("{"), "InvalidFile"],
    ["a header that is no object", file("[]"), "InvalidFile"],
    ["an entry that is no object", file({ a: 1 }), "InvalidFile"],
    ["offsets beyond the file", file(entry({ data_offsets: [4, 8] }), four), "InvalidFile"],
    ["offsets reversed", file(entry({ data_offsets: [4, 0] }), four), "InvalidFile"],
    ["negative offsets", file(entry({ data_offsets: [-4, 0] }), four), "InvalidFile"],
    ["fractional offsets", file(entry({ data_offsets: [0.5, 4.5] }), four), "InvalidFile"],
    ["a shape that does not fit", file(entry({ shape: [2] }), four), "InvalidFile"],
    ["a vast shape", file(entry({ shape: [1e15, 1e15] }), four), "UnsafeFile"],
    ["a shape that is none", file(entry({ shape: "1" }), four), "InvalidFile"],
    [
      "6-bit floats",
      file(entry({ dtype: "F6_E2M3", shape: [16], data_offsets: [0, 12] }), new Uint8Array(12)),
      "Unsupported",
    ],
    ["a type of tomorrow", file(entry({ dtype: "F3" }), four), "Unsupported"],
    ["a type that is no text", file(entry({ dtype: { toString: 1 } }), four), "InvalidFile"],
    ["metadata that is no text", file({ ...entry({}), __metadata__: { a: { toString: 1 } } }, four), "InvalidFile"],
    ["bytes that belong to no tensor", file(entry({}), new Uint8Array(8)), "InvalidFile"],
  ])("%s", async (_, bytes, code) => {
    expect(thrown(() => readSafetensors(bytes))).toMatchObject({ name: "VillaError", code });
    await expect(openSafetensors(bytes)).rejects.toMatchObject({ name: "VillaError", code });
  });

  test("one that is cut off within its header says so", () => {
    const whole = file(entry({}), four);
    expect(thrown(() => readSafetensors(whole.subarray(0, 20)))).toMatchObject({
      code: "InvalidFile",
      message: expect.stringMatching(
        /^The safetensors file is cut off: it has 20 bytes, and its header alone takes \d+\.$/,
      ),
    });
  });

  test("many names for the same halves stop at the memory limit", () => {
    const many = Object.fromEntries(
      Array.from({ length: 1000 }, (_, i) => [`t${i}`, { dtype: "F16", shape: [5000], data_offsets: [0, 10_000] }]),
    );
    const bytes = file(many, new Uint8Array(10_000));
    expect(thrown(() => readSafetensors(bytes, { maxBytes: 1 << 20 }))).toMatchObject({ code: "UnsafeFile" });
  });

  test("two tensors in the same bytes", () => {
    const bytes = file({ a: entry({}).a, b: entry({}).a }, four);
    expect(thrown(() => readSafetensors(bytes))).toMatchObject({ code: "InvalidFile" });
  });

  test("names of JavaScript's own properties are ordinary names", () => {
    const tricky = new Map(["__proto__", "constructor", "toString"].map((name) => [name, half] as const));
    expect(new Set(readSafetensors(writeSafetensors(tricky)).tensors.keys())).toEqual(new Set(tricky.keys()));
  });

  test("any damage gives tensors or a VillaError", () => {
    const bytes = writeSafetensors(
      new Map([
        ["a", half],
        ["b", { ...half, shape: [2, 1] }],
      ]),
      { x: "y" },
    );
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.nat(bytes.length - 1), fc.nat(255)), { minLength: 1, maxLength: 3 }),
        (changes) => {
          const damaged = bytes.slice();
          for (const [at, value] of changes) damaged[at] = value;
          const error = thrown(() => readSafetensors(damaged));
          if (error !== undefined) expect(isVillaError(error), String(error)).toBe(true);
        },
      ),
      { numRuns: 1000 },
    );
  });

  test("writing refuses data that does not fit and the reserved name", () => {
    const bad: TensorData = { ...half, shape: [3] };
    expect(thrown(() => writeSafetensors(new Map([["a", bad]])))).toMatchObject({ code: "InvalidArgument" });
    expect(thrown(() => writeSafetensors(new Map([["__metadata__", half]])))).toMatchObject({
      code: "InvalidArgument",
    });
  });
});
