import * as Plot from "@observablehq/plot";
import { parseHTML } from "linkedom";
import type { Machine, Result, Side } from "./measure.ts";
import type { Limits } from "./ours/limits.ts";
import type { ScalingPoint } from "./ours/scaling.ts";

/** Everything one run of the benchmarks found. */
export interface Report {
  /** ISO date. */
  readonly date: string;
  readonly machine: Machine;
  readonly results: readonly Result[];
  readonly limits: Limits | null;
  readonly scaling: readonly Scaling[];
}

/**
 * A run, and what it did not measure as an earlier run on the same machine found it.
 *
 * @param names of the benchmarks that there are, in order
 */
export function joinReports(earlier: Report, run: Report, names: readonly string[]): Report {
  const before = earlier.results.map((result) => ({ date: earlier.date, ...result }));
  const find = (name: string) => [...run.results, ...before].find((result) => result.name === name);
  return {
    ...run,
    results: names.flatMap((name) => find(name) ?? []),
    limits: run.limits ?? earlier.limits,
    scaling: run.scaling.length > 0 ? run.scaling : earlier.scaling,
  };
}

export interface Scaling {
  readonly what: "images" | "attributes" | "regions" | "dimension";
  readonly title: string;
  readonly points: readonly ScalingPoint[];
}

/** The comparison as rows of cells, heading first. */
export function comparisonRows({ results, date }: Pick<Report, "results" | "date">): string[][] {
  const day = date.slice(0, 10);
  return [
    ["", "ViLLA", "PyTorch", "ratio", "asked", "peak MiB", "PyTorch's", "GFLOP/s", "wasm"],
    ...results.map(({ title, unit, ours, pytorch, ratio, target, wasm, date: own = date }) => [
      own.slice(0, 10) === day ? title : `${title} (${own.slice(0, 10)})`,
      `${figure(ours.seconds)} ${unit}`,
      pytorch ? `${figure(pytorch.seconds)}${pytorch.program.startsWith("the original") ? " ¹" : ""}` : "–",
      ratio === null ? "–" : `${ratio.toFixed(ratio < 10 ? 2 : 0)}×`,
      target === null ? "" : `≥ ${target}×`,
      memory(ours),
      memory(pytorch),
      ours.gflops === null ? "" : ours.gflops.toFixed(0),
      wasm ? figure(wasm.seconds) : "",
    ]),
  ];
}

/** docs/speed.md */
export function speedPage(report: Report): string {
  const { machine, date, limits, scaling } = report;
  const counts = report.results.map(({ ours }) => ours.all.length);
  const [fewest, most] = [Math.min(...counts), Math.max(...counts)];
  const rounds = fewest === most ? `${most}` : `${fewest} to ${most}`;
  const programs = report.results.map(({ pytorch }) => pytorch?.program ?? "");
  const versions = new Set(programs.flatMap((program) => /^PyTorch [^,]+/.exec(program)?.[0] ?? []));
  const pytorch = versions.size > 0 ? [...versions].join(" and ") : undefined;
  const threads = Math.max(...report.results.map(({ ours }) => ours.threads));
  const missed = report.results.filter(({ ratio, target }) => ratio !== null && target !== null && ratio < target);
  const larger = report.results.filter(
    ({ ours, pytorch }) => pytorch?.peakMemoryMiB && ours.peakMemoryMiB! > pytorch.peakMemoryMiB,
  );
  const lines = [
    "# Speed",
    "",
    "ViLLA's hot paths beside plain PyTorch that computes what the original does, same shapes, same number of threads, on the",
    "same machine, one side after the other, round after round. Made by `npm run bench`; the programs are in",
    "[`benchmarks/`](../benchmarks), the raw figures in [`benchmarks/results/`](../benchmarks/results).",
    "",
    `${date.slice(0, 10)}: ${machine.processor}, ${machine.cores} cores, ${machine.memoryGiB} GiB, ${machine.platform}, ` +
      `${Object.entries(machine.versions)
        .map(([name, version]) => `${name} ${version}`)
        .join(", ")}, ` +
      `${pytorch ?? "no PyTorch"}, ${threads} threads, medians of ${rounds} rounds.`,
    "",
    markdownTable(comparisonRows(report)),
    "",
    "Times are seconds a unit of work, ratio is PyTorch's time over ours, GFLOP/s the arithmetic that our side does (what a plain",
    "convolution would do, where Winograd's needs less), wasm the same without ONNX Runtime.",
    "",
    "¹ The original's generator was timed once, 13.9 s, where PyTorch multiplies large matrices at about 175 GFLOP/s; its time is",
    "scaled to this machine by that product. Ours writes to memory (`/dev/shm`) where there is room, as fast as to an idle disk.",
  ];
  const fastest = report.results.filter(({ pytorch }) => /^PyTorch .*,/.test(pytorch?.program ?? ""));
  if (fastest.length > 0) {
    const list = fastest.map(({ title, pytorch }) => `${title} (${pytorch!.program})`);
    lines.push(
      "",
      `**PyTorch is the fastest of its versions and ways to call it:** ${list.join("; ")}; elsewhere as it comes.`,
    );
  }
  if (missed.length > 0) {
    const list = missed.map(({ title, ratio, target }) => `${title} (${ratio!.toFixed(2)}× of ${target}×)`);
    lines.push("", `**Missed targets:** ${list.join("; ")}.`);
  }
  if (larger.length > 0) {
    const list = larger.map(({ title, ours, pytorch }) => `${title} (${memory(ours)} against ${memory(pytorch)} MiB)`);
    lines.push("", `**More memory than PyTorch:** ${list.join("; ")}.`);
  }
  if (limits) lines.push("", "## Distance from the limit", "", ...limitLines(limits, report.results));
  const profiled = missed.filter(({ ours }) => ours.kernels);
  if (profiled.length > 0) {
    lines.push(
      "",
      "## Where the time goes",
      "",
      "Of what misses its target, in one profiled run after those that were timed. Stage 1 trains its heads in workers; its kernels",
      "are those of the same steps in one thread after the other, so that they do not add up to its time.",
      "",
      ...profiled.flatMap((result) => profileLines(result, limits)),
    );
  }
  if (scaling.length > 0) {
    lines.push("", "## Cost against size", "", "![Time and memory against size](images/scaling.svg)", "");
    lines.push(...scaling.flatMap(({ title, points }) => [`**${title}**`, "", markdownTable(scalingRows(points)), ""]));
  }
  return `${lines.join("\n").trimEnd()}\n`;
}

