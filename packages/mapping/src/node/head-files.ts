import { basename, join } from "node:path";
import { removeLeftovers } from "@villa/core/node";
import {
  checkArgument,
  checkFinite,
  openSafetensors,
  type SafetensorsFile,
  type TensorData,
  toFloat32,
  VillaError,
  writeSafetensors,
} from "@villa/data";
import { atomicWriteFile, fileSource, withPath } from "@villa/data/node";
import type { HeadState } from "../model/head-state.ts";
import { type HeadsOptions, type HeadWeights, headFrom, headParameters, parameterShape } from "../model/heads.ts";
import type { HeadSource } from "../model/scores.ts";

// One file per head: heads are independent, so a run that was killed resumes each of them where it stood, and shards are
// merged by putting their files into one folder.

/** Path of a head's checkpoint. */
export function headFile(folder: string, head: number): string {
  checkArgument("folder", folder, "text");
  checkArgument("head", head, "number");

  return join(folder, `head-${String(head).padStart(5, "0")}.safetensors`);
}

/** Writes a head's state so that a crash leaves the previous one or the new one. */
export async function saveHeadState(
  folder: string,
  state: HeadState,
  options: { readonly dimension: number; readonly keepOptimizer: boolean },
): Promise<void> {
  checkArgument("folder", folder, "text");
  checkArgument("state", state, {
    head: "number",
    epoch: "count",
    steps: "count",
    weights: { "0.weight": "numbers", "0.bias": "numbers", "2.weight": "numbers", "2.bias": "numbers" },
    "mean?": { "0.weight": "numbers", "0.bias": "numbers", "2.weight": "numbers", "2.bias": "numbers" },
    "meanSquare?": { "0.weight": "numbers", "0.bias": "numbers", "2.weight": "numbers", "2.bias": "numbers" },
    losses: "numbers",
    validation: ["object"],
    "best?": { epoch: "count", score: "number", weights: "object" },
  });
  checkArgument("options", options, { dimension: "count", keepOptimizer: "boolean" });

  const tensors = new Map<string, TensorData>();
  const put = (group: string, values: HeadWeights | undefined): void => {
    for (const parameter of values ? headParameters : []) {
      const shape = parameterShape(parameter, options.dimension);
      tensors.set(`${group}.${parameter}`, { dtype: "float32", shape, data: values![parameter] });
    }
  };
  put("weights", state.weights);
  if (options.keepOptimizer) {
    put("mean", state.mean);
    put("mean_square", state.meanSquare);
  }
  put("best", state.best?.weights);
  const { head, epoch, steps, losses, validation, best } = state;
  const progress = {
    head,
    epoch,
    steps,
    losses,
    validation,
    best: best ? { epoch: best.epoch, score: best.score } : undefined,
  };
  await atomicWriteFile(
    headFile(folder, head),
    writeSafetensors(tensors, { format: "pt", villa_head: JSON.stringify(progress) }),
  );
}

/** Reads a head's state. @returns undefined when the head has none yet @throws VillaError as the file readers */
export async function loadHeadState(folder: string, head: number): Promise<HeadState | undefined> {
  checkArgument("folder", folder, "text");
  checkArgument("head", head, "number");

  const path = headFile(folder, head);
  return openHead(path, async (file, progress) => {
    const group = async (name: string): Promise<HeadWeights | undefined> =>
      file.entries.has(`${name}.0.weight`) ? readWeights(file, name) : undefined;
    const [weights, mean, meanSquare, best] = [
      await readWeights(file, "weights"),
      await group("mean"),
      await group("mean_square"),
      await group("best"),
    ];
    return {
      ...progress,
      weights,
      mean,
      meanSquare,
      best: progress.best && best ? { ...progress.best, weights: best } : undefined,
    } as HeadState;
  });
}

/** What a head has been through, without its weights. */
export type HeadProgress = Omit<HeadState, "weights" | "mean" | "meanSquare" | "best"> & {
  readonly best?: { readonly epoch: number; readonly score: number } | undefined;
  /** Whether its optimiser's state is there, without which a head that has taken steps cannot be trained further. */
  readonly hasOptimizer: boolean;
};

/** Reads only the progress of a head. @returns undefined when it has no checkpoint */
export function loadHeadProgress(folder: string, head: number): Promise<HeadProgress | undefined> {
  return openHead(headFile(folder, head), async (file, progress) => ({
    ...progress,
    hasOptimizer: hasOptimizer(file),
  }));
}

/** Takes the optimiser's state out of a head's checkpoint, where there is one: a head that stopped early has kept it. */
export async function dropOptimizer(
  folder: string,
  head: number,
  { dimension }: { readonly dimension: number },
): Promise<void> {
  if (!(await loadHeadProgress(folder, head))?.hasOptimizer) return;
  const state = await loadHeadState(folder, head);
  if (state) await saveHeadState(folder, state, { dimension, keepOptimizer: false });
}

const hasOptimizer = (file: SafetensorsFile): boolean => file.entries.has("mean.0.weight");

/** A model whose heads are read when needed. @param options `which`: "best" falls back to the last epoch where there is no best */
export function headSource(
  folder: string,
  options: HeadsOptions & { readonly attributes: readonly string[]; readonly which: "last" | "best" },
): HeadSource {
  checkArgument("folder", folder, "text");
  checkArgument("options", options, {
    dimension: "count",
    oneProj: "boolean",
    adapter: "boolean",
    attributes: ["text"],
    which: "'last' | 'best'",
  });
  const { which, ...model } = options;

  return {
    ...model,
    async load(head) {
      const path = headFile(folder, head);
      const weights = await openHead(path, (file) => {
        const group = which === "best" && file.entries.has("best.0.weight") ? "best" : "weights";
        return readWeights(file, group);
      });
      if (weights) return weights;
      throw new VillaError("NotFound", `There is no ${path}; that head has not been trained yet.`);
    },
  };
}

/** Deletes what a killed process left half-written of these heads; other shards may be writing theirs. */
export async function removeHeadLeftovers(folder: string, heads: readonly number[]): Promise<void> {
  const own = new Set(heads.map((head) => basename(headFile(folder, head))));
  await removeLeftovers(folder, (name) => own.has(name));
}

async function openHead<T>(
  path: string,
  use: (file: SafetensorsFile, progress: SavedProgress) => Promise<T>,
): Promise<T | undefined> {
  const source = await fileSource(path).catch((error: unknown) => {
    if ((error as { code?: string | undefined }).code === "NotFound") return undefined;
    throw error;
  });
  if (!source) return undefined;
  return withPath(path, async () => {
    const file = await openSafetensors(source);
    return use(file, parseProgress(file.metadata.villa_head));
  });
}

type SavedProgress = Omit<HeadProgress, "hasOptimizer">;

function parseProgress(text: string | undefined): SavedProgress {
  try {
    const progress = JSON.parse(text ?? "") as SavedProgress;
    if (Number.isSafeInteger(progress.head) && Number.isSafeInteger(progress.epoch) && Array.isArray(progress.losses)) {
      return progress;
    }
  } catch {
    // Reported below like any other wrong contents.
  }
  throw new VillaError("InvalidFile", "This is not the checkpoint of a projection head.");
}

async function readWeights(file: SafetensorsFile, group: string): Promise<HeadWeights> {
  const tensors = new Map<string, Float32Array>();
  for (const parameter of headParameters) {
    const name = `${group}.${parameter}`;
    const tensor = await file.tensor(name);
    checkFinite(name, tensor);
    tensors.set(parameter, toFloat32(tensor));
  }
  return headFrom((parameter) => tensors.get(parameter)!);
}
