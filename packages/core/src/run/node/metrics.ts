import { appendFile, mkdir, readFile } from "node:fs/promises";
import { dirname } from "node:path";
import { atomicWriteFile, fileError } from "@villa/data/node";
import type { MetricsLog, MetricsRecord } from "../../train/options.ts";

/**
 * Writes metrics to a file of JSON lines. A resumed run drops the lines after the point it resumes from, so that each step
 * is there once; a half line that a crash left is dropped as well.
 */
export function jsonlMetrics(path: string): MetricsLog {
  return {
    write: async (record) => {
      try {
        await appendFile(path, `${JSON.stringify(record)}\n`);
      } catch (error) {
        throw fileError(error, path, "write");
      }
    },
    rewind: async (step) => {
      await mkdir(dirname(path), { recursive: true });
      const kept = (await readMetrics(path)).filter((record) => record.step <= step && step > 0);
      await atomicWriteFile(path, kept.map((record) => `${JSON.stringify(record)}\n`).join(""));
    },
  };
}

/** Reads a metrics log; lines that are not complete are skipped, and a missing file is an empty log. */
export async function readMetrics(path: string): Promise<MetricsRecord[]> {
  const text = await readFile(path, "utf8").catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT") return "";
    throw fileError(error, path, "read");
  });
  return text.split("\n").flatMap((line) => {
    try {
      return [JSON.parse(line) as MetricsRecord];
    } catch {
      return [];
    }
  });
}