function limitLines(limits: Limits, results: readonly Result[]): string[] {
  const { batchedMatmulGflops, copyGBs, adamwGBs } = limits;
  const [fastest, ...others] = engineLimits(limits);
  const rows = results.flatMap(({ title, ours }) =>
    ours.gflops !== null && ours.device === limits.device
      ? [[title, ours.gflops.toFixed(0), share(ours.gflops, fastest!.gflops)]]
      : [],
  );
  const speed = ({ what, gflops }: EngineLimit): string => `${what} ${gflops.toFixed(0)}`;
  return [
    `The limit is what the fastest engine here reaches, in GFLOP/s: ${speed(fastest!)} (${others.map(speed).join(", ")}). A copy of`,
    `memory runs at ${copyGBs.toFixed(1)} GB/s.`,
    "",
    markdownTable([
      ["", "GFLOP/s", "of the limit"],
      ...rows,
      [
        "20 products [240 × 1024] · [1024 × 1024] as one batch",
        batchedMatmulGflops.toFixed(0),
        share(batchedMatmulGflops, fastest!.gflops),
      ],
    ]),
    "",
    markdownTable([
      ["", "GB/s", "of the copy"],
      ["AdamW on 42 M weights", adamwGBs.toFixed(1), share(adamwGBs, copyGBs)],
    ]),
  ];
}

const share = (value: number, of: number): string => `${((100 * value) / of).toFixed(0)} %`;

interface EngineLimit {
  readonly what: string;
  readonly gflops: number;
}

/** Products and convolutions of every engine, fastest first. */
function engineLimits({ matmulGflops, rivals }: Limits): EngineLimit[] {
  return [
    { what: "2048³ product of ONNX Runtime", gflops: matmulGflops },
    ...rivals.flatMap(({ program, productGflops, convolutionGflops }) => [
      { what: `2048³ product of ${program}`, gflops: productGflops },
      { what: `3 × 3 convolution of ${program}`, gflops: convolutionGflops },
    ]),
  ].sort((a, b) => b.gflops - a.gflops);
}

/** Kernels below this share of the time stand in one row. */
const smallShare = 0.02;

/** Why a target is missed: time by kernel, its arithmetic a second, and how far that is from the limit. */
function profileLines({ title, ours, unit }: Result, limits: Limits | null): string[] {
  const kernels = ours.kernels ?? [];
  const isLarge = ({ seconds }: { readonly seconds: number }) => seconds >= smallShare * ours.seconds;
  const sum = (some: typeof kernels) => some.reduce((total, { seconds }) => total + seconds, 0);
  const rest = [
    { kernel: "smaller kernels", seconds: sum(kernels.filter((each) => !isLarge(each))) },
    { kernel: "compiled graphs and JavaScript", seconds: Math.max(0, ours.seconds - sum(kernels)) },
  ];
  const limit = limits && engineLimits(limits)[0]!.gflops;
  const rows = kernels.filter(isLarge).map(({ kernel, calls, seconds, flops }) => {
    const gflops = flops / seconds / 1e9;
    const works = flops > 1e9; // others move memory
    return [
      kernel,
      calls.toFixed(0),
      figure(1000 * seconds),
      share(seconds, ours.seconds),
      works ? gflops.toFixed(0) : "",
      works && limit ? share(gflops, limit) : "",
    ];
  });
  const others = rest.map(({ kernel, seconds }) => [
    kernel,
    "",
    figure(1000 * seconds),
    share(seconds, ours.seconds),
    "",
    "",
  ]);
  return [
    `**${title}**, ${figure(ours.seconds)} ${unit}`,
    "",
    markdownTable([["kernel", "calls", "ms", "of the time", "GFLOP/s", "of the limit"], ...rows, ...others]),
    "",
  ];
}

