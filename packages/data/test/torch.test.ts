import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { findPython, golden } from "@villa/testing";
import fc from "fast-check";
import { beforeAll, describe, expect, test } from "vitest";
import { writeZip, zipMember } from "../src/formats/zip/writer.ts";
import {
  isVillaError,
  loadStateDict,
  loadTorch,
  PythonFloat,
  saveTorch,
  type TensorData,
  TorchObject,
} from "../src/index.ts";
import { exactTypes, tensors } from "./arbitraries.ts";
import { temporaryFolder, thrown } from "./temporary.ts";

const folder = temporaryFolder();
const python = findPython("torch");
const { path: goldenPath } = golden();
const bytesOf = (path: string): Uint8Array => new Uint8Array(readFileSync(path));
const torchTypes = exactTypes.filter((dtype) => !["uint64", "uint32", "uint16"].includes(dtype));
const f4 = (shape: number[], ...values: number[]): TensorData => ({
  dtype: "float32",
  shape,
  data: Float32Array.from(values),
});

/** A torch file around a pickle written by hand. */
function torchFile(pickle: string | Uint8Array, storages: Record<string, Uint8Array> = {}): Uint8Array {
  const text = (value: string): Uint8Array => Uint8Array.from(value, (character) => character.charCodeAt(0));
  return writeZip([
    zipMember("a/data.pkl", typeof pickle === "string" ? text(pickle) : pickle),
    ...Object.entries(storages).map(([key, contents]) => zipMember(`a/data/${key}`, contents)),
    zipMember("a/version", text("3\n")),
  ]);
}

describe("round trips", () => {
  test("any tensors in any nesting", () => {
    const { value } = fc.letrec<{ value: unknown }>((tie) => ({
      value: fc.oneof(
        { maxDepth: 3 },
        fc.oneof(
          tensors(torchTypes),
          fc.integer(),
          fc.bigInt({ min: -(2n ** 100n), max: 2n ** 100n }).filter((x) => !Number.isSafeInteger(Number(x))),
          fc.string({ unit: "grapheme" }),
          fc.boolean(),
          fc.constant(null),
          fc.double({ noNaN: true }),
          fc.uint8Array({ maxLength: 20 }),
        ),
        fc.array(tie("value"), { maxLength: 4 }),
        fc
          .uniqueArray(fc.tuple(fc.string(), tie("value")), { selector: ([key]) => key, maxLength: 4 })
          .map((entries) => new Map(entries)),
      ),
    }));
    fc.assert(
      fc.property(value, (written) => {
        expect(loadTorch(saveTorch(written))).toEqual(written);
      }),
    );
  });

  test("state dicts, halves and shared tensors", () => {
    const shared = f4([2], 1, 2);
    const half: TensorData = { dtype: "float16", shape: [2], data: Float32Array.of(0.5, -2) };
    const bf16: TensorData = { dtype: "bfloat16", shape: [1], data: Float32Array.of(3) };
    const file = saveTorch({
      epoch: 3,
      model_state_dict: new Map([
        ["a.weight", shared],
        ["tied", shared],
        ["h", half],
      ]),
      bf16,
    });
    expect(Object.fromEntries(loadStateDict(file))).toEqual({ "a.weight": shared, tied: shared, h: half });
    expect((loadTorch(file) as Map<string, unknown>).get("bf16")).toEqual(bf16);
    const raw = loadStateDict(file, { raw: true }).get("h")!;
    expect(raw.data).toEqual(Uint16Array.of(0x3800, 0xc000));
  });

  test("contiguous tensors are views of the file", () => {
    const file = saveTorch({ a: f4([3], 1, 2, 3) });
    expect(loadStateDict(file).get("a")!.data.buffer).toBe(file.buffer);
  });

  test("nested dicts give dotted names; what is no tensor is left out", () => {
    const file = saveTorch({ encoder: { weight: f4([1], 1), name: "x" }, lr: 0.1 });
    expect([...loadStateDict(file).keys()]).toEqual(["encoder.weight"]);
  });
});

