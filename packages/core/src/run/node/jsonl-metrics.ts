import { appendFileSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { checkArgument } from "@villa/data";
import { atomicWriteFile, fileError } from "@villa/data/node";
import type { MetricsLog, MetricsRecord } from "../metrics.ts";

/** A record as a file holds it. */
export interface MetricsLine extends MetricsRecord {
  /** When it was written, in ISO 8601; absent in logs of earlier versions. */
  readonly time?: string | undefined;
}

/** A metrics log in a file. `write` is synchronous. */
export interface MetricsFile extends MetricsLog {
  write(record: MetricsRecord): void;
  rewind(epoch: number): Promise<void>;
}

/**
 * Writes metrics to a file of JSON lines; call `rewind` first. A resumed run drops the lines after the epoch it resumes
 * from, so that each epoch is there once; a half line that a crash left is dropped as well.
 */
export function jsonlMetrics(path: string): MetricsFile {
  checkArgument("path", path, "text");

  return {
    write: (record) => {
      const line: MetricsLine = { ...record, time: new Date().toISOString() };
      try {
        appendFileSync(path, `${JSON.stringify(line)}\n`);
      } catch (error) {
        throw fileError(error, { path, doing: "write" });
      }
    },
    rewind: async (epoch) => {
      const kept = (await readMetrics(path)).filter((record) => record.epoch <= epoch);
      await atomicWriteFile(path, kept.map((record) => `${JSON.stringify(record)}\n`).join(""));
    },
  };
}

/**
 * Reads a metrics log. Lines that are not complete are skipped, and a missing file is an empty log.
 *
 * @throws VillaError `FileSystem` when the file is there but cannot be read
 */
export async function readMetrics(path: string): Promise<MetricsLine[]> {
  checkArgument("path", path, "text");

  const text = await readFile(path, "utf8").catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT") return "";
    throw fileError(error, { path, doing: "read" });
  });
  const lines = text.split("\n").flatMap((line) => parsed(line) ?? []);
  // Stage 2 once wrote a line for each step too, and counted epochs from 0.
  const first = lines.some(({ kind }) => kind === "step") ? 0 : 1;
  return lines
    .filter((line): line is MetricsLine => line.kind === "epoch" && Number.isSafeInteger(line.epoch))
    .map((line) => ({ ...line, epoch: line.epoch + 1 - first }));
}

function parsed(line: string): { readonly kind?: string | undefined; readonly epoch?: number | undefined } | undefined {
  try {
    return JSON.parse(line) ?? undefined;
  } catch {
    return undefined;
  }
}
