// Benchmarks side by side with PyTorch: `npm run bench`, `npm run bench -- stage1Step mapping`, `npm run bench -- scaling`.
import { mkdir, readdir, readFile, writeFile } from "node:fs/promises";
import { availableParallelism } from "node:os";
import { fileURLToPath } from "node:url";
import { Command, InvalidArgumentError } from "commander";
import { findPythons, measure, measureLimits, runProgram, thisMachine } from "./measure.ts";
import type { ScalingPoint } from "./ours/scaling.ts";
import {
  comparisonRows,
  joinReports,
  jsonLine,
  type Report,
  type Scaling,
  scalingFigure,
  speedPage,
} from "./report.ts";
import { suite } from "./suite.ts";

interface Flags {
  readonly rounds: number;
  readonly threads: number;
  readonly backend: string;
  readonly device: string;
  readonly wasm: boolean;
  readonly json?: boolean | undefined;
  readonly write?: boolean | undefined;
}

const extras = ["limits", "scaling"];
const names = suite.map(({ name }) => name);
const program = new Command("bench")
  .description("ViLLA's hot paths side by side with PyTorch, in turn, on this machine")
  .argument("[names...]", `of ${[...names, ...extras].join(", ")}, or how they begin; default: all but scaling`)
  .option("--rounds <n>", "runs of each side", positive, 3)
  .option("--threads <n>", "threads of both sides", positive, availableParallelism())
  .option("--backend <name>", "ours: auto, cuda, webgpu, native, wasm", "auto")
  .option("--device <name>", "PyTorch's: cpu or cuda", "cpu")
  .option("--no-wasm", "do not measure the wasm backend beside")
  .option("--json", "end with one line of JSON")
  .option("--write", "write benchmarks/results, docs/speed.md and docs/images/scaling.svg")
  .parse();

const flags = program.opts<Flags>();
const asked = program.args.length > 0 ? program.args : [...names, "limits"];
const named = asked.map((beginning) => [...names, ...extras].filter((name) => name.startsWith(beginning)));
const unknown = asked.filter((_, i) => named[i]!.length === 0);
if (unknown.length > 0) program.error(`There is no benchmark ${unknown.join(", ")}; see --help.`, { exitCode: 2 });
const chosen = named.flat();

const say = (line: string): void => console.error(line);
const results = [];
for (const benchmark of suite.filter(({ name }) => chosen.includes(name))) {
  const pythons = await findPythons(benchmark);
  if (benchmark.pytorch && pythons.length === 0) {
    say(`No python3 with what pytorch/${benchmark.pytorch[0]} imports: only our side is measured.`);
  }
  results.push(await measure(benchmark, { ...flags, pytorchDevice: flags.device, pythons, say }));
}
const limits = chosen.includes("limits") ? await measureLimits(flags) : null;
const scaling = chosen.includes("scaling") ? await measureScaling() : [];

const report: Report = {
  date: new Date().toISOString(),
  machine: thisMachine(),
  results,
  limits,
  scaling,
};
if (results.length > 0) console.log(plainTable(comparisonRows(report)));
if (limits) console.log(limits);
for (const { title, points } of scaling) console.log(title, points);
if (flags.write) await write(report);
if (flags.json) console.log(jsonLine(report));

async function measureScaling(): Promise<Scaling[]> {
  const sizes = [
    { what: "images", title: "Generating images", sizes: [1_000, 10_000, 100_000, 1_000_000] },
    { what: "attributes", title: "Stage 1 step by attributes (d = 256)", sizes: [20, 60, 200, 600, 2_000] },
    { what: "regions", title: "Stage 1 step by regions an image", sizes: [1, 3, 9, 27] },
    { what: "dimension", title: "Stage 1 step by dimension", sizes: [256, 512, 1_024, 2_048] },
  ] as const;
  const all: Scaling[] = [];
  for (const { what, title, sizes: own } of sizes) {
    const points: ScalingPoint[] = [];
    for (const size of own) {
      points.push(
        await runProgram<ScalingPoint>(["ours/scaling.ts", what, "--size", `${size}`, "--threads", `${flags.threads}`]),
      );
      say(`${title}, ${size}: ${points.at(-1)!.seconds.toFixed(3)} s`);
    }
    all.push({ what, title, points });
  }
  return all;
}

/** Results, page and figure; what this run did not measure stays as the newest one on this machine found it. */
async function write(run: Report): Promise<void> {
  const root = (path: string): string => fileURLToPath(new URL(`../../${path}`, import.meta.url));
  await mkdir(root("benchmarks/results"), { recursive: true });
  const processor = run.machine.processor.toLowerCase().replaceAll(/[^a-z0-9]+/g, "-");
  const machine = `-${processor}-${run.machine.cores}.json`;
  const folder = root("benchmarks/results");
  const earlier = (await readdir(folder)).filter((name) => name.endsWith(machine)).sort();
  const newest = earlier.at(-1);
  const before = newest ? (JSON.parse(await readFile(`${folder}/${newest}`, "utf8")) as Report) : run;
  const report = joinReports(before, run, names);
  await writeFile(`${folder}/${report.date.slice(0, 10)}${machine}`, `${JSON.stringify(report, null, 1)}\n`);
  await writeFile(root("docs/speed.md"), speedPage(report));
  if (run.scaling.length > 0) await writeFile(root("docs/images/scaling.svg"), scalingFigure(run.scaling));
}

function plainTable(rows: readonly (readonly string[])[]): string {
  const widths = rows[0]!.map((_, column) => Math.max(...rows.map((row) => row[column]!.length)));
  const line = (row: readonly string[]) =>
    row.map((cell, i) => (i === 0 ? cell.padEnd(widths[i]!) : cell.padStart(widths[i]!))).join("  ");
  return rows.map(line).join("\n");
}

function positive(text: string): number {
  const value = Number(text);
  if (!Number.isSafeInteger(value) || value < 1) throw new InvalidArgumentError("Give a whole number of at least 1.");
  return value;
}