// One process each way: importing torch takes seconds.
describe.skipIf(!python)("what torch.save writes is read", () => {
  interface Expected {
    readonly dtype: string;
    readonly shape: number[];
    readonly values: number[];
  }
  let expected: Record<string, Expected> = {};
  beforeAll(() => {
    expected = python!.json(
      `
import collections, json, os, sys, torch
folder = sys.argv[1]
torch.manual_seed(0)
base = torch.randn(4, 5, 6)
tensors = collections.OrderedDict()
for t in ["float64","float32","float16","bfloat16","int64","int32","int16","int8","uint8","bool"]:
    tensors[t] = (base * 20).abs().to(getattr(torch, t))
tensors["transposed"] = base.permute(2, 0, 1)
tensors["sliced"] = base[1:3, ::2, 3]
tensors["expanded"] = base[:1, :1, :1].expand(2, 3, 4)
tensors["half_view"] = base.half()[:, 1]
tensors["scalar"] = torch.tensor(2.5)
tensors["empty"] = torch.zeros(0, 4)
tensors["parameter"] = torch.nn.Parameter(base[0].clone())
tensors["channels_last"] = torch.randn(1, 3, 2, 2).to(memory_format=torch.channels_last)
value = {"epoch": 3, "args": [1, (2.5, None)], "set": {1}, "size": base.shape, "dtype": torch.float16, "device": torch.device("cpu"), "state_dict": tensors}
for zipped in [True, False]:
    torch.save(value, os.path.join(folder, f"zip-{str(zipped).lower()}.pth"), _use_new_zipfile_serialization=zipped)

m = torch.nn.Sequential(torch.nn.Linear(2, 3), torch.nn.BatchNorm1d(3))
o = torch.optim.AdamW(m.parameters())
m(torch.randn(4, 2)).sum().backward(); o.step()
torch.save({"epoch": 1, "model_state_dict": m.state_dict(), "optimizer_state_dict": o.state_dict(), "loss": torch.tensor(0.5)}, os.path.join(folder, "checkpoint.pth"))
torch.save(torch.nn.Linear(1, 1), os.path.join(folder, "module.pth"))
torch.save({"z": torch.zeros(2, dtype=torch.complex64)}, os.path.join(folder, "complex.pth"))

class Inner(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.arange(6.).reshape(2, 3).half())
        self.register_buffer("steps", torch.tensor(7))
        self.sizes = [1, 2]
    def forward(self, x): return x
class Outer(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.inner = Inner()
        self.layers = torch.nn.ModuleList([torch.nn.Linear(1, 1), torch.nn.Linear(1, 1)])
    def forward(self, x): return x
torch.jit.script(Outer()).save(os.path.join(folder, "script.pt"))

told = lambda v: dict(dtype=str(v.dtype)[6:], shape=list(v.shape), values=[float(x) for x in v.detach().flatten().tolist()])
print(json.dumps({k: told(v) for k, v in tensors.items()}))`,
      folder,
    );
  });

  test.each([true, false])("every type, view and container, zip = %s", (zip) => {
    const file = bytesOf(join(folder, `zip-${zip}.pth`));
    const state = loadStateDict(file);
    expect([...state.keys()]).toEqual(Object.keys(expected));
    for (const [name, { dtype, shape, values }] of Object.entries(expected)) {
      const tensor = state.get(name)!;
      expect({ dtype: tensor.dtype, shape: tensor.shape }, name).toEqual({ dtype, shape });
      expect(Array.from(tensor.data, Number), name).toEqual(values);
    }
    const whole = loadTorch(file) as Map<string, unknown>;
    expect(whole.get("args")).toEqual([1, [2.5, null]]);
    expect(whole.get("set")).toEqual(new Set([1]));
    expect(whole.get("size")).toEqual([4, 5, 6]);
    expect(whole.get("device")).toBe("cpu");
  });

  test("training checkpoints with their optimiser", () => {
    const file = bytesOf(join(folder, "checkpoint.pth"));
    expect([...loadStateDict(file).keys()]).toContain("1.running_var");
    const value = loadTorch(file) as Map<string, Map<string, unknown>>;
    expect(value.get("optimizer_state_dict")!.get("param_groups")).toHaveLength(1);
  });

  test("a whole pickled module is refused by name, with what to do", () => {
    expect(thrown(() => loadTorch(bytesOf(join(folder, "module.pth"))))).toMatchObject({
      code: "UnsafeFile",
      message: expect.stringMatching(/torch\.nn\.modules\.linear\.Linear.*state_dict\(\)/),
    });
  });

  test("complex tensors are read as such, and said to be no part of a state dict", () => {
    const file = bytesOf(join(folder, "complex.pth"));
    const [value] = [...(loadTorch(file) as Map<string, unknown>).values()];
    expect(value).toEqual({ dtype: "complex64", shape: [2], data: new Float32Array(4) });
    expect(thrown(() => loadStateDict(file))).toMatchObject({
      code: "Unsupported",
      message: expect.stringContaining("complex numbers"),
    });
  });

  test("TorchScript archives keep attributes and module tree", () => {
    const file = bytesOf(join(folder, "script.pt"));
    const names = [
      "inner.weight",
      "inner.steps",
      "layers.0.weight",
      "layers.0.bias",
      "layers.1.weight",
      "layers.1.bias",
    ];
    const state = loadStateDict(file);
    expect([...state.keys()].sort()).toEqual([...names].sort());
    expect(state.get("inner.weight")).toEqual({
      dtype: "float16",
      shape: [2, 3],
      data: Float32Array.of(0, 1, 2, 3, 4, 5),
    });
    const root = loadTorch(file) as TorchObject;
    expect(root).toBeInstanceOf(TorchObject);
    expect((root.attributes.get("inner") as TorchObject).attributes.get("sizes")).toEqual([1, 2]);
  });
});

