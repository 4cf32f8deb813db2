import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { findPython } from "@villa/testing";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { expectTensor } from "../src/formats/numpy/array.ts";
import {
  type ComplexArray,
  isVillaError,
  type NpyArray,
  type ObjectArray,
  readNpy,
  readNpz,
  type TensorData,
  writeNpy,
  writeNpz,
} from "../src/index.ts";
import { tensors } from "./arbitraries.ts";
import { temporaryFolder, thrown } from "./temporary.ts";

const folder = temporaryFolder();
const python = findPython("numpy");
const f4 = (...values: number[]): TensorData => ({
  dtype: "float32",
  shape: [values.length],
  data: Float32Array.from(values),
});

describe("round trips", () => {
  test("any tensor through .npy", () => {
    fc.assert(
      fc.property(tensors(), (tensor) => {
        expect(readNpy(writeNpy(tensor))).toEqual(tensor);
      }),
    );
  });

  test("any tensors through .npz, stored and compressed", () => {
    const names = fc.dictionary(fc.stringMatching(/^[a-z_][a-z0-9_/]{0,8}$/), tensors(), { maxKeys: 4 });
    fc.assert(
      fc.property(names, fc.constantFrom(0 as const, 1 as const, 9 as const), (arrays, level) => {
        const back = readNpz(writeNpz(arrays, { level }));
        expect(Object.fromEntries(back)).toEqual({ ...arrays });
      }),
      { numRuns: 50 },
    );
  });

  test("text, complex numbers, objects", () => {
    const arrays: NpyArray[] = [
      { dtype: "unicode", shape: [2, 2], data: ["a", "", "日本 👍", "zero"] },
      { dtype: "bytes", shape: [2], data: ["ab", "é"] },
      { dtype: "complex64", shape: [2], data: Float32Array.of(1, 2, 3, 4) },
      { dtype: "complex128", shape: [], data: Float64Array.of(1, -2) },
    ];
    for (const array of arrays) expect(readNpy(writeNpy(array))).toEqual(array);
    const objects: unknown[] = [
      null,
      true,
      1,
      -1.5,
      2 ** 40,
      2n ** 90n,
      "é",
      [1, [2]],
      new Map([["k", f4(1)]]),
      f4(1, 2),
    ];
    const back = readNpy(writeNpy({ dtype: "object", shape: [2, 5], data: objects })) as ObjectArray;
    expect(back.shape).toEqual([2, 5]);
    expect(back.data.slice(0, 8)).toEqual(objects.slice(0, 8));
    expect(expectTensor(back.data[9], "last").data).toEqual(Float32Array.of(1, 2));
  });

  test("float16 is widened, or its bits when asked for raw ones", () => {
    const bytes = writeNpy({ dtype: "float16", shape: [3], data: Float32Array.of(1, -2, 0.1) });
    expect((readNpy(bytes) as TensorData).data).toEqual(Float32Array.of(1, -2, 0.0999755859375));
    expect((readNpy(bytes, { raw: true }) as TensorData).data).toEqual(Uint16Array.of(0x3c00, 0xc000, 0x2e66));
  });

  test("views into the file need no copy, unaligned ones are copied", () => {
    const bytes = writeNpy(f4(1, 2, 3));
    const aligned = bytes.byteOffset % 4 === 0;
    expect((readNpy(bytes) as TensorData).data.buffer === bytes.buffer).toBe(aligned);
    const moved = new Uint8Array(bytes.length + 1);
    moved.set(bytes, 1);
    expect((readNpy(moved.subarray(1)) as TensorData).data).toEqual(Float32Array.of(1, 2, 3));
  });
});

