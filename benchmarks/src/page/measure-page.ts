// Our wasm backend beside onnxruntime-web, in a page of Chromium that is isolated from others, with 1 and with 2 threads:
//   node --import tsx --conditions=@villa/source benchmarks/src/page/measure-page.ts [--rounds 7] [--threads 1,2]
// Every round runs all contenders in turn, each for 0.4 s, so that whatever else the machine does falls on all. Prints a table of
// GFLOP/s: medians on the clock, then of a processor second, all threads together, which others' work changes little.
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import * as tf from "@tensorflow/tfjs-core";
import { plainCpuBackend, useBackend } from "@villa/core";
import { type TensorData, writeSafetensors } from "@villa/data";
import { blobFiles, exportRegionEncoder, loadImageEncoder, rn50Config, visionParameterShapes } from "@villa/encoders";
import { chromium, type Page } from "playwright";
import { build, type PreviewServer, preview } from "vite";
import { median } from "../ours/common.ts";
import { countFlops } from "../ours/kernels.ts";
import { boxes, type CaseName, caseNames, graphFile, layer, picture, side, values, weightFile } from "./cases.ts";
import type { Asked } from "./page.ts";
import type { Answer, Request, Runtime } from "./worker.ts";

const titles: Readonly<Record<CaseName, string>> = {
  product: `Matrix product, ${side} × ${side} × ${side}`,
  convolution: `3 × 3 convolution, ${layer.channels} channels, ${layer.images} × ${layer.size} × ${layer.size}`,
  regions: "RN50, one image of 84 × 84, 5 regions",
};

interface Contender {
  readonly runtime: Runtime;
  readonly threads: number;
}

const { values: flags } = parseArgs({
  options: { rounds: { type: "string", default: "7" }, threads: { type: "string", default: "1,2" } },
});
const contenders = flags.threads.split(",").flatMap((threads): Contender[] => [
  { runtime: "ours", threads: Number(threads) },
  { runtime: "onnx", threads: Number(threads) },
]);

const weights = new Map(
  [...visionParameterShapes(rn50Config.vision)].map(([name, shape], i): [string, TensorData] => {
    const length = shape.reduce((product, each) => product * each, 1);
    // Norms scale by 1.
    const isScale = shape.length === 1 && !/bias|mean/.test(name);
    const data = isScale ? new Float32Array(length).fill(1) : values(length, 100 + i).map((each) => each / 10);
    return [name, { dtype: "float32", shape: [...shape], data }];
  }),
);
const stored = writeSafetensors(weights);
const flops: Readonly<Record<CaseName, number>> = {
  product: 2 * side ** 3,
  convolution: 2 * layer.images * layer.size ** 2 * layer.channels ** 2 * 9,
  regions: await countRegions(),
};

const folder = mkdtempSync(join(tmpdir(), "villa-page-"));
try {
  const server = await servePage(folder);
  const executablePath = process.env.CHROMIUM_PATH ?? "/usr/bin/chromium";
  const browser = await chromium.launch({ executablePath, args: ["--no-sandbox"] });
  try {
    const page = await browser.newPage();
    await page.goto(server.resolvedUrls!.local[0]!);
    console.error(`Chromium ${browser.version()}`);
    const session = await browser.newBrowserCDPSession();
    await measurePage(page, async () => {
      const { processInfo } = await session.send("SystemInfo.getProcessInfo");
      return processInfo.filter(({ type }) => type === "renderer").reduce((sum, { cpuTime }) => sum + cpuTime, 0);
    });
  } finally {
    await browser.close();
    await server.close();
  }
} finally {
  rmSync(folder, { recursive: true, force: true });
}