test.skipIf(!python)("torch.load reads what is written here", () => {
  const [path, numpyPath, statePath] = ["ours.pth", "numpy.pth", "state.pth"].map((name) => join(folder, name));
  const nested = {
    list: [1, new PythonFloat(2), 2.5, true, null, "é", 2n ** 70n, -(2n ** 40n)],
    bytes: Uint8Array.of(0, 200),
  };
  const tensorsOfEachType = Object.fromEntries(torchTypes.map((dtype) => [dtype, tensorOf(dtype)] as const));
  const value = {
    ...tensorsOfEachType,
    half: { dtype: "float16", shape: [2], data: Float32Array.of(0.5, -2) },
    bf16: { dtype: "bfloat16", shape: [], data: Float32Array.of(3) },
    empty: f4([0, 3]),
    nested,
  };
  writeFileSync(path!, saveTorch(value));
  writeFileSync(numpyPath!, saveTorch({ zero: f4([2], 1, 2) }, { arrays: "numpy" }));
  const state = new Map([
    ["weight", f4([1, 2], 3, 4)],
    ["bias", f4([1], 5)],
  ]);
  writeFileSync(statePath!, saveTorch(state));
  const script = `
import sys, torch
for k, v in torch.load(sys.argv[1]).items():
    print(k, (str(v.dtype), tuple(v.shape), v.is_contiguous(), v.tolist()) if isinstance(v, torch.Tensor) else v)
print(repr(torch.load(sys.argv[2])))
m = torch.nn.Linear(2, 1)
m.load_state_dict(torch.load(sys.argv[3]))
print(m(torch.tensor([[1., 1.]])).item())`;
  const printed = python!.run(script, path!, numpyPath!, statePath!);
  expect(printed.trim().split("\n")).toEqual([
    ...torchTypes.map((dtype) => {
      const values = dtype === "bool" ? "[[True, False]]" : dtype.startsWith("float") ? "[[1.0, 0.0]]" : "[[1, 0]]";
      return `${dtype} ('torch.${dtype}', (1, 2), True, ${values})`;
    }),
    "half ('torch.float16', (2,), True, [0.5, -2.0])",
    "bf16 ('torch.bfloat16', (), True, 3.0)",
    "empty ('torch.float32', (0, 3), True, [])",
    "nested {'list': [1, 2.0, 2.5, True, None, 'é', 1180591620717411303424, -1099511627776], 'bytes': b'\\x00\\xc8'}",
    "{'zero': array([1., 2.], dtype=float32)}",
    "12.0",
  ]);
});

