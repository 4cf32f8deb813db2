import { availableParallelism, cpus, totalmem } from "node:os";
import * as tf from "@tensorflow/tfjs-core";
import { type BackendProbe, probeBackends } from "@villa/core";
import { type NodeBackendOptions, nodeBackends } from "./use-backend.ts";

/** Speed of one backend, in 10⁹ floating-point operations a second. */
export interface BackendFigures {
  /** [240×1024]·[1024×1024]: plain, and the slowest of the transposed combinations. */
  readonly matMul: number;
  readonly matMulTransposed: number;
  /** 3×3 convolution of [8, 56, 56, 64] to 64 channels, and its two gradients. */
  readonly conv: number;
  readonly convFilterGradient: number;
  readonly convInputGradient: number;
}

export interface BackendDiagnosis {
  readonly name: string;
  readonly device: "gpu" | "cpu";
  readonly probe: BackendProbe;
  readonly figures?: BackendFigures;
  /** Why an available backend has no figures. */
  readonly failure?: string;
}

export interface Diagnosis {
  readonly node: string;
  readonly platform: string;
  readonly processor: string;
  readonly cores: number;
  readonly memoryGigabytes: number;
  readonly backends: readonly BackendDiagnosis[];
  /** The one that `useNodeBackend()` takes. */
  readonly chosen: string | undefined;
}

export interface DoctorOptions extends Omit<NodeBackendOptions, "name"> {
  /** Measure each available backend for about this long. 0: probe only. Default 1. */
  readonly seconds?: number;
  /** Only these. Default: all. */
  readonly backends?: readonly string[];
}

/** Probes every backend, measures those that can run, and leaves the current one as it was. */
export async function doctor({ seconds = 1, backends: only, ...options }: DoctorOptions = {}): Promise<Diagnosis> {
  const candidates = nodeBackends(options).filter(({ name }) => only?.includes(name) ?? true);
  const reports = await probeBackends(candidates);
  const current = tf.engine().backendName;
  const backends: BackendDiagnosis[] = [];
  for (const [i, report] of reports.entries()) {
    if (!report.probe.available || seconds <= 0) {
      backends.push(report);
      continue;
    }
    try {
      await candidates[i]!.activate();
      backends.push({ ...report, figures: await measure(seconds) });
    } catch (error) {
      backends.push({ ...report, failure: error instanceof Error ? error.message : String(error) });
    }
    if (report.name !== current) await candidates[i]!.dispose?.();
  }
  if (current && tf.engine().backendName !== current) await tf.setBackend(current);
  return {
    node: process.version,
    platform: `${process.platform} ${process.arch}`,
    processor: cpus()[0]?.model.trim() ?? "unknown",
    cores: availableParallelism(),
    memoryGigabytes: Math.round(totalmem() / 2 ** 30),
    backends,
    chosen: reports.find((report) => report.probe.available)?.name,
  };
}

/** The diagnosis as lines of text. */
export function formatDiagnosis({
  node,
  platform,
  processor,
  cores,
  memoryGigabytes,
  backends,
  chosen,
}: Diagnosis): string {
  const lines = [
    `Node ${node}, ${platform}, ${cores} cores (${processor}), ${memoryGigabytes} GiB`,
    "",
    "Backends, in order of preference:",
  ];
  for (const { name, device, probe, figures, failure } of backends) {
    const mark = name === chosen ? "*" : " ";
    const state = probe.available ? (probe.detail ?? "available") : `not available: ${probe.reason}`;
    lines.push(`${mark} ${name.padEnd(7)} ${device}  ${state}`);
    if (failure) lines.push(`            failed: ${failure}`);
    if (figures) {
      const { matMul, matMulTransposed, conv, convFilterGradient, convInputGradient } = figures;
      const [a, b, c, d, e] = [matMul, matMulTransposed, conv, convFilterGradient, convInputGradient].map(round);
      lines.push(
        `            GFLOP/s: matmul ${a} (transposed ${b}), conv ${c}, its gradients ${d} (filter) ${e} (input)`,
      );
    }
  }
  return lines.join("\n");
}

function round(value: number): string {
  return value.toFixed(value < 10 ? 1 : 0);
}

async function measure(seconds: number): Promise<BackendFigures> {
  const share = seconds / 8;
  const a = tf.randomUniform([240, 1024]);
  const at = tf.transpose(a);
  const b = tf.randomUniform([1024, 1024]);
  const flops = 2 * 240 * 1024 * 1024;
  const product = (left: tf.Tensor, transposeA: boolean, transposeB: boolean) =>
    rate(flops, share, () => tf.matMul(left, b, transposeA, transposeB));
  const matMul = await product(a, false, false);
  const transposed = [await product(at, true, false), await product(a, false, true), await product(at, true, true)];
  // A slow backend would take many seconds for the full batch.
  const batch = matMul < 10 ? 1 : 8;
  const x = tf.randomUniform<tf.Rank.R4>([batch, 56, 56, 64]);
  const dy = tf.randomUniform<tf.Rank.R4>([batch, 56, 56, 64]);
  const filter = tf.randomUniform<tf.Rank.R4>([3, 3, 64, 64]);
  const convFlops = 2 * batch * 56 * 56 * 64 * 64 * 9;
  const attrs = { strides: [1, 1], pad: 1, dataFormat: "NHWC" };
  const kernel = (name: string, inputs: tf.NamedTensorMap, extra: tf.NamedAttrMap) =>
    rate(convFlops, share, () => tf.engine().runKernel(name, inputs, { ...attrs, ...extra }) as tf.Tensor);
  const conv = await rate(convFlops, share, () => tf.conv2d(x, filter, 1, 1));
  const convFilterGradient = await kernel("Conv2DBackpropFilter", { x, dy }, { filterShape: filter.shape });
  const convInputGradient = await kernel("Conv2DBackpropInput", { dy, filter }, { inputShape: x.shape });
  tf.dispose([a, at, b, x, dy, filter]);
  return { matMul, matMulTransposed: Math.min(...transposed), conv, convFilterGradient, convInputGradient };
}

/** Best of the runs that fit into `seconds`, after one to warm up. */
async function rate(flops: number, seconds: number, run: () => tf.Tensor): Promise<number> {
  const once = async () => {
    const start = performance.now();
    const y = run();
    const total = tf.sum(y);
    await total.data(); // a GPU has finished only when a result arrives
    tf.dispose([y, total]);
    return (performance.now() - start) / 1000;
  };
  let best = await once();
  const end = performance.now() + seconds * 1000;
  while (performance.now() < end) best = Math.min(best, await once());
  return flops / best / 1e9;
}