describe.skipIf(!python)("with NumPy", () => {
  test("reads every type, order and memory layout that NumPy writes", () => {
    const path = join(folder, "numpy.npz");
    const expected = python!.json<Record<string, { dtype: string; shape: number[]; values: (number | string)[] }>>(
      `
import json, sys
import numpy as np
r = np.random.RandomState(0)
arrays, told = {}, {}
for code in ["f8","f4","f2","i8","i4","i2","i1","u8","u4","u2","u1"]:
    for order in "<>":
        for layout in "CF":
            a = (r.randn(3, 2, 4) * 50).astype(order + code) if code[0] != "u" else r.randint(0, 200, (3, 2, 4)).astype(order + code)
            arrays[f"{code}{'l' if order == '<' else 'b'}{layout}"] = np.array(a, order=layout)
arrays["bool"] = r.rand(5) > 0.5
arrays["scalar"] = np.array(7, "i2")
arrays["empty"] = np.zeros((0, 3), "f4")
arrays["text"] = np.array([["zero", "één"], ["", "x"]])
arrays["bigtext"] = np.array(["ab", "c"], ">U3")
arrays["strings"] = np.array([b"ab", b"c"])
arrays["transposed"] = np.arange(6.0).reshape(2, 3).T
for name, a in arrays.items():
    flat = [x.decode() if isinstance(x, bytes) else x for x in a.ravel().tolist()]
    told[name] = dict(dtype=a.dtype.name, shape=list(a.shape), values=flat)
np.savez_compressed(sys.argv[1], **arrays)
print(json.dumps(told))`,
      path,
    );
    const arrays = readNpz(new Uint8Array(readFileSync(path)));
    expect([...arrays.keys()].sort()).toEqual(Object.keys(expected).sort());
    for (const [name, { dtype, shape, values }] of Object.entries(expected)) {
      const array = arrays.get(name)!;
      expect(array.shape, name).toEqual(shape);
      expect(array.dtype, name).toBe(dtype.replace(/^str\d+$/, "unicode").replace(/^bytes\d+$/, "bytes"));
      const ours = Array.from(array.data as ArrayLike<unknown>, (x) => (typeof x === "bigint" ? Number(x) : x));
      const theirs = values.map((x) => (typeof x === "boolean" ? Number(x) : x));
      expect(ours, name).toEqual(theirs);
    }
  });

  test("reads arrays of objects of NumPy's pickles", () => {
    const path = join(folder, "objects.npy");
    python!.run(
      `
import sys
import numpy as np
a = np.empty(7, object)
a[:] = [np.arange(3, dtype="f4"), "text", None, {"k": [1, 2.5, (True, b"x")]}, np.float32(1.5), np.array(["a", "bc"]), np.asfortranarray(np.arange(6).reshape(2, 3))]
np.save(sys.argv[1], a, allow_pickle=True)`,
      path,
    );
    const { data } = readNpy(new Uint8Array(readFileSync(path))) as ObjectArray;
    expect(data[0]).toMatchObject({ dtype: "float32", shape: [3], data: Float32Array.of(0, 1, 2) });
    expect(data.slice(1, 5)).toEqual(["text", null, new Map([["k", [1, 2.5, [true, Uint8Array.of(120)]]]]), 1.5]);
    expect(data[5]).toMatchObject({ dtype: "unicode", data: ["a", "bc"] });
    expect(data[6]).toMatchObject({ shape: [2, 3], data: BigInt64Array.of(0n, 1n, 2n, 3n, 4n, 5n) });
  });

  test("NumPy reads what is written here", () => {
    const path = join(folder, "ours.npz");
    const objects: ObjectArray = {
      dtype: "object",
      shape: [4],
      data: [f4(1, 2), f4(3), { x: [1, 2.5, null] }, { dtype: "bool", shape: [1, 2], data: Uint8Array.of(1, 0) }],
    };
    const arrays: Record<string, NpyArray> = {
      arr_0: objects,
      half: { dtype: "float16", shape: [2], data: Float32Array.of(0.5, -1) },
      big: { dtype: "uint64", shape: [1], data: BigUint64Array.of(2n ** 63n + 1n) },
      flags: { dtype: "bool", shape: [2, 1], data: Uint8Array.of(1, 0) },
      scalar: { dtype: "float64", shape: [], data: Float64Array.of(0.1) },
      text: { dtype: "unicode", shape: [2], data: ["één", "x"] },
      complex: { dtype: "complex64", shape: [1], data: Float32Array.of(1, -2) } satisfies ComplexArray,
    };
    for (const level of [0, 6] as const) {
      writeFileSync(path, writeNpz(arrays, { level }));
      const told = python!.run(
        `
import sys
import numpy as np
z = np.load(sys.argv[1], allow_pickle=True)
for k in z.files:
    a = z[k]
    print(k, a.dtype, a.shape, [(str(x.dtype), x.tolist()) if hasattr(x, "dtype") and a.dtype == object else x for x in a.ravel().tolist()])`,
        path,
      );
      expect(told.trim().split("\n")).toEqual([
        "arr_0 object (4,) [('float32', [1.0, 2.0]), ('float32', [3.0]), {'x': [1, 2.5, None]}, ('bool', [[True, False]])]",
        "half float16 (2,) [0.5, -1.0]",
        "big uint64 (1,) [9223372036854775809]",
        "flags bool (2, 1) [True, False]",
        "scalar float64 () [0.1]",
        "text <U3 (2,) ['één', 'x']",
        "complex complex64 (1,) [(1-2j)]",
      ]);
    }
  });

  test("headers equal NumPy's byte for byte", () => {
    const path = join(folder, "header.npy");
    for (const [shape, code, dtype] of [
      ["(3,)", "i8", "int64"],
      ["(3, 84, 84)", "u1", "uint8"],
      ["()", "f4", "float32"],
    ] as const) {
      python!.run(`import sys\nimport numpy as np\nnp.save(sys.argv[1], np.zeros(${shape}, "${code}"))`, path);
      const theirs = new Uint8Array(readFileSync(path));
      const array = expectTensor(readNpy(theirs), "array");
      expect(array.dtype).toBe(dtype);
      expect(writeNpy(array)).toEqual(theirs);
    }
  });
});

