// Files of the real tools that ask more of a reader than the usual ones; `tools/golden/reader_cases.py` wrote them.
import { readFileSync } from "node:fs";
import { golden } from "@villa/testing";
import { describe, expect, test } from "vitest";
import { Allowance } from "../src/formats/limits.ts";
import { numpyGlobals } from "../src/formats/numpy/pickle-globals.ts";
import { readPickle } from "../src/formats/pickle/reader.ts";
import { loadStateDict, loadTorch, readNpy, readSparseCoo } from "../src/index.ts";
import { thrown } from "./temporary.ts";

const { json, path } = golden();
const file = (name: string): Uint8Array => new Uint8Array(readFileSync(path(`readers/${name}`)));

interface Told {
  readonly dtype: string;
  readonly shape: number[];
  readonly values: number[];
}
type Cases = Record<string, Record<string, Told>> & { readonly objects: Pick<Told, "shape" | "values"> };
const cases = json<Cases>("readers/cases.json");
const { objects, ...torchCases } = cases;

describe("torch files", () => {
  const names = Object.keys(torchCases).flatMap((name) => {
    const legacy = ["neg_view", "attribute", "complex", "sparse", "quantized"].includes(name);
    return legacy ? [name, `${name}_legacy`] : [name];
  });

  test.each(names)("%s: the values that torch reads", (name) => {
    const state = loadStateDict(file(`${name}.pth`));
    for (const [key, told] of Object.entries(torchCases[name.replace("_legacy", "")]!)) {
      const plainName = key.replaceAll(/_orig_mod\.|_fsdp_wrapped_module\./g, "");
      if (told.dtype.startsWith("complex")) {
        const value = (loadTorch(file(`${name}.pth`)) as Map<string, Told & { data: Float32Array }>).get(key)!;
        expect({ ...told, values: [...value.data] }, key).toEqual({ ...told, shape: value.shape });
        expect(state.unsupported.get(key)).toBe("a tensor of complex numbers");
        continue;
      }
      const tensor = state.get(plainName)!;
      expect({ dtype: tensor.dtype, shape: tensor.shape, values: Array.from(tensor.data, Number) }, key).toEqual(told);
    }
  });

  test("one tensor that cannot be read does not keep one from the others", () => {
    const state = loadStateDict(file("unread.pth"));
    expect([...state.keys()]).toEqual(["plain"]);
    expect(Object.fromEntries(state.unsupported)).toEqual({
      fnuz: "a tensor of type float8_e4m3fnuz",
      meta: "a tensor without data (device meta)",
    });
  });

  test("what torch.load(weights_only=True) allows beside tensors", () => {
    const value = loadTorch(file("containers.pth")) as Map<string, unknown>;
    expect(value.get("counter")).toEqual(new Map([["a", 2]]));
    expect(value.get("bytes")).toEqual(Uint8Array.of(0, 255));
    expect(value.get("complex")).toEqual({ dtype: "complex128", shape: [], data: Float64Array.of(1, 2) });
    expect(value.get("set")).toEqual(new Set([1, 2]));
    const namespace = value.get("namespace") as { attributes: Map<string, unknown> };
    expect(Object.fromEntries(namespace.attributes)).toEqual({ lr: 0.5, name: "x" });
  });

  test("the wrappers' parts are gone from names", () => {
    for (const name of ["compiled", "sharded", "net", "model_ema"]) {
      expect([...loadStateDict(file(`${name}.pth`)).keys()], name).toEqual(["conv.weight", "conv.bias"]);
    }
  });

  test("left as bits, a negated half has its sign bit changed", () => {
    const half = loadStateDict(file("neg_conj_imag.pth"), { raw: true }).get("half")!;
    expect(half.data).toEqual(Uint16Array.of(0xbc00, 0x3800));
  });
});

describe("NumPy files", () => {
  test.each(["double_quotes", "other_order", "list_shape", "longs", "type_name", "new_lines"])(
    "a header in other spelling: %s",
    (name) => {
      expect(readNpy(file(`npy_${name}.npy`))).toEqual({
        dtype: "float32",
        shape: [2, 3],
        data: Float32Array.of(0, 1, 2, 3, 4, 5),
      });
    },
  );

  test.each([4, 5])("arrays of arrays, transposed ones too, pickle protocol %i", (protocol) => {
    const array = readNpy(file(`objects_${protocol}.npy`));
    const [first] = array.data as [{ shape: number[]; data: BigInt64Array }];
    expect({ shape: first.shape, values: Array.from(first.data, Number) }).toEqual(objects);
  });

  test("NumPy 2's strings of any width", () => {
    expect(readNpy(file("strings.npy"))).toEqual({ dtype: "unicode", shape: [3], data: ["a", "bcé", ""] });
    expect(readNpy(file("strings_missing.npy"))).toEqual({ dtype: "object", shape: [2], data: ["a", null] });
  });

  test("structured types are said to be unsupported", () => {
    expect(thrown(() => readNpy(file("structured.npy")))).toMatchObject({ code: "Unsupported" });
  });
});

describe("pickles", () => {
  const read = (name: string): unknown => {
    const allowance = new Allowance(1 << 20);
    return readPickle(file(name), { allowance, globals: numpyGlobals(allowance) }).value;
  };

  test("texts and floats of protocol 0", () => {
    expect(Object.fromEntries(read("protocol0.pkl") as Map<string, unknown>)).toEqual({
      text: "é\u1234\ud800\\n",
      inf: Number.POSITIVE_INFINITY,
      minus: Number.NEGATIVE_INFINITY,
      nan: Number.NaN,
      yes: true,
      huge: 2n ** 70n,
    });
  });

  test("a byte-order mark and lone surrogates are characters like others", () => {
    expect(read("surrogates.pkl")).toEqual(["\ufeffbom", "a\ud800b", "\u{1f600}"]);
  });
});

test.each(["scipy_csr", "scipy_coo"])("%s: the cause and the cure", (name) => {
  expect(thrown(() => readSparseCoo(file(`${name}.npz`)))).toMatchObject({
    code: "Unsupported",
    message: expect.stringMatching(/scipy\.sparse.*sparse\.COO\.from_scipy_sparse/),
  });
});
