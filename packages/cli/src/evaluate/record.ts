import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
import { readdir, stat } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";
import { isVillaError, VillaError } from "@villa/data";
import { hashFile } from "@villa/data/node";
import type { Evidence, Interval, RankedScores } from "@villa/metrics";
import { readJsonFile } from "./read-json.ts";
import type { DetectionEvidence, InputFile, TaskOutcome } from "./task.ts";

/** Name of the file that an evaluation's folder holds. */
export const recordFile = "evaluation.json";

/** A number of a record. */
export interface RecordedNumber {
  readonly value: number | null;
  /** Bounds of the interval; null without resamples. */
  readonly low: number | null;
  readonly high: number | null;
  /** What guessing reaches; null where that is not known. */
  readonly chance: number | null;
}

/** How the intervals were made. */
export interface RecordedBootstrap {
  readonly over: "images" | "groups";
  readonly resamples: number;
  readonly seed: number;
  readonly level: number;
  readonly interval: "percentile" | "centred";
}

/** An evaluation with all that is needed to repeat it and to compare it with another. */
export interface EvaluationRecord {
  readonly format: "villa-evaluation/1";
  readonly task: string;
  readonly subject: string;
  readonly villa: string;
  readonly finished: string;
  readonly numbers: Readonly<Record<string, RecordedNumber>>;
  readonly bootstrap: RecordedBootstrap;
  readonly inputs: readonly (InputFile & { readonly sha256: string })[];
  readonly settings: Readonly<Record<string, unknown>>;
  readonly warnings: readonly string[];
  readonly details: Readonly<Record<string, unknown>>;
  readonly items: {
    readonly ids: readonly (number | string)[];
    readonly groups?: readonly (string | number)[] | undefined;
  };
  readonly evidence: StoredEvidence | DetectionEvidence;
}

/** {@link Evidence} with the numbers of rankings as text: base64 of float32 scores and int8 labels. */
export interface StoredEvidence extends Omit<Evidence, "rankings"> {
  readonly rankings: readonly (Omit<RankedScores, "scores" | "labels"> & {
    readonly scores: string;
    readonly labels: string;
  })[];
}

/** The record of an outcome. Hashes the files it was made from. */
export async function makeRecord(
  outcome: TaskOutcome,
  made: {
    readonly intervals: Readonly<Record<string, Interval>>;
    readonly bootstrap: RecordedBootstrap;
    readonly villa: string;
    readonly finished: string;
  },
): Promise<EvaluationRecord> {
  const { intervals, ...rest } = made;
  const numbers = Object.entries(outcome.numbers).map(([name, value]): [string, RecordedNumber] => {
    const interval = intervals[name];
    return [
      name,
      {
        value: finite(value),
        low: finite(interval?.low),
        high: finite(interval?.high),
        chance: finite(outcome.chance[name]),
      },
    ];
  });
  const inputs = [];
  for (const { role, path, sha256 = await hashPath(path) } of outcome.inputs) {
    inputs.push({ role, path: existsSync(path) ? resolve(path) : path, sha256 });
  }
  for (const [name, text] of Object.entries(outcome.files ?? {})) {
    const role = name.startsWith("truth") ? "truth" : "detections";
    inputs.push({ role, path: name, sha256: createHash("sha256").update(text).digest("hex") } as const);
  }
  return {
    format: "villa-evaluation/1",
    task: outcome.task,
    subject: outcome.subject,
    ...rest,
    numbers: Object.fromEntries(numbers),
    inputs,
    settings: outcome.settings,
    warnings: outcome.warnings,
    details: outcome.details,
    items: { ids: outcome.itemIds, groups: outcome.groups },
    evidence: "iouType" in outcome.evidence ? outcome.evidence : stored(outcome.evidence),
  };
}

/**
 * Reads a record.
 *
 * @param path the file, or the folder that `villa evaluate --out` wrote
 * @throws VillaError `NotFound`, `InvalidFile`
 */
export async function readRecord(path: string): Promise<EvaluationRecord> {
  const value = await readJsonFile(path).catch((error: unknown) => {
    if (isVillaError(error, "FileSystem")) return readJsonFile(join(path, recordFile)); // a folder
    throw error;
  });
  const record = value as Partial<EvaluationRecord> | null;
  if (record?.format === "villa-evaluation/1" && record.numbers && record.items && record.evidence) {
    return record as EvaluationRecord;
  }
  throw new VillaError("InvalidFile", `${path} is not an evaluation; give a folder that villa evaluate --out wrote.`);
}

/** The folder of a record that {@link readRecord} reads. */
export async function folderOf(path: string): Promise<string> {
  return (await stat(path)).isDirectory() ? path : dirname(path);
}

/** sha256 of a file; of a folder that of the names and hashes of its files. */
async function hashPath(path: string): Promise<string> {
  if (!(await stat(path).catch(() => undefined))?.isDirectory()) return hashFile(path, "sha256");
  const hash = createHash("sha256");
  const entries = await readdir(path, { withFileTypes: true });
  for (const entry of entries.filter((each) => each.isFile()).sort((a, b) => (a.name < b.name ? -1 : 1))) {
    hash.update(`${entry.name} ${await hashFile(join(path, entry.name), "sha256")}\n`);
  }
  return hash.digest("hex");
}

/** @returns null for what JSON has no number for */
export function finite(value: number | undefined): number | null {
  return value !== undefined && Number.isFinite(value) ? value : null;
}

function stored({ items, means, rankings = [] }: Evidence): StoredEvidence {
  return {
    items,
    means: Object.fromEntries(
      Object.entries(means).map(([name, { item, value, stratum }]) => [
        name,
        { item: Array.from(item), value: Array.from(value), stratum: stratum && Array.from(stratum) },
      ]),
    ),
    rankings: rankings.map(({ scores, labels, item, ...rest }) => ({
      ...rest,
      item: Array.from(item),
      scores: Buffer.from(Float32Array.from(scores).buffer).toString("base64"),
      labels: Buffer.from(Int8Array.from(labels).buffer).toString("base64"),
    })),
  };
}

/** The evidence of a record, as it was before it was written. */
export function restored({ items, means, rankings }: StoredEvidence): Evidence {
  return {
    items,
    // JSON has null for NaN
    means: Object.fromEntries(
      Object.entries(means).map(([name, { item, value, stratum }]) => [
        name,
        { item, stratum, value: Array.from(value, (each) => each ?? Number.NaN) },
      ]),
    ),
    rankings: rankings.map(({ scores, labels, ...rest }) => ({
      ...rest,
      scores: new Float32Array(bytesOf(scores)),
      labels: new Int8Array(bytesOf(labels)),
    })),
  };
}

function bytesOf(text: string): ArrayBuffer {
  const bytes = Uint8Array.from(Buffer.from(text, "base64")); // a copy: Node's pool is not aligned
  return bytes.buffer;
}