describe("hostile and damaged arrays", () => {
  const header = (dictionary: string): Uint8Array => {
    const text = dictionary.padEnd(117);
    return Uint8Array.from([0x93, ...new TextEncoder().encode(`NUMPY\x01\x00v\x00${text}\n`)]);
  };

  test.each([
    ["not an array", new TextEncoder().encode("hello world"), "InvalidFile"],
    ["nothing", new Uint8Array(0), "InvalidFile"],
    [
      "a shape beyond the data",
      header("{'descr': '<f4', 'fortran_order': False, 'shape': (1000000, 1000), }"),
      "InvalidFile",
    ],
    [
      "a shape beyond all memory",
      header("{'descr': '<f4', 'fortran_order': False, 'shape': (1000000000, 1000000000), }"),
      "UnsafeFile",
    ],
    ["a negative side", header("{'descr': '<f4', 'fortran_order': False, 'shape': (-1,), }"), "InvalidFile"],
    [
      "code in the header",
      header("{'descr': __import__('os'), 'fortran_order': False, 'shape': (1,), }"),
      "InvalidFile",
    ],
    ["a structured type", header("{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (1,), }"), "Unsupported"],
    ["dates", header("{'descr': '<M8[ns]', 'fortran_order': False, 'shape': (1,), }"), "Unsupported"],
    ["endless strings", header("{'descr': '<U99999999', 'fortran_order': False, 'shape': (1,), }"), "UnsafeFile"],
    ["no pickle", header("{'descr': '|O', 'fortran_order': False, 'shape': (1,), }"), "InvalidFile"],
  ])("%s", (_, bytes, code) => {
    expect(thrown(() => readNpy(bytes))).toMatchObject({ name: "VillaError", code });
  });

  test("objects that would run code are refused by name", () => {
    const head = header("{'descr': '|O', 'fortran_order': False, 'shape': (1,), }");
    const pickle = new TextEncoder().encode("cos\nsystem\n(S'touch /tmp/villa-pwned'\ntR.");
    const error = thrown(() => readNpy(Uint8Array.from([...head, ...pickle])));
    expect(error).toMatchObject({ code: "UnsafeFile", message: expect.stringContaining("os.system") });
  });

  test("any damage gives an array or a VillaError", () => {
    const objects = { dtype: "object", shape: [2], data: [f4(1, 2), { a: [1, "x"] }] } satisfies ObjectArray;
    for (const bytes of [writeNpy(f4(1, 2, 3)), writeNpy(objects), writeNpz({ a: objects, b: f4(1) }, { level: 6 })]) {
      const read = bytes[0] === 0x50 ? readNpz : readNpy;
      fc.assert(
        fc.property(
          fc.array(fc.tuple(fc.nat(bytes.length - 1), fc.nat(255)), { minLength: 1, maxLength: 3 }),
          fc.nat(bytes.length),
          (changes, length) => {
            const damaged = bytes.slice(0, Math.max(length, bytes.length >> 1));
            for (const [at, value] of changes) if (at < damaged.length) damaged[at] = value;
            const error = thrown(() => read(damaged, { maxBytes: 1 << 24 }));
            if (error !== undefined) expect(isVillaError(error), String(error)).toBe(true);
          },
        ),
        { numRuns: Number(process.env.VILLA_FUZZ ?? 400) },
      );
    }
  });

  test("writing refuses data that does not fit its shape", () => {
    expect(thrown(() => writeNpy({ ...f4(1), shape: [2] }))).toMatchObject({ code: "InvalidArgument" });
    expect(thrown(() => writeNpy({ ...f4(1), dtype: "int32" }))).toMatchObject({ code: "InvalidArgument" });
    expect(thrown(() => writeNpy({ ...f4(1), dtype: "bfloat16" }))).toMatchObject({ code: "Unsupported" });
    expect(thrown(() => writeNpy({ dtype: "object", shape: [1], data: [() => 1] }))).toMatchObject({
      code: "InvalidArgument",
    });
    const loop: unknown[] = [];
    loop.push(loop);
    expect(thrown(() => writeNpy({ dtype: "object", shape: [1], data: [loop] }))).toMatchObject({
      code: "InvalidArgument",
    });
  });
});
