import { spawnSync } from "node:child_process";
import { closeSync, ftruncateSync, mkdtempSync, openSync, rmSync, writeSync } from "node:fs";
import { freemem, tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { type VitConfig, vitParameterShapes } from "../src/index.ts";

const clip = { naming: "clip", imageSize: 224, embedDim: 512, activation: "quick_gelu", epsilon: 1e-5 } as const;
const models: { name: string; config: VitConfig }[] = [
  { name: "ViT-B/16", config: { ...clip, patchSize: 16, width: 768, layers: 12, heads: 12, hidden: 3072 } },
  { name: "ViT-L/14", config: { ...clip, patchSize: 14, width: 1024, layers: 24, heads: 16, hidden: 4096 } },
];
const mebibyte = 2 ** 20;
/** The large one takes a minute on a busy machine: `VILLA_SLOW_TESTS=1` asks for it. */
const chosen = process.env.VILLA_SLOW_TESTS ? models : models.slice(0, 1);

/** A file of halves that are all zero, which takes no room on most disks. @returns MiB of the same in float32 */
function writeHalves(path: string, config: VitConfig): number {
  const header: Record<string, object> = {};
  let end = 0;
  for (const [name, shape] of vitParameterShapes(config)) {
    const start = end;
    end += 2 * shape.reduce((product, side) => product * side, 1);
    header[name] = { dtype: "F16", shape, data_offsets: [start, end] };
  }
  const text = Buffer.from(JSON.stringify(header));
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(text.length));
  const file = openSync(path, "w");
  writeSync(file, Buffer.concat([length, text]));
  ftruncateSync(file, 8 + text.length + end);
  closeSync(file);
  return (2 * end) / mebibyte;
}

test.skipIf(process.platform !== "linux").each(chosen)(
  "$name in halves peaks below 1.3 times its size in float32",
  ({ name, config }) => {
    const folder = mkdtempSync(join(tmpdir(), "villa-halves-"));
    try {
      const path = join(folder, "model.safetensors");
      const size = writeHalves(path, config);
      if (freemem() < 3 * size * mebibyte) {
        console.warn(`${name} is left out: it needs ${Math.round(3 * size)} MiB of free memory.`);
        return;
      }
      const program = join(import.meta.dirname, "half-weights.ts");
      const flags = ["--import", "tsx", "--conditions=@villa/source", program, path];
      const { stdout, stderr, status } = spawnSync(process.execPath, flags, { encoding: "utf8" });
      expect(status, stderr).toBe(0);
      const measured = JSON.parse(stdout) as { name: string; before: number; peak: number };
      expect(measured.name).toBe("vit-clip");
      expect(measured.peak - measured.before).toBeGreaterThan(0.9 * size);
      expect(measured.peak - measured.before).toBeLessThan(1.3 * size);
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  },
  120_000,
);
