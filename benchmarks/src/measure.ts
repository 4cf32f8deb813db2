import { execFile } from "node:child_process";
import { createRequire } from "node:module";
import { cpus, totalmem } from "node:os";
import { delimiter } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { build } from "esbuild";
import { type Measurement, median } from "./ours/common.ts";
import type { KernelTime } from "./ours/kernels.ts";
import type { Limits, RivalLimits } from "./ours/limits.ts";
import type { Benchmark } from "./suite.ts";

const run = promisify(execFile);
const here = (path: string): string => fileURLToPath(new URL(path, import.meta.url));

export interface RunOptions {
  readonly rounds: number;
  readonly threads: number;
  /** Our backend; "auto" takes the fastest. */
  readonly backend: string;
  /** Measure on the wasm backend too. */
  readonly wasm: boolean;
  /** Pythons with what the script needs; none: only our side is measured. */
  readonly pythons: readonly string[];
  /** "cpu" or "cuda" */
  readonly pytorchDevice: string;
  readonly say: (line: string) => void;
}

/** Medians of all rounds. */
export interface Result {
  readonly name: string;
  readonly title: string;
  readonly unit: string;
  /** ISO date, where it is not the report's. */
  readonly date?: string | undefined;
  readonly target: number | null;
  readonly ours: Side;
  readonly wasm: Side | null;
  /** The other side: PyTorch, or what the title says. null without Python's side. For `generate` the time of the original, scaled to this machine. */
  readonly pytorch: Side | null;
  /** The other side's time over ours. */
  readonly ratio: number | null;
}

export interface Side {
  readonly program: string;
  readonly device: string;
  readonly threads: number;
  readonly seconds: number;
  /** Of every round. */
  readonly all: readonly number[];
  readonly peakMemoryMiB: number | null;
  /** Billions of operations a second, where the number of operations is known. */
  readonly gflops: number | null;
  /** Where the time of a unit of work goes, of the last round. */
  readonly kernels?: readonly KernelTime[] | undefined;
}

/**
 * Both sides in turn, round after round, so that whatever else the machine does falls on both. The first round runs PyTorch
 * in all its versions and variants, the others only the fastest of these.
 */
export async function measure(benchmark: Benchmark, options: RunOptions): Promise<Result> {
  const { name, title, unit, target, onWasm, scaled } = benchmark;
  const rounds = Math.min(options.rounds, benchmark.rounds ?? options.rounds);
  const ours: Measurement[] = [];
  const others = benchmark.beside ? [undefined] : options.pythons;
  let rivals = others.flatMap((python): Rival[] =>
    [[], ...(benchmark.variants ?? [])].map((flags) => ({ python, flags, runs: [] })),
  );
  for (let round = 0; round < rounds; round++) {
    ours.push(await runOurs(benchmark, options.backend, options.threads));
    options.say(`${name}, round ${round + 1} of ${rounds}: ours ${timesOf(ours.at(-1)!)} ${unit}`);
    for (const rival of rivals) {
      const run = await runRival(benchmark, rival, options);
      rival.runs.push(run);
      options.say(`${name}, round ${round + 1} of ${rounds}: ${run.program} ${timesOf(run)} s`);
    }
    rivals = rivals.sort((a, b) => a.runs[0]!.seconds - b.runs[0]!.seconds).slice(0, 1);
  }
  const theirs = rivals[0]?.runs ?? [];
  const wasm = onWasm && options.wasm ? [await runOurs(benchmark, "wasm", options.threads)] : [];
  const side = summarize(ours)!;
  const other = scaled ? scaleOriginal(scaled, theirs) : summarize(theirs);
  return {
    name,
    title,
    unit,
    target: target ?? null,
    ours: side,
    wasm: summarize(wasm),
    pytorch: other,
    ratio: other ? other.seconds / side.seconds : null,
  };
}

const timesOf = ({ seconds, cpuSeconds }: Measurement): string =>
  `${seconds.toFixed(3)}${cpuSeconds ? ` (all threads ${cpuSeconds.toFixed(3)})` : ""}`;

/** PyTorch in one version, or another program, called in one way. */
interface Rival {
  readonly python: string | undefined;
  readonly flags: readonly string[];
  readonly runs: Measurement[];
}

/**
 * Pythons that have the modules of a benchmark's script, one for each version of the first module. `VILLA_PYTHON` names
 * more of them, separated as in PATH; CI and Debian call theirs python3.
 */
export async function findPythons({
  pytorch,
  modules = ["torch", "torchvision"],
}: Pick<Benchmark, "pytorch" | "modules">): Promise<string[]> {
  if (!pytorch) return [];
  const named = (process.env.VILLA_PYTHON ?? "").split(delimiter).filter((python) => python !== "");
  const versions = new Map<string, string>();
  const version = `getattr(${modules[0]}, "__version__", "")`;
  for (const python of [...named, "python3", "/usr/bin/python3"]) {
    const found = await run(python, ["-c", `import ${modules.join(", ")}; print(${version})`]).catch(() => undefined);
    const own = found?.stdout.trim();
    if (own !== undefined && !versions.has(own)) versions.set(own, python);
  }
  return [...versions.values()];
}

export interface Machine {
  readonly processor: string;
  readonly cores: number;
  readonly memoryGiB: number;
  /** Of Node.js and of the libraries that compute. */
  readonly versions: Readonly<Record<string, string>>;
  readonly platform: string;
}