function scalingRows(points: readonly ScalingPoint[]): string[][] {
  return [
    ["size", "seconds", "per 1000, s", "peak MiB"],
    ...points.map(({ size, seconds, peakMemoryMiB }) => [
      size.toLocaleString("en"),
      figure(seconds),
      figure((seconds / size) * 1000),
      peakMemoryMiB.toFixed(0),
    ]),
  ];
}

/** Time and memory against size, one panel for each kind of size, side by side with one vertical scale. */
export function scalingFigure(scaling: readonly Scaling[]): string {
  const { document } = parseHTML("<!doctype html><html><body></body></html>");
  const values = scaling.flatMap(({ points }) => points.flatMap((each) => [each.seconds, each.peakMemoryMiB]));
  const domain = [Math.min(...values) / 1.5, Math.max(...values) * 2];
  const [width, height] = [280, 320];
  const panels = scaling.map(({ title, points }, i) => {
    const panel = scalingPanel(document as unknown as Document, { title, points, domain, width, height });
    panel.setAttribute("x", `${i * width}`);
    return panel.outerHTML;
  });
  const size = `width="${scaling.length * width}" height="${height}"`;
  const background = '<rect width="100%" height="100%" fill="white"/>';
  return `<svg xmlns="http://www.w3.org/2000/svg" ${size}>${background}${panels.join("")}</svg>\n`;
}

const sizeLabel = (size: number): string =>
  size.toLocaleString("en", { notation: size < 10_000 ? "standard" : "compact", useGrouping: false });

function scalingPanel(
  document: Document,
  {
    title,
    points,
    domain,
    width,
    height,
  }: Pick<Scaling, "title" | "points"> & { domain: number[]; width: number; height: number },
): Element {
  const lines = [
    { quantity: "seconds", colour: "#1d4ed8", of: ({ seconds }: ScalingPoint) => seconds },
    { quantity: "peak MiB", colour: "#b45309", of: ({ peakMemoryMiB }: ScalingPoint) => peakMemoryMiB },
  ];
  return Plot.plot({
    document,
    width,
    height,
    marginLeft: 45,
    marginRight: 20,
    marginTop: 40,
    marginBottom: 30,
    style: { fontSize: "11px", color: "#111", fontFamily: "system-ui, sans-serif" },
    x: { type: "log", label: null, ticks: points.map(({ size }) => size), tickFormat: sizeLabel },
    y: { type: "log", domain, label: null, grid: true, tickFormat: "~g", ticks: 5 },
    marks: [
      Plot.text([title], { frameAnchor: "top", dy: -24, fontWeight: "bold" }),
      ...lines.flatMap(({ quantity, colour, of }) => [
        Plot.line(points, { x: "size", y: of, stroke: colour }),
        Plot.dot(points, { x: "size", y: of, fill: colour, r: 3 }),
        Plot.text(points.slice(-1), {
          x: "size",
          y: of,
          text: () => quantity,
          fill: colour,
          dy: -10,
          textAnchor: "end",
        }),
      ]),
    ],
  });
}

/** The last line of `npm run -s bench -- --json`. */
export function jsonLine({ results, limits, machine }: Report): string {
  const ratios = Object.fromEntries(results.map(({ name, ratio }) => [name, ratio]));
  const seconds = Object.fromEntries(
    results.map(({ name, ours, pytorch }) => [name, { ours: ours.seconds, pytorch: pytorch?.seconds ?? null }]),
  );
  const peakMemoryMiB = Object.fromEntries(
    results.map(({ name, ours, pytorch }) => [
      name,
      { ours: ours.peakMemoryMiB, pytorch: pytorch?.peakMemoryMiB ?? null },
    ]),
  );
  return JSON.stringify({ ratios, seconds, peakMemoryMiB, limits, machine });
}

function markdownTable(rows: readonly (readonly string[])[]): string {
  const [heading, ...body] = rows.map((row) => `| ${row.join(" | ")} |`);
  return [heading, `|${rows[0]!.map((_, i) => (i === 0 ? " --- " : " ---: ")).join("|")}|`, ...body].join("\n");
}

const figure = (value: number): string => (value >= 100 ? value.toFixed(0) : value.toPrecision(3));

const memory = (side: Side | null): string => (side?.peakMemoryMiB ? side.peakMemoryMiB.toFixed(0) : "–");