describe("hostile files", () => {
  const storage = (elements: number): string =>
    `(X\x07\0\0\0storagectorch\nFloatStorage\nX\x01\0\0\x000X\x03\0\0\0cpuK${String.fromCharCode(elements)}tQ`;
  const int = (value: number): string => `I${value}\n`;
  const tuple = (...values: number[]): string => `(${values.map(int).join("")}t`;
  const tensor = (elements: number, offset: number, shape: number[], strides: number[]): string =>
    `\x80\x02ctorch._utils\n_rebuild_tensor_v2\n(${storage(elements)}${int(offset)}${tuple(...shape)}${tuple(...strides)}\x89NtR.`;
  const four = new Uint8Array(Float32Array.of(1, 2, 3, 4).buffer);

  test("the undamaged one is read", () => {
    expect(loadTorch(torchFile(tensor(4, 1, [2], [2]), { 0: four }))).toEqual(f4([2], 2, 4));
  });

  test.each([
    ["a storage shorter than said", tensor(5, 0, [1], [1])],
    ["a shape beyond the storage", tensor(4, 0, [5], [1])],
    ["an offset beyond the storage", tensor(4, 4, [1], [1])],
    ["a stride beyond the storage", tensor(4, 0, [2], [4])],
    ["a negative stride", tensor(4, 3, [2], [-1])],
    ["a negative offset", tensor(4, -1, [1], [1])],
    ["a negative side", tensor(4, 0, [-1], [1])],
    ["strides that are not as many as sides", tensor(4, 0, [2, 2], [2])],
  ])("%s", (_, pickle) => {
    expect(thrown(() => loadTorch(torchFile(pickle, { 0: four })))).toMatchObject({ code: "InvalidFile" });
  });

  test("a small storage expanded beyond all memory", () => {
    for (const side of [2 ** 30, 2 ** 50]) {
      const error = thrown(() => loadTorch(torchFile(tensor(4, 0, [side, 4], [0, 1]), { 0: four })));
      expect(error).toMatchObject({ code: "UnsafeFile" });
    }
  });

  test.each([
    ["posix.system", "cposix\nsystem\n(S'true'\ntR."],
    ["builtins.eval", "cbuiltins\neval\n(S'1'\ntR."],
    ["builtins.getattr", "cbuiltins\ngetattr\n."],
    ["torch.load", "\x80\x04\x8c\x05torch\x8c\x04load\x93."],
    ["torch.storage._load_from_bytes", "ctorch.storage\n_load_from_bytes\n."],
    ["numpy.core.multiarray.fromstring", "cnumpy.core.multiarray\nfromstring\n."],
    ["__main__.X", "c__main__\nX\n)R."],
  ])("%s is refused by name", (name, pickle) => {
    expect(thrown(() => loadTorch(torchFile(pickle)))).toMatchObject({
      code: "UnsafeFile",
      message: expect.stringContaining(name),
    });
  });

  test.each([
    ["old-style instances", "(i__main__\nX\n."],
    ["extension codes", "\x82\x01."],
    ["ids of something that is no storage", "\x80\x02X\x04\0\0\0evilQ."],
    ["a huge integer", "\x80\x02\x8b\xff\xff\xff\x7f."],
  ])("%s are refused", (_, pickle) => {
    expect(thrown(() => loadTorch(torchFile(pickle)))).toMatchObject({ code: "UnsafeFile" });
  });

  test.each([
    ["an empty pickle", ""],
    ["no end", "\x80\x02}"],
    ["an empty stack", "."],
    ["a missing mark", "\x80\x02t."],
    ["a reference to nothing", "\x80\x02h\x05."],
    ["a string beyond the end", "\x80\x02X\xff\xff\xff\x7fabc."],
    ["items for a number", "\x80\x02K\x01(K\x02e."],
    ["a call of a number", "\x80\x02K\x01)R."],
    ["a key without a value", "\x80\x02}(K\x01u."],
    ["an unknown operation", "\x80\x02\xff."],
    ["a state for a list", "\x80\x02]}b."],
  ])("%s", (_, pickle) => {
    expect(thrown(() => loadTorch(torchFile(pickle)))).toMatchObject({ code: "InvalidFile" });
  });

  test("dicts that contain themselves, or each other twice over and over, end", () => {
    const self = "\x80\x02}q\0X\x01\0\0\0ah\0s.";
    expect(thrown(() => loadStateDict(torchFile(self)))).toMatchObject({ code: "UnsafeFile" });
    // 40 dicts, each holding the one before twice: 2^40 paths to one tensor.
    let doubling = `\x80\x02}X\x01\0\0\0t${tensor(4, 0, [4], [1]).slice(2, -1)}sq\0`;
    for (let i = 1; i <= 40; i++) {
      const previous = `h${String.fromCharCode(i - 1)}`;
      doubling += `}(X\x01\0\0\0a${previous}X\x01\0\0\0b${previous}uq${String.fromCharCode(i)}`;
    }
    expect(thrown(() => loadStateDict(torchFile(`${doubling}.`, { 0: four })))).toMatchObject({ code: "UnsafeFile" });
  });

  test("files of other kinds are told apart", () => {
    expect(thrown(() => loadTorch(new TextEncoder().encode("not a torch file")))).toMatchObject({
      code: "InvalidFile",
    });
    const zip = writeZip([zipMember("a.txt", new Uint8Array(1))]);
    expect(thrown(() => loadTorch(zip))).toMatchObject({ message: expect.stringContaining("data.pkl") });
    expect(thrown(() => loadStateDict(saveTorch([1])))).toMatchObject({
      message: expect.stringContaining("no named tensors"),
    });
  });

  test.each(["state_dict_legacy.pth", "mixed.pth", "scripted_half.pt", "attr_embs.pth"])(
    "%s, truncated or damaged anywhere, gives a value or a VillaError",
    (name) => {
      const path = goldenPath(join("files", name));
      expect(existsSync(path)).toBe(true);
      const bytes = bytesOf(path);
      const check = (damaged: Uint8Array): void => {
        const error = thrown(() => loadTorch(damaged, { maxBytes: 1 << 24, checksums: false }));
        if (error !== undefined) expect(isVillaError(error), String(error)).toBe(true);
      };
      for (let length = 0; length < bytes.length; length += 7) {
        expect(isVillaError(thrown(() => loadTorch(bytes.subarray(0, length)))), `${length}`).toBe(true);
      }
      fc.assert(
        fc.property(
          fc.array(fc.tuple(fc.nat(bytes.length - 1), fc.nat(255)), { minLength: 1, maxLength: 4 }),
          (changes) => {
            const damaged = bytes.slice();
            for (const [at, value] of changes) damaged[at] = value;
            check(damaged);
          },
        ),
        { numRuns: Number(process.env.VILLA_FUZZ ?? 500) },
      );
    },
  );

  test("writing refuses what torch cannot hold", () => {
    const unsigned: TensorData = { dtype: "uint32", shape: [1], data: Uint32Array.of(1) };
    expect(thrown(() => saveTorch({ unsigned }))).toMatchObject({ code: "Unsupported" });
    expect(thrown(() => saveTorch(Symbol("x")))).toMatchObject({ code: "InvalidArgument" });
    const loop = new Map<string, unknown>();
    loop.set("self", loop);
    expect(thrown(() => saveTorch(loop))).toMatchObject({ code: "InvalidArgument" });
  });
});

function tensorOf(dtype: (typeof torchTypes)[number]): TensorData {
  const arrays = {
    float64: Float64Array,
    float32: Float32Array,
    int32: Int32Array,
    int16: Int16Array,
    int8: Int8Array,
  };
  if (dtype === "int64") return { dtype, shape: [1, 2], data: BigInt64Array.of(1n, 0n) };
  const make = Object.hasOwn(arrays, dtype) ? arrays[dtype as keyof typeof arrays] : Uint8Array;
  return { dtype, shape: [1, 2], data: make.of(1, 0) };
}