export function thisMachine(): Machine {
  return {
    processor: cpus()[0]?.model.trim() ?? "unknown",
    cores: cpus().length,
    memoryGiB: Math.round(totalmem() / 2 ** 30),
    versions: { "Node.js": process.version.slice(1), ...libraryVersions() },
    platform: `${process.platform} ${process.arch}`,
  };
}

function libraryVersions(): Record<string, string> {
  const require = createRequire(import.meta.url);
  const ofBackend = createRequire(require.resolve("@villa/backend-node/package.json"));
  const version = (from: NodeJS.Require, name: string) => (from(`${name}/package.json`) as { version: string }).version;
  return {
    "TensorFlow.js": version(require, "@tensorflow/tfjs-core"),
    "ONNX Runtime": version(ofBackend, "onnxruntime-node"),
  };
}

/** Runs one of the programs under src/, by its path there; they load the built packages, as users do. */
export async function runProgram<T>(args: readonly string[]): Promise<T> {
  const [script, ...rest] = args;
  compiled ??= compilePrograms();
  await compiled;
  const command = ["--expose-gc", here(`../dist/${script!.replace(/ts$/, "js")}`), ...rest];
  const { stdout } = await run(process.execPath, command, { maxBuffer: 2 ** 24 });
  return lastLine<T>(stdout);
}

let compiled: Promise<unknown> | undefined;

/** To JavaScript: a loader of TypeScript in the measured process would add to its memory. */
function compilePrograms(): Promise<unknown> {
  return build({
    entryPoints: [here("./ours/*.ts"), here("./beside/*.ts")],
    outbase: here("."),
    outdir: here("../dist"),
    bundle: true,
    splitting: true, // what a program loads late must not be loaded with it
    packages: "external",
    format: "esm",
    platform: "node",
  });
}

/** What this machine can do at most, in our engines and in every PyTorch that is found. */
export async function measureLimits({ backend, threads, device }: LimitOptions): Promise<Limits> {
  const common = ["--threads", `${threads}`];
  const ours = await runProgram<Limits>(["ours/limits.ts", "--backend", backend, ...common]);
  const rivals = [];
  for (const python of await findPythons({ pytorch: ["limits.py"], modules: ["torch"] })) {
    rivals.push(await runPython<RivalLimits>(python, ["limits.py", ...common, "--device", device], threads));
  }
  return { ...ours, rivals };
}

interface LimitOptions {
  readonly backend: string;
  readonly threads: number;
  /** PyTorch's: "cpu" or "cuda" */
  readonly device: string;
}

function runOurs(benchmark: Benchmark, backend: string, threads: number): Promise<Measurement> {
  const [script, ...rest] = benchmark.ours;
  return runProgram([`ours/${script}`, ...rest, "--backend", benchmark.backend ?? backend, "--threads", `${threads}`]);
}

async function runRival({ pytorch, beside }: Benchmark, { python, flags }: Rival, options: RunOptions) {
  const how = flags.map((flag) => `, ${flag.slice(2)}`).join("");
  const measured = python
    ? await runPyTorch(pytorch!, python, flags, options)
    : await runProgram<Measurement>([...beside!, ...flags, "--threads", `${options.threads}`]);
  return { ...measured, program: `${measured.program}${how}` };
}

async function runPyTorch(
  [script, ...rest]: readonly string[],
  python: string,
  flags: readonly string[],
  options: RunOptions,
): Promise<Measurement> {
  const args = [script!, ...rest, ...flags, "--threads", `${options.threads}`, "--device", options.pytorchDevice];
  return runPython<Measurement>(python, args, options.threads);
}

async function runPython<T>(python: string, [script, ...args]: readonly string[], threads: number): Promise<T> {
  const env = { ...process.env, OMP_NUM_THREADS: `${threads}`, OPENBLAS_NUM_THREADS: `${threads}` };
  const { stdout } = await run(python, [here(`../pytorch/${script}`), ...args], { env });
  return lastLine<T>(stdout);
}

function lastLine<T>(text: string): T {
  return JSON.parse(text.trim().split("\n").at(-1)!) as T;
}

function summarize(runs: readonly Measurement[]): Side | null {
  const [first] = runs;
  if (!first) return null;
  const all = runs.map(({ seconds }) => seconds);
  const seconds = median(all);
  return {
    program: first.program,
    device: first.device,
    threads: first.threads,
    seconds,
    all,
    peakMemoryMiB: Math.max(...runs.map(({ peakMemoryMiB }) => peakMemoryMiB)),
    gflops: first.flops === undefined ? null : first.flops / seconds / 1e9,
    kernels: runs.at(-1)!.kernels,
  };
}

/** The original's time, as if it ran here: scaled by how fast PyTorch multiplies matrices here. */
function scaleOriginal(
  { seconds, pytorchMatmulGflops }: NonNullable<Benchmark["scaled"]>,
  runs: readonly Measurement[],
) {
  const matmul = summarize(runs);
  if (!matmul) return null;
  const gflops = (2 * 2048 ** 3) / matmul.seconds / 1e9;
  const scaled = (seconds * pytorchMatmulGflops) / gflops;
  return {
    ...matmul,
    program: "the original, scaled",
    seconds: scaled,
    all: [scaled],
    peakMemoryMiB: null,
    gflops: null,
  };
}
