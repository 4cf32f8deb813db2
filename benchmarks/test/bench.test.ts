import { spawnSync } from "node:child_process";
import { existsSync, readdirSync } from "node:fs";
import { fileURLToPath } from "node:url";
import * as tf from "@tensorflow/tfjs-core";
import { plainCpuBackend, useBackend } from "@villa/core";
import { expect, test } from "vitest";
import type { Result } from "../src/measure.ts";
import { countFlops } from "../src/ours/kernels.ts";
import { comparisonRows, joinReports, jsonLine, type Report, scalingFigure, speedPage } from "../src/report.ts";
import { suite } from "../src/suite.ts";

const folder = fileURLToPath(new URL("..", import.meta.url));

test("every program and script of the suite exists", () => {
  const ours = readdirSync(`${folder}/src/ours`);
  const pytorch = readdirSync(`${folder}/pytorch`);
  for (const benchmark of suite) {
    expect(ours).toContain(benchmark.ours[0]);
    if (benchmark.pytorch) expect(pytorch).toContain(benchmark.pytorch[0]);
    else expect(existsSync(`${folder}/src/${benchmark.beside?.[0]}`)).toBe(true);
  }
});

test("a program prints one line of JSON", () => {
  const args = ["--import", "tsx", "--conditions=@villa/source", "src/ours/evaluate.ts"];
  // A backend that looks for no graphics driver: some print to stderr while they are looked at.
  const sizes = ["--regions", "50", "--dimension", "8", "--repeats", "1", "--threads", "1", "--backend", "wasm"];
  const { stdout, stderr } = spawnSync(process.execPath, [...args, ...sizes], { cwd: folder, encoding: "utf8" });
  expect(stderr).toBe("");
  const measurement = JSON.parse(stdout);
  expect(measurement).toMatchObject({ program: "ViLLA", threads: 1, flops: 2 * 50 * 20 * 8 });
  expect(measurement.seconds).toBeGreaterThan(0);
});

test("operations are counted from the kernels that ran", async () => {
  await useBackend({ candidates: [plainCpuBackend()], name: "cpu" });
  const [a, b] = [tf.ones([2, 3, 4]), tf.ones([2, 4, 5])];
  expect(await countFlops(() => tf.matMul(a, b))).toBe(2 * 2 * 3 * 4 * 5);
  const [x, filter] = [tf.ones([1, 6, 6, 2]) as tf.Tensor4D, tf.ones([3, 3, 2, 4]) as tf.Tensor4D];
  expect(await countFlops(() => tf.conv2d(x, filter, 1, "valid"))).toBe(2 * 16 * 4 * 9 * 2);
});

test("the report names ratios, missed targets and larger memory", () => {
  const side = { program: "ViLLA", device: "native", threads: 2, all: [1], gflops: 80 };
  const result = (name: string, target: number, ours: number): Result => ({
    name,
    title: `Title of ${name}`,
    unit: "s",
    target,
    wasm: null,
    ratio: 2 / ours,
    ours: {
      ...side,
      seconds: ours,
      peakMemoryMiB: 900,
      kernels: [
        { kernel: "matrix products", calls: 3, seconds: ours / 2, flops: 4e10 },
        { kernel: "Add", calls: 9, seconds: ours / 100, flops: 1e6 },
      ],
    },
    pytorch: { ...side, program: "PyTorch 1.13", seconds: 2, peakMemoryMiB: 800, gflops: null },
  });
  const report: Report = {
    date: "2026-01-02T00:00:00Z",
    machine: { processor: "P", cores: 2, memoryGiB: 8, versions: { "Node.js": "20" }, platform: "linux x64" },
    results: [result("fast", 3, 0.5), result("slow", 3, 1)],
    limits: {
      device: "native",
      matmulGflops: 150,
      batchedMatmulGflops: 80,
      copyGBs: 10,
      adamwGBs: 5,
      rivals: [{ program: "PyTorch 2.13", productGflops: 140, convolutionGflops: 160 }],
    },
    scaling: [
      { what: "images", title: "Images", points: [1, 10].map((size) => ({ size, seconds: size, peakMemoryMiB: 5 })) },
    ],
  };
  expect(comparisonRows(report)[1]).toEqual([
    "Title of fast",
    "0.500 s",
    "2.00",
    "4.00×",
    "≥ 3×",
    "900",
    "800",
    "80",
    "",
  ]);
  const page = speedPage(report);
  expect(page).toContain("**Missed targets:** Title of slow (2.00× of 3×).");
  expect(page).toContain("Title of fast (900 against 800 MiB)");
  expect(page).toContain("3 × 3 convolution of PyTorch 2.13 160 (2048³ product of ONNX Runtime 150, ");
  expect(page).toContain("| Title of fast | 80 | 50 % |");
  expect(page).toContain("**Title of slow**, 1.00 s");
  expect(page).not.toContain("**Title of fast**, ");
  expect(page).toContain("| matrix products | 3 | 500 | 50 % | 80 | 50 % |");
  expect(page).toContain("| smaller kernels |  | 10.0 | 1 % |  |  |");
  expect(page).toContain("| compiled graphs and JavaScript |  | 490 | 49 % |  |  |");
  const again = { ...result("slow", 3, 0.4), date: "2026-01-03T00:00:00Z" };
  const joined = joinReports(report, { ...report, date: again.date, results: [again], limits: null, scaling: [] }, [
    "fast",
    "slow",
    "new",
  ]);
  expect(joined).toMatchObject({ date: again.date, limits: report.limits, scaling: report.scaling });
  expect(joined.results.map(({ name, ratio }) => [name, ratio])).toEqual([
    ["fast", 4],
    ["slow", 5],
  ]);
  expect(comparisonRows(joined).map(([title]) => title)).toEqual(["", "Title of fast (2026-01-02)", "Title of slow"]);
  expect(JSON.parse(jsonLine(report)).ratios).toEqual({ fast: 4, slow: 2 });
  expect(scalingFigure(report.scaling)).not.toMatch(/NaN|undefined/);
});