async function measurePage(page: Page, processorSeconds: () => Promise<number>): Promise<void> {
  for (const { runtime, threads } of contenders) await ask(page, { runtime, threads }, { start: runtime, threads });
  console.log("| | threads | ViLLA | onnxruntime-web | ratio | ViLLA | onnxruntime-web | ratio |");
  console.log("|---|---:|---:|---:|---:|---:|---:|---:|");
  for (const name of caseNames) {
    const measured = contenders.map((): Measured => ({ times: [], processor: 0, sum: 0 }));
    for (let round = 0; round < Number(flags.rounds); round++) {
      for (const [i, contender] of contenders.entries()) {
        const own = measured[i]!;
        const before = await processorSeconds();
        const answer = await ask(page, contender, { run: name, seconds: 0.4 });
        own.processor += (await processorSeconds()) - before;
        own.times.push(...answer.times!);
        own.sum = answer.sum!;
      }
    }
    const [first] = measured;
    for (const { sum } of measured) {
      if (!(Math.abs(sum / first!.sum - 1) < 1e-3))
        throw new Error(`${name}: the sides differ, ${first!.sum}, ${sum}.`);
    }
    for (let i = 0; i < contenders.length; i += 2) {
      const sides = measured.slice(i, i + 2);
      const giga = flops[name] / 1e9;
      const onTheClock = sides.map(({ times }) => giga / median(times));
      // One run of a round warms up, and is not among the times.
      const ofProcessor = sides.map(
        ({ times, processor }) => (giga * (times.length + Number(flags.rounds))) / processor,
      );
      const columns = [onTheClock, ofProcessor].flatMap(([ours, theirs]) => [
        ours!.toFixed(1),
        theirs!.toFixed(1),
        (ours! / theirs!).toFixed(1),
      ]);
      console.log(`| ${[titles[name], contenders[i]!.threads, ...columns].join(" | ")} |`);
    }
  }
}

interface Measured {
  readonly times: number[];
  /** Seconds of all threads together, those that warm up included. */
  processor: number;
  sum: number;
}

async function ask(page: Page, { runtime, threads }: Contender, request: Request): Promise<Answer> {
  const asked: Asked = { worker: `${runtime} ${threads}`, request };
  const answer = await page.evaluate((each) => (globalThis as unknown as Asker).ask(each), asked);
  if (answer.problem) throw new Error(`${runtime}, ${threads} threads: ${answer.problem}`);
  return answer;
}

interface Asker {
  readonly ask: (asked: Asked) => Promise<Answer>;
}

/** Builds the page from the packages' sources, puts the weights beside it, and serves all of it. */
async function servePage(outDir: string): Promise<PreviewServer> {
  const root = import.meta.dirname;
  const headers = { "Cross-Origin-Opener-Policy": "same-origin", "Cross-Origin-Embedder-Policy": "require-corp" };
  const common = { root, configFile: false as const, base: "./", logLevel: "error" as const };
  await build({
    ...common,
    resolve: { conditions: ["@villa/source", "module", "browser", "production"] },
    worker: { format: "es" },
    build: {
      outDir,
      emptyOutDir: true,
      target: "es2022",
      modulePreload: { polyfill: false },
      rolldownOptions: { input: { page: join(root, "page.ts") }, output: { entryFileNames: "assets/[name].js" } },
    },
  });
  writeFileSync(
    join(outDir, "index.html"),
    '<!doctype html><title>Benchmark</title><script type="module" src="assets/page.js"></script>',
  );
  writeFileSync(join(outDir, weightFile), stored);
  writeFileSync(join(outDir, graphFile), exportRegionEncoder(weights, rn50Config.vision));
  return preview({ ...common, build: { outDir }, preview: { port: 0, host: "127.0.0.1", headers } });
}

/** Operations of an image's region embeddings: of a tower that can be trained, which runs them one by one. */
async function countRegions(): Promise<number> {
  await useBackend({ candidates: [plainCpuBackend()], name: "cpu" });
  const files = await blobFiles(new Map([[weightFile, new Blob([stored as Uint8Array<ArrayBuffer>])]]));
  const encoder = await loadImageEncoder({ files, trainable: true });
  const counted = await countFlops(() => encoder.encodeRegions([picture()], [boxes()]));
  encoder.dispose();
  tf.disposeVariables();
  return counted;
}
