import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { readAnnotations } from "@villa/data";
import { expect, test } from "vitest";

// Masks make a row seven times as long, so a fifth of the rows would fill the heap, too.
test.each([
  ["table", 100_000],
  ["program", 100_000],
  ["masks", 20_000],
] as const)(
  "%s: %d rows pass through 64 MB of heap, with progress",
  async (way, count) => {
    const folder = mkdtempSync(join(tmpdir(), "villa-many-"));
    try {
      const { stdout, stderr, status } = spawnSync(
        process.execPath,
        [
          ...["--max-old-space-size=64", "--import", "tsx", "--conditions=@villa/source"],
          ...[join(import.meta.dirname, "many-rows.ts"), folder, String(count), way],
        ],
        { cwd: join(import.meta.dirname, ".."), encoding: "utf8" },
      );
      expect(status, stderr).toBe(0);
      const { images, reports } = JSON.parse(stdout) as { images: number; reports: number };
      expect(images).toBe(count);
      expect(reports).toBeGreaterThan(300);
      const annotations = await readAnnotations(readFileSync(join(folder, "data/annotations.feather")));
      expect(annotations).toHaveLength(count);
      expect(annotations.at(-1)!.regionMasks?.length).toBe(way === "masks" ? 2 : undefined);
      expect(annotations.at(-1)).toMatchObject({
        imageId: count - 1,
        regionCoord: [
          [1, 1, 50, 50],
          [2, 2, 90, 90],
        ],
      });
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  },
  180_000,
);
