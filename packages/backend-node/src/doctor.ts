import { availableParallelism, cpus, totalmem } from "node:os";
import * as tf from "@tensorflow/tfjs-core";
import { type BackendProbe, probeBackends } from "@villa/core";
import { checkArgument } from "@villa/data";
import { frozenEncoderProvider, type GraphProvider } from "./native/onnx/graph-provider.ts";
import { type OnnxProvider, onnxProviders } from "./native/onnx/providers.ts";
import { type NodeBackendOptions, nodeBackends } from "./use-backend.ts";

/** Speed of one backend, in 10⁹ floating-point operations a second. */
export interface BackendFigures {
  /** [240×1024]·[1024×1024]: plain, and the slowest of the transposed combinations. Slow backends get smaller sizes. */
  readonly matMul: number;
  readonly matMulTransposed: number;
  /** 3×3 convolution of [8, 56, 56, 64] to 64 channels, and its two gradients. */
  readonly conv: number;
  readonly convFilterGradient: number;
  readonly convInputGradient: number;
}

/** What `doctor` found out about one backend. */
export interface BackendDiagnosis {
  readonly name: string;
  readonly device: "gpu" | "cpu";
  readonly probe: BackendProbe;
  readonly figures?: BackendFigures | undefined;
  /** Why an available backend has no figures. */
  readonly failure?: string | undefined;
}

/** The machine and all of its backends. */
export interface Diagnosis {
  readonly node: string;
  readonly platform: string;
  readonly processor: string;
  readonly cores: number;
  readonly memoryGigabytes: number;
  readonly backends: readonly BackendDiagnosis[];
  /** What ONNX Runtime could run whole graphs on; empty where it is not installed. */
  readonly onnxProviders: readonly OnnxProvider[];
  /**
   * The provider that the native backend gives frozen encoders to, as `VILLA_ONNX_PROVIDER` asks, and why it is not the one
   * asked for; without a name where none of that name exists. Undefined where ONNX Runtime is not installed.
   */
  readonly frozenEncoders: Partial<GraphProvider> | undefined;
  /** The one that `useNodeBackend()` takes. */
  readonly chosen: string | undefined;
}

/** How `doctor` looks and measures. */
export interface DoctorOptions extends Omit<NodeBackendOptions, "name"> {
  /** Measure each available backend for about this long. 0: probe only. Default 1. */
  readonly seconds?: number | undefined;
  /** Only these. Default: all. */
  readonly backends?: readonly string[] | undefined;
}

/**
 * Probes every backend, measures those that can run, and leaves the current one as it was. The one that `VILLA_BACKEND`
 * names is looked at as if it were forced: TensorFlow on the CPU, or a software WebGPU device, then has figures too.
 */
export async function doctor(request: DoctorOptions = {}): Promise<Diagnosis> {
  checkArgument("request?", request, { "seconds?": "number", "backends?": ["text"], "threads?": "count" });
  const { seconds = 1, backends: only, ...options } = request;

  const candidates = nodeBackends(options).filter(({ name }) => only?.includes(name) ?? true);
  const { VILLA_BACKEND: asked } = process.env;
  const named = asked === "" || asked === "auto" ? undefined : asked;
  const reports = await probeBackends(candidates, { forced: named });
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
    onnxProviders: onnxProviders(),
    frozenEncoders: frozenEncoderProvider(),
    chosen: reports.find(({ name, probe }) => probe.available && (named === undefined || name === named))?.name,
  };
}

/** The diagnosis as lines of text. */
export function formatDiagnosis(diagnosis: Diagnosis): string {
  checkArgument("diagnosis", diagnosis, {
    node: "text",
    platform: "text",
    processor: "text",
    cores: "number",
    memoryGigabytes: "number",
    backends: ["object"],
    onnxProviders: ["object"],
    "frozenEncoders?": { "name?": "text", "complaint?": "text" },
    "chosen?": "text",
  });
  const { node, platform, processor, cores, memoryGigabytes, backends, chosen } = diagnosis;
  const { onnxProviders: providers, frozenEncoders } = diagnosis;

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
  if (providers.length > 0)
    lines.push("", "ONNX Runtime's providers (*: the native backend runs frozen encoders on it):");
  for (const { name, probe } of providers) {
    const mark = name === frozenEncoders?.name ? "*" : " ";
    lines.push(`${mark} ${name.padEnd(8)} ${probe.available ? "available" : `not available: ${probe.reason}`}`);
  }
  if (frozenEncoders?.complaint) lines.push(frozenEncoders.complaint);
  return lines.join("\n");
}

/** A slow backend must not be shown as 0; a dash stands for what was not measured. */
function round(value: number): string {
  if (!(value > 0 && Number.isFinite(value))) return "–";
  return value < 1 ? value.toPrecision(2) : value.toFixed(value < 10 ? 1 : 0);
}

/** Sizes of the measured operations: the full ones, and some that plain JavaScript gets through in a moment. */
const fullSizes = { rows: 240, inner: 1024, batch: 8, side: 56 };
const smallSizes = { rows: 60, inner: 256, batch: 1, side: 14 };
/** 10⁹ operations a second below which a backend is measured with the small sizes. */
const slow = 3;

async function measure(seconds: number): Promise<BackendFigures> {
  const share = seconds / 8;
  const first = await measureMatMul(smallSizes, 0);
  const size = first.plain < slow ? smallSizes : fullSizes;
  const { plain, transposed } = await measureMatMul(size, share);
  return { matMul: plain, matMulTransposed: transposed, ...(await measureConvolution(size, share)) };
}

async function measureMatMul({ rows, inner }: typeof fullSizes, seconds: number) {
  const a = tf.randomUniform([rows, inner]);
  const turned = tf.transpose(a);
  const b = tf.randomUniform([inner, inner]);
  const product = (transposeA: boolean, transposeB: boolean) =>
    rate(2 * rows * inner * inner, seconds, () => tf.matMul(transposeA ? turned : a, b, transposeA, transposeB));
  const plain = await product(false, false);
  const transposed = Math.min(await product(true, false), await product(false, true), await product(true, true));
  tf.dispose([a, turned, b]);
  return { plain, transposed };
}

async function measureConvolution({ batch, side }: typeof fullSizes, seconds: number) {
  const channels = 64;
  const x = tf.randomUniform<tf.Rank.R4>([batch, side, side, channels]);
  const dy = tf.randomUniform<tf.Rank.R4>([batch, side, side, channels]);
  const filter = tf.randomUniform<tf.Rank.R4>([3, 3, channels, channels]);
  const flops = 2 * x.size * channels * 9;
  const attrs = { strides: [1, 1], pad: 1, dataFormat: "NHWC" };
  const kernel = (name: string, inputs: tf.NamedTensorMap, extra: tf.NamedAttrMap) =>
    rate(flops, seconds, () => tf.engine().runKernel(name, inputs, { ...attrs, ...extra }) as tf.Tensor);
  const figures = {
    conv: await rate(flops, seconds, () => tf.conv2d(x, filter, 1, 1)),
    convFilterGradient: await kernel("Conv2DBackpropFilter", { x, dy }, { filterShape: filter.shape }),
    convInputGradient: await kernel("Conv2DBackpropInput", { dy, filter }, { inputShape: x.shape }),
  };
  tf.dispose([x, dy, filter]);
  return figures;
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
