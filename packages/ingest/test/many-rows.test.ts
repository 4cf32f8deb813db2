import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { readAnnotations } from "@villa/data";
import { expect, test } from "vitest";

test.each(["table", "program"])(
  "100 000 rows of a %s pass through 64 MB of heap, with progress",
  async (way) => {
    const folder = mkdtempSync(join(tmpdir(), "villa-many-"));
    try {
      const { stdout, stderr, status } = spawnSync(
        process.execPath,
        [
          ...["--max-old-space-size=64", "--import", "tsx", "--conditions=@villa/source"],
          ...[join(import.meta.dirname, "many-rows.ts"), folder, "100000", way],
        ],
        { cwd: join(import.meta.dirname, ".."), encoding: "utf8" },
      );
      expect(status, stderr).toBe(0);
      const { images, reports } = JSON.parse(stdout) as { images: number; reports: number };
      expect(images).toBe(100_000);
      expect(reports).toBeGreaterThan(300);
      const annotations = await readAnnotations(readFileSync(join(folder, "data/annotations.feather")));
      expect(annotations).toHaveLength(100_000);
      expect(annotations.at(-1)).toMatchObject({
        imageId: 99_999,
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
