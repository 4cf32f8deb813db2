import type { BackendProbe } from "@villa/core";
import { firstLine, isVillaError, VillaError } from "@villa/data";
import { onnxProviderNames, probeOnnxProvider } from "./providers.ts";
import type { OnnxModel, OnnxRuntime } from "./runtime.ts";

/** Used without being asked for. WebGPU's is not: it may stand for a software device, slower than the CPU. */
const preferred = "cuda";

/** Where providers are looked for. */
export interface ProviderSource {
  names(): readonly string[];
  probe(name: string): BackendProbe;
}

/** What runs whole graphs, and why it is not the provider that was asked for, in one sentence. */
export interface GraphProvider {
  readonly name: string;
  readonly complaint?: string | undefined;
}

const installed: ProviderSource = { names: onnxProviderNames, probe: probeOnnxProvider };
let latest: { readonly asked: string; readonly provider: GraphProvider } | undefined;

/**
 * The provider for frozen encoders: the one asked for, else CUDA's where it is installed and computes, else the CPU's.
 *
 * @param asked what `VILLA_ONNX_PROVIDER` says; empty or "auto" = choose
 * @throws VillaError `InvalidArgument` for a name that this ONNX Runtime was not built with
 */
export function chooseGraphProvider(asked: string, { names, probe }: ProviderSource = installed): GraphProvider {
  if (asked === "cpu") return { name: "cpu" };
  const known = names();
  if (asked === "" || asked === "auto") {
    return { name: known.includes(preferred) && probe(preferred).available ? preferred : "cpu" };
  }
  if (!known.includes(asked)) {
    throw new VillaError(
      "InvalidArgument",
      `The environment variable VILLA_ONNX_PROVIDER is "${asked}"; this ONNX Runtime has: auto, ${known.join(", ")}.`,
    );
  }
  const found = probe(asked);
  return found.available ? { name: asked } : { name: "cpu", complaint: fallback(asked, found.reason) };
}

/** What `VILLA_ONNX_PROVIDER` says; empty where it is not set. */
const askedProvider = (): string => process.env.VILLA_ONNX_PROVIDER?.trim() ?? "";

/**
 * What frozen encoders would run on, for a report: a provider that does not exist is a complaint here, not an error.
 *
 * @returns undefined where ONNX Runtime is not installed
 */
export function frozenEncoderProvider(source: ProviderSource = installed): Partial<GraphProvider> | undefined {
  if (source.names().length === 0) return undefined;
  try {
    return chooseGraphProvider(askedProvider(), source);
  } catch (error) {
    if (!isVillaError(error, "InvalidArgument")) throw error;
    return { complaint: error.message };
  }
}

const emitWarning = (sentence: string): void => process.emitWarning(sentence);

/**
 * The provider for frozen encoders, with one sentence to `warn` where it is not the one that was asked for. What was found
 * out is kept: the sentence comes once.
 *
 * @throws VillaError as {@link chooseGraphProvider}
 */
export function graphProvider(source: ProviderSource = installed, warn = emitWarning): GraphProvider {
  const asked = askedProvider();
  const provider = latest?.asked === asked ? latest.provider : chooseGraphProvider(asked, source);
  if (provider.complaint && provider !== latest?.provider) warn(provider.complaint);
  latest = { asked, provider };
  return provider;
}

/**
 * Opens a frozen encoder's graph on the provider for them; on the CPU, with one sentence to `warn`, where that cannot be.
 *
 * @throws VillaError as {@link chooseGraphProvider}
 */
export function openGraph(
  onnx: Pick<OnnxRuntime, "open">,
  file: Uint8Array,
  source: ProviderSource = installed,
  warn = emitWarning,
): OnnxModel {
  const provider = graphProvider(source, warn);
  if (provider.name === "cpu") return onnx.open(file);
  try {
    return onnx.open(file, provider.name);
  } catch (error) {
    const complaint = fallback(provider.name, `it does not load the graph (${firstLine(error)}).`);
    latest = { asked: askedProvider(), provider: { name: "cpu", complaint } };
    warn(complaint);
    return onnx.open(file);
  }
}

function fallback(name: string, reason: string): string {
  return `Frozen encoders run on the CPU, not on ONNX Runtime's provider "${name}": ${reason}`;
}
