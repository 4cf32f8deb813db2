import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import * as tf from "@tensorflow/tfjs-core";
import { isVillaError } from "@villa/data";
import { afterEach, describe, expect, test, vi } from "vitest";
import { probeNative } from "../src/candidates/native.ts";
import { cudaBackend, doctor, formatDiagnosis, nodeBackends, useNodeBackend } from "../src/index.ts";
import { onnxProviders } from "../src/native/onnx/providers.ts";
import type { OnnxModel } from "../src/native/onnx/runtime.ts";

afterEach(() => vi.unstubAllEnvs());

const reasonOf = async (probe: Promise<{ available: boolean; reason?: string | undefined }>) => {
  const result = await probe;
  expect(result.available).toBe(false);
  return result.reason;
};

describe("cuda", () => {
  const folder = mkdtempSync(join(tmpdir(), "villa-cuda-"));
  const candidate = () => cudaBackend({ cache: folder, searchPaths: [folder] });
  const install = (source: string) => {
    const target = join(folder, "node_modules/@tensorflow/tfjs-node-gpu");
    mkdirSync(target, { recursive: true });
    writeFileSync(join(target, "package.json"), '{ "name": "@tensorflow/tfjs-node-gpu", "main": "index.js" }');
    writeFileSync(join(target, "index.js"), source);
    return candidate();
  };
  afterEach(() => rmSync(folder, { recursive: true, force: true }));

  test("absent: says how to set it up", async () => {
    expect(await reasonOf(candidate().probe())).toBe(
      "TensorFlow is not set up. Set it up with: villa setup tensorflow",
    );
  });

  test("an npm package half installed: the module's own message, no crash", async () => {
    const broken = install('throw new Error("The Node.js native addon module (tfjs_binding.node) can not be found");');
    expect(await reasonOf(broken.probe())).toMatch(
      /does not load \(The Node.js native addon module.*villa setup tensorflow/,
    );
  });

  test("an npm package with another tfjs-core: says so", async () => {
    const source = 'if (require("util").isNullOrUndefined(null) !== true) throw new Error("no shim"); exports.x = 1;';
    expect(await reasonOf(install(source).probe())).toMatch(/another copy of @tensorflow\/tfjs-core/);
  });

  test("without a CUDA device it counts only when forced", async () => {
    const engine = tf.engine();
    const backend = Object.assign(Object.create(tf.KernelBackend.prototype), { isUsingGpuDevice: false, dispose() {} });
    engine.registryFactory.tensorflow = { factory: () => backend, priority: 0 };
    const reason = await reasonOf(install("").probe());
    expect(reason).toMatch(
      /tfjs-node-gpu, sees no CUDA device; set VILLA_BACKEND=cuda to use it on the CPU all the same\.$/,
    );
    const forced = await candidate().probe({ forced: true });
    expect(forced).toEqual({ available: true, detail: "@tensorflow/tfjs-node-gpu, without a GPU" });
    tf.removeBackend("tensorflow");
  });
});

describe("native", () => {
  test("missing: names the cure", () => {
    const missing = Object.assign(new Error("Cannot find module 'onnxruntime-node'"), { code: "MODULE_NOT_FOUND" });
    const probe = probeNative(1, () => {
      throw missing;
    });
    expect(probe).toMatchObject({ available: false });
    expect((probe as { reason: string }).reason).toMatch(
      /not installed.*ONNXRUNTIME_NODE_INSTALL=skip npm i onnxruntime-node@1\.30\.0/,
    );
  });

  test("wrong results: refused", () => {
    const probe = probeNative(1, () => ({
      version: "9.9.9",
      run: () => {},
      open: () => ({}) as OnnxModel,
    }));
    expect((probe as { reason: string }).reason).toMatch(/9\.9\.9 computes wrong results/);
  });
});

test("a forced backend is used or refused with its reason", async () => {
  vi.stubEnv("VILLA_BACKEND", "wasm");
  expect((await useNodeBackend()).name).toBe("wasm");
  vi.stubEnv("VILLA_BACKEND", "cuda");
  vi.stubEnv("VILLA_CACHE", join(tmpdir(), "villa-nothing-here"));
  const error = await useNodeBackend().catch((e: unknown) => e);
  expect(isVillaError(error, "BackendUnavailable")).toBe(true);
  expect((error as Error).message).toMatch(/"cuda" cannot run here: TensorFlow is not set up\. Set it up with/);
  const unknown = await useNodeBackend({ name: "tpu" }).catch((e: unknown) => e);
  expect((unknown as Error).message).toMatch(/choose one of: auto, cuda, webgpu, native, wasm, cpu/);
});

test("auto takes the first that can run, in order", async () => {
  vi.stubEnv("VILLA_BACKEND", "");
  expect(nodeBackends().map(({ name }) => name)).toEqual(["cuda", "webgpu", "native", "wasm", "cpu"]);
  const probes = await Promise.all(nodeBackends().map((candidate) => candidate.probe({ forced: false })));
  const first = nodeBackends()[probes.findIndex((probe) => probe.available)]!.name;
  expect((await useNodeBackend()).name).toBe(first);
});

test("the doctor looks at the backend that VILLA_BACKEND names as if it were forced", async () => {
  vi.stubEnv("VILLA_BACKEND", "wasm");
  const { chosen, backends } = await doctor({ seconds: 0 });
  expect(chosen).toBe("wasm");
  expect(backends.find(({ name }) => name === "native")?.probe.available).toBe(true);
  vi.stubEnv("VILLA_BACKEND", "tpu");
  expect((await doctor({ seconds: 0 })).chosen).toBeUndefined();
});

test("ONNX Runtime's providers: the CPU's computes, one that is not installed says how to get it", async () => {
  const providers = new Map(onnxProviders().map(({ name, probe }) => [name, probe]));
  expect(providers.get("cpu")).toEqual({ available: true });
  const cuda = providers.get("cuda"); // absent on other systems than Linux
  if (cuda && !cuda.available) expect(cuda.reason).toMatch(/ONNXRUNTIME_NODE_INSTALL=cuda12|does not start/);
  expect(formatDiagnosis(await doctor({ seconds: 0 }))).toMatch(/ONNX Runtime's providers .*:\n[* ] cpu +available\n/);
});

test("the doctor reports every backend and leaves the current one", async () => {
  await useNodeBackend({ name: "wasm" });
  const before = tf.memory().numTensors;
  const diagnosis = await doctor({ seconds: 0.01, backends: ["native", "wasm"] });
  expect(tf.getBackend()).toBe("wasm");
  expect(tf.memory().numTensors).toBe(before);
  expect(diagnosis.backends.map(({ name }) => name)).toEqual(["native", "wasm"]);
  for (const { figures } of diagnosis.backends) {
    for (const value of Object.values(figures!)) expect(value).toBeGreaterThan(0);
  }
  const text = formatDiagnosis(await doctor({ seconds: 0 }));
  for (const { name } of nodeBackends()) expect(text).toContain(` ${name} `);
});
