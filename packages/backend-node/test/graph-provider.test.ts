import * as tf from "@tensorflow/tfjs-core";
import { graphCompiler } from "@villa/core";
import { expectAllClose } from "@villa/testing";
import { afterEach, expect, test, vi } from "vitest";
import { doctor, formatDiagnosis, nativeBackend } from "../src/index.ts";
import {
  chooseGraphProvider,
  frozenEncoderProvider,
  openGraph,
  type ProviderSource,
} from "../src/native/onnx/graph-provider.ts";
import { onnxModel } from "../src/native/onnx/model.ts";
import { onnxProviderNames, probeOnnxProvider } from "../src/native/onnx/providers.ts";
import { loadOnnxRuntime, type OnnxModel } from "../src/native/onnx/runtime.ts";

afterEach(() => vi.unstubAllEnvs());

const absent = "its library is not installed.";

/** Providers of which some compute. */
function source(working: readonly string[], all: readonly string[] = ["cpu", "webgpu", "cuda"]): ProviderSource {
  return {
    names: () => all,
    probe: (name) => (working.includes(name) ? { available: true } : { available: false, reason: absent }),
  };
}

test("CUDA's provider is taken where it computes, WebGPU's only when asked for", () => {
  expect(chooseGraphProvider("", source(["cpu", "webgpu", "cuda"]))).toEqual({ name: "cuda" });
  expect(chooseGraphProvider("auto", source(["cpu", "webgpu"]))).toEqual({ name: "cpu" });
  expect(chooseGraphProvider("", source(["cpu"], ["cpu"]))).toEqual({ name: "cpu" });
  expect(chooseGraphProvider("webgpu", source(["cpu", "webgpu", "cuda"]))).toEqual({ name: "webgpu" });
  expect(chooseGraphProvider("cpu", source(["cpu", "cuda"]))).toEqual({ name: "cpu" });
});

test("one that cannot run gives way to the CPU and says why; one that does not exist is refused", () => {
  expect(chooseGraphProvider("cuda", source(["cpu"]))).toEqual({
    name: "cpu",
    complaint: `Frozen encoders run on the CPU, not on ONNX Runtime's provider "cuda": ${absent}`,
  });
  expect(() => chooseGraphProvider("cudda", source(["cpu"]))).toThrow(
    'The environment variable VILLA_ONNX_PROVIDER is "cudda"; this ONNX Runtime has: auto, cpu, webgpu, cuda.',
  );
});

test("graphs are opened on the chosen provider", () => {
  vi.stubEnv("VILLA_ONNX_PROVIDER", "webgpu");
  const open = vi.fn(() => ({}) as OnnxModel);
  const warn = vi.fn();
  openGraph({ open }, new Uint8Array(1), source(["webgpu"]), warn);
  expect(open.mock.calls).toEqual([[new Uint8Array(1), "webgpu"]]);
  expect(warn).not.toHaveBeenCalled();
});

test("a provider that does not load the graph gives way to the CPU for good, in one sentence", () => {
  vi.stubEnv("VILLA_ONNX_PROVIDER", "cuda");
  const open = vi.fn((_file: Uint8Array, provider?: string): OnnxModel => {
    if (provider) throw new Error("CUDA failure 2: out of memory\n  at somewhere");
    return {} as OnnxModel;
  });
  const warn = vi.fn();
  for (let i = 0; i < 2; i++) openGraph({ open }, new Uint8Array(1), source(["cuda"]), warn);
  expect(open.mock.calls.map(([, provider]) => provider)).toEqual(["cuda", undefined, undefined]);
  expect(warn.mock.calls).toEqual([
    [
      'Frozen encoders run on the CPU, not on ONNX Runtime\'s provider "cuda": it does not load the graph (CUDA failure 2: out of memory).',
    ],
  ]);
});

