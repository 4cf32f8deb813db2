// Pickles that try to make the reader work for ever, run out of memory, or fail at wording its own refusal.
import { describe, expect, test } from "vitest";
import { writeZip, zipMember } from "../src/formats/zip/writer.ts";
import { isVillaError, loadTorch, readNpy, readSafetensors, writeNpy } from "../src/index.ts";
import { thrown } from "./temporary.ts";

const bytesOf = (text: string): Uint8Array => Uint8Array.from(text, (character) => character.charCodeAt(0));
const uint32 = (value: number): string =>
  String.fromCharCode(value & 255, (value >> 8) & 255, (value >> 16) & 255, value >>> 24);

function torchFile(pickle: string, level: 0 | 6 = 0): Uint8Array {
  return writeZip([zipMember("a/data.pkl", bytesOf(pickle), level), zipMember("a/version", bytesOf("3\n"))]);
}

/** A list that holds itself twice, 60 times over: 2^60 elements if it were written out. */
const shared = `]q\x00K\x01a${Array.from({ length: 60 }, (_, i) => `]q${String.fromCharCode(i + 1)}(h${String.fromCharCode(i)}h${String.fromCharCode(i)}e`).join("")}`;
/** A list in a list, 50 000 times over. */
const deep = `${"(".repeat(50_000)}${"l".repeat(50_000)}`;
const storage = (type: string, key = "X\x01\x00\x00\x000", length = "K\x01"): string =>
  `(X\x07\x00\x00\x00storage${type}${key}X\x03\x00\x00\x00cpu${length}tQ`;

describe.each([
  ["shared", shared],
  ["deep", deep],
])("a %s structure as", (_, value) => {
  test.each([
    ["what is called", `\x80\x02${value})R.`],
    ["arguments", `\x80\x02ctorch._utils\n_rebuild_tensor_v2\n${value}R.`],
    [
      "the state of an array",
      `\x80\x02cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\nK\x00\x85U\x01btR${value}b.`,
    ],
    ["a dtype", `\x80\x02cnumpy\ndtype\n${value}\x85R.`],
    ["a device", `\x80\x02ctorch\ndevice\n${value}\x85R.`],
    ["a layout", `\x80\x02ctorch.serialization\n_get_layout\n${value}\x85R.`],
    ["a persistent id", `\x80\x02${value}Q.`],
    ["a storage's class", `\x80\x02${storage(value)}.`],
    ["a storage's key", `\x80\x02${storage("ctorch\nFloatStorage\n", value)}.`],
    ["a storage's length", `\x80\x02${storage("ctorch\nFloatStorage\n", undefined, value)}.`],
    ["a global's name", `\x80\x04${value}${value}\x93.`],
    ["the name of an attribute", `\x80\x02c__torch__\nM\n)R}(${value}K\x01ub.`],
    ["what is to be made a dict", `\x80\x02ccollections\nOrderedDict\n${value}\x85R.`],
  ])("%s is refused in a sentence", (_, pickle) => {
    const error = thrown(() => loadTorch(torchFile(pickle)));
    expect(isVillaError(error), String(error)).toBe(true);
    expect((error as Error).message.length).toBeLessThan(500);
  });

  test("a key is a key like another", () => {
    expect(loadTorch(torchFile(`\x80\x02${value}r\xff\x00\x00\x00}j\xff\x00\x00\x00K\x01s.`))).toBeInstanceOf(Map);
  });
});

describe("work without end", () => {
  const list = `](${"K\x01".repeat(100_000)}eq\x00`;
  const set = `\x8f(${Array.from({ length: 100_000 }, (_, i) => `J${uint32(i)}`).join("")}\x90q\x00`;

  test.each([
    ["tuple", list],
    ["frozenset", set],
    ["list", set],
  ])("3 000 copies by %s", (name, items) => {
    const copies = `cbuiltins\n${name}\nq\x010${`h\x01h\x00\x85R0`.repeat(3000)}`;
    const file = torchFile(`\x80\x04${items}0${copies}N.`, 6);
    expect(file.length).toBeLessThan(400_000);
    expect(thrown(() => loadTorch(file))).toMatchObject({
      code: "UnsafeFile",
      message: expect.stringContaining("maxBytes"),
    });
    expect(loadTorch(torchFile(`\x80\x04${items}0cbuiltins\n${name}\nh\x00\x85R.`))).toHaveProperty(
      name.endsWith("set") ? "size" : "length",
      100_000,
    );
  });

  test.each([
    ["dicts", "}"],
    ["lists", "]"],
    ["marks", "("],
    ["sets", "\x8f"],
    ["values", "N"],
    ["memo entries", "\x94"],
    ["operations that leave nothing", "N0"],
  ])("a small file of millions of %s", (_, operation) => {
    const file = torchFile(`\x80\x04N${operation.repeat(2 ** 20)}.`, 6);
    const error = thrown(() => loadTorch(file, { maxBytes: 2 ** 23, maxSteps: 2 ** 22 }));
    expect(error).toMatchObject({ code: "UnsafeFile" });
  });

  test("limits can be raised", () => {
    const file = torchFile(`\x80\x04]${"(e".repeat(1000)}.`);
    expect(thrown(() => loadTorch(file, { maxSteps: 1000 }))).toMatchObject({
      message: expect.stringContaining("maxSteps"),
    });
    expect(loadTorch(file, { maxSteps: 100_000 })).toEqual([]);
    expect(thrown(() => loadTorch(file, { maxSteps: Number.NaN }))).toMatchObject({ code: "InvalidArgument" });
  });
});

describe("constructors know each of their arguments", () => {
  const tensor = (rest: string, name = "_rebuild_tensor_v2"): Uint8Array =>
    writeZip([
      zipMember(
        "a/data.pkl",
        bytesOf(
          `\x80\x02ctorch._utils\n${name}\n(${storage("ctorch\nFloatStorage\n")}K\x00K\x01\x85K\x01\x85\x89${rest}tR.`,
        ),
      ),
      zipMember("a/data/0", new Uint8Array(Float32Array.of(3).buffer)),
    ]);

  test("the undamaged one is read", () => {
    expect(loadTorch(tensor("N"))).toMatchObject({ data: Float32Array.of(3) });
    expect(loadTorch(tensor("N}X\x03\x00\x00\x00neg\x88s"))).toMatchObject({ data: Float32Array.of(-3) });
    expect(loadTorch(tensor("N}"))).toMatchObject({ data: Float32Array.of(3) });
  });

  test.each([
    ["an eighth argument", tensor("NNK\x01"), "Unsupported"],
    ["an unknown property", tensor("N}X\x04\x00\x00\x00math\x88s"), "Unsupported"],
    ["a property that is no boolean", tensor("N}X\x03\x00\x00\x00negK\x02s"), "Unsupported"],
    ["metadata that is no dict", tensor("NK\x01"), "InvalidFile"],
    ["hooks", tensor("}K\x01K\x02s"), "InvalidFile"],
    ["conj of real numbers", tensor("N}X\x04\x00\x00\x00conj\x88s"), "InvalidFile"],
    ["a parameter of a number", torchFile("\x80\x02ctorch._utils\n_rebuild_parameter\n(K\x01\x89NtR."), "InvalidFile"],
    [
      "a fourth argument of a parameter",
      torchFile("\x80\x02ctorch._utils\n_rebuild_parameter\n(K\x01\x89NNtR."),
      "Unsupported",
    ],
    ["a size of two lists", torchFile("\x80\x02ctorch\nSize\n(]]tR."), "InvalidFile"],
    ["a Namespace with arguments", torchFile("\x80\x02cargparse\nNamespace\n(K\x01tR."), "InvalidFile"],
    ["a list of two", torchFile("\x80\x02cbuiltins\nlist\n(]]tR."), "InvalidFile"],
    [
      "bytes in another encoding",
      torchFile("\x80\x02c_codecs\nencode\n(X\x01\x00\x00\x00aX\x05\x00\x00\x00utf-7tR."),
      "InvalidFile",
    ],
  ])("%s", (_, file, code) => {
    expect(thrown(() => loadTorch(file))).toMatchObject({ code });
  });
});

test("safetensors whose header is deep or absurd", () => {
  const file = (json: string): Uint8Array => {
    const header = new TextEncoder().encode(json);
    const bytes = new Uint8Array(8 + header.length);
    new DataView(bytes.buffer).setBigUint64(0, BigInt(header.length), true);
    bytes.set(header, 8);
    return bytes;
  };
  const nested = `${"[".repeat(100_000)}${"]".repeat(100_000)}`;
  for (const value of [nested, '{"toString":1}', '{"toString":{"toString":[]}}', "null", `"${"x".repeat(100_000)}"`]) {
    for (const json of [
      `{"a":{"dtype":${value},"shape":[],"data_offsets":[0,0]}}`,
      `{"a":{"dtype":"F32","shape":${value},"data_offsets":[0,0]}}`,
      `{"__metadata__":${value}}`,
      `{"__metadata__":{"a":${value}},"a":{"dtype":"?"}}`,
      `{"a":${value}}`,
      value,
    ]) {
      const error = thrown(() => readSafetensors(file(json)));
      expect(isVillaError(error), String(error)).toBe(true);
      expect((error as Error).message.length).toBeLessThan(500);
    }
  }
});

test("an array of wide strings costs what its text does", () => {
  const file = writeNpy({ dtype: "unicode", shape: [3], data: ["a", "b", "c"] });
  const header = `${"{'descr': '<U1000000', 'fortran_order': False, 'shape': (100,), }".padEnd(117)}\n`;
  const wide = new Uint8Array(128 + 4 * 100 * 1_000_000);
  wide.set(file.subarray(0, 10));
  wide.set(bytesOf(header), 10);
  wide[128] = 65;
  const data = readNpy(wide).data as string[];
  expect([data[0], data[1], data.length]).toEqual(["A", "", 100]);
  expect(thrown(() => readNpy(wide, { maxBytes: 1 << 28 }))).toMatchObject({ code: "UnsafeFile" });
});
