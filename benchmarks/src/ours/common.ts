import { existsSync, readFileSync } from "node:fs";
import { availableParallelism } from "node:os";
import { parseArgs } from "node:util";
import type { ActiveBackend } from "@villa/core";
import { RandomState } from "@villa/data";
import type { KernelTime } from "./kernels.ts";

/** What a benchmark program prints, as one line of JSON; the PyTorch scripts print the same. */
export interface Measurement {
  readonly program: string;
  readonly device: string;
  readonly threads: number;
  /** Median time of one unit of work. */
  readonly seconds: number;
  /** Least time of a unit of work on all threads together, where it was taken: little changed by who else computes. */
  readonly cpuSeconds?: number | null | undefined;
  readonly peakMemoryMiB: number;
  /** Floating point operations of one unit of work, where they are known. */
  readonly flops?: number | undefined;
  /** Where the time of one unit of work goes, as far as kernels are concerned. */
  readonly kernels?: readonly KernelTime[] | undefined;
}

/** Numbers from the command line, with defaults, and on which backend and threads to run. */
export function settings<Name extends string>(defaults: Record<Name, number>) {
  const names = Object.keys(defaults) as Name[];
  const options = Object.fromEntries(names.map((name) => [name, { type: "string" as const }]));
  const { values, positionals } = parseArgs({
    options: { ...options, backend: { type: "string" }, threads: { type: "string" } },
    allowPositionals: true,
  });
  const given = values as Partial<Record<string, string>>;
  const numbers = Object.fromEntries(names.map((name) => [name, Number(given[name] ?? defaults[name])]));
  return {
    ...(numbers as Record<Name, number>),
    what: positionals[0],
    backend: given.backend ?? "auto",
    threads: Number(given.threads ?? availableParallelism()),
  };
}

export type Settings = ReturnType<typeof settings<never>>;

/** Name of TF.js's own wasm backend. */
export const tfjsWasm = "tfjs-wasm";

/** Loads TF.js only here: programs without a backend are measured without it. */
export async function startBackend({ backend, threads }: Settings): Promise<ActiveBackend> {
  if (backend === tfjsWasm) {
    const [{ useBackend }, { stockWasm }] = await Promise.all([import("@villa/core"), import("./stock-wasm.ts")]);
    return useBackend({ candidates: [stockWasm(tfjsWasm)], name: tfjsWasm });
  }
  const { useNodeBackend } = await import("@villa/backend-node");
  return useNodeBackend({ name: backend, threads });
}

const random = new RandomState(23);

/** Normally distributed values; with `dimension`, rows of length 1. */
export function normals(length: number, dimension?: number): Float32Array {
  const values = Float32Array.from({ length }, () => random.normal());
  for (let start = 0; dimension !== undefined && start < length; start += dimension) {
    const row = values.subarray(start, start + dimension);
    let squares = 0;
    for (const value of row) squares += value * value;
    for (let i = 0; i < dimension; i++) row[i]! /= Math.sqrt(squares);
  }
  return values;
}

export const coin = (): number => random.randint(0, 2);

/** Seconds of every run; on the clock, and of all threads together. */
export interface Times extends Array<number> {
  cpu?: number[] | undefined;
}

/** Times of repeated work after one run to warm up. The work must end with its results read, or a GPU is not timed. */
export async function timed(repeats: number, work: () => Promise<unknown>): Promise<Times> {
  const times: Times = [];
  const cpu: number[] = [];
  for (let run = 0; run <= repeats; run++) {
    const [start, before] = [performance.now(), process.cpuUsage()];
    await work();
    if (run === 0) continue;
    times.push((performance.now() - start) / 1000);
    const { user, system } = process.cpuUsage(before);
    cpu.push((user + system) / 1e6);
  }
  times.cpu = cpu;
  return times;
}

/**
 * Prints the measurement.
 *
 * @param scale turns the median into the benchmark's unit of work
 * @param peakKiB peak memory, when something after the timed part has used more
 */
export function report(
  at: { readonly threads: number; readonly backend?: string | undefined },
  device: string,
  times: Readonly<Times>,
  {
    scale = 1,
    flops,
    kernels,
    peakKiB = ownPeakKiB(),
    program = at.backend === tfjsWasm ? "TF.js's wasm" : "ViLLA",
  }: {
    scale?: number | undefined;
    flops?: number | undefined;
    kernels?: readonly KernelTime[] | undefined;
    peakKiB?: number | undefined;
    program?: string | undefined;
  } = {},
): void {
  const measurement: Measurement = {
    program,
    device,
    threads: at.threads,
    seconds: median(times) * scale,
    cpuSeconds: times.cpu ? Math.min(...times.cpu) * scale : null,
    peakMemoryMiB: peakKiB / 1024,
    flops,
    kernels,
  };
  console.log(JSON.stringify(measurement));
}

/**
 * Peak memory of this process. What Linux calls `maxRSS` begins with the memory of whoever started the process; the mark in
 * /proc does not.
 */
export function ownPeakKiB(): number {
  const status = existsSync("/proc/self/status") ? readFileSync("/proc/self/status", "utf8") : "";
  const mark = /^VmHWM:\s+(\d+) kB$/m.exec(status);
  return mark ? Number(mark[1]) : process.resourceUsage().maxRSS;
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = Math.floor(sorted.length / 2);
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}