test("the doctor marks what frozen encoders run on, and says why it is not what was asked for", async () => {
  const lines = async (asked: string) => {
    vi.stubEnv("VILLA_ONNX_PROVIDER", asked);
    const { onnxProviders, frozenEncoders, ...rest } = await doctor({ seconds: 0, backends: ["native"] });
    const text = formatDiagnosis({ ...rest, onnxProviders, frozenEncoders });
    const listed = text.slice(
      text.indexOf("ONNX Runtime's providers (*: the native backend runs frozen encoders on it):"),
    );
    return { onnxProviders, frozenEncoders, listed: listed.split("\n").slice(1) };
  };
  const plain = await lines("cpu");
  expect(plain.frozenEncoders).toEqual({ name: "cpu" });
  expect(plain.listed.filter((line) => line.startsWith("*"))).toEqual(["* cpu      available"]);
  expect(plain.listed).toHaveLength(plain.onnxProviders.length);

  const unknown = await lines("abacus");
  expect(unknown.frozenEncoders?.name).toBeUndefined();
  expect(unknown.listed.filter((line) => line.startsWith("*"))).toEqual([]);
  expect(unknown.listed.at(-1)).toMatch(/^The environment variable VILLA_ONNX_PROVIDER is "abacus"; this .*auto, cpu/);

  const absentOne = plain.onnxProviders.find(({ probe }) => !probe.available);
  if (!absentOne) return;
  const { frozenEncoders, listed } = await lines(absentOne.name);
  expect(frozenEncoders?.name).toBe("cpu");
  expect(listed.filter((line) => line.startsWith("*"))).toEqual(["* cpu      available"]);
  expect(listed.at(-1)).toContain(`not on ONNX Runtime's provider "${absentOne.name}": `);
});

test("the doctor marks CUDA's provider where it computes", () => {
  vi.stubEnv("VILLA_ONNX_PROVIDER", "");
  expect(frozenEncoderProvider(source(["cpu", "cuda"]))).toEqual({ name: "cuda" });
  expect(frozenEncoderProvider(source([], []))).toBeUndefined();
});

const sum = onnxModel(
  [{ operator: "Add", inputs: ["a", "a"], outputs: ["y"] }],
  [{ name: "a", rank: 2 }],
  [{ name: "y", rank: 2 }],
);

test("the provider's name reaches ONNX Runtime: one that it does not have is its error", () => {
  expect(() => loadOnnxRuntime(1).open(sum, "abacus")).toThrow(/abacus/);
  expect(
    loadOnnxRuntime(1)
      .open(sum, "cpu")
      .run({ data: Float32Array.of(1, 2), dims: [1, 2] }).data,
  ).toEqual(Float32Array.of(2, 4));
});

/** The graph of the native backend's compiler, run with the variable set. */
async function doubled(provider: string): Promise<{ values: Float32Array; warnings: string[] }> {
  vi.stubEnv("VILLA_ONNX_PROVIDER", provider);
  const warnings: string[] = [];
  const spy = vi.spyOn(process, "emitWarning").mockImplementation((warning) => void warnings.push(String(warning)));
  await nativeBackend().activate();
  const graph = graphCompiler()!.compileGraph(sum);
  const values = tf.tidy(() => graph.run(tf.tensor2d([[1, 2, 3]])).dataSync() as Float32Array);
  graph.dispose();
  spy.mockRestore();
  return { values, warnings };
}

test("a graph asked onto CUDA runs on the CPU and says so once where CUDA's library is not installed", async () => {
  if (!onnxProviderNames().includes("cuda")) return expect(doubled("cuda")).rejects.toThrow(/ONNX Runtime has: auto/);
  await doubled("cpu"); // forgets what was found out about others
  const { values, warnings } = await doubled("cuda");
  expect([...values]).toEqual([2, 4, 6]);
  expect(warnings).toHaveLength(probeOnnxProvider("cuda").available ? 0 : 1);
  for (const warning of warnings) expect(warning).toMatch(/^Frozen encoders run on the CPU.*"cuda": .*\.$/);
});

test.runIf(process.env.VILLA_TEST_WEBGPU === "1")("a compiled graph runs on WebGPU when asked to", async () => {
  const { values, warnings } = await doubled("webgpu");
  expect(warnings).toEqual([]);
  expectAllClose(values, [2, 4, 6], { rtol: 1e-6, label: "sum" });
});
