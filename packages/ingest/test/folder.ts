import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import sharp from "sharp";
import { onTestFinished } from "vitest";
import { type IngestOptions, ingestTable } from "../src/node.ts";

/** A temporary folder with images of 40 × 30 pixels, in which tests make tables and datasets. */
export class TestFolder {
  readonly path: string;

  private constructor(path: string) {
    this.path = path;
  }

  static async make(images: readonly string[] = ["a.png", "b.png", "c.png"]): Promise<TestFolder> {
    const folder = new TestFolder(await mkdtemp(join(tmpdir(), "villa-ingest-")));
    onTestFinished(() => rm(folder.path, { recursive: true, force: true }));
    await mkdir(folder.file("images"));
    for (const [i, name] of images.entries()) {
      await blank([40 * i, 100, 200]).toFile(folder.file("images", name));
    }
    return folder;
  }

  file(...parts: string[]): string {
    return join(this.path, ...parts);
  }

  async write(name: string, contents: string | Uint8Array): Promise<string> {
    await writeFile(this.file(name), contents);
    return this.file(name);
  }

  async jsonl(rows: readonly object[], name = "table.jsonl"): Promise<string> {
    return this.write(name, rows.map((row) => `${JSON.stringify(row)}\n`).join(""));
  }

  async ingest(table: string, options: Partial<IngestOptions> = {}) {
    return ingestTable({ images: this.file("images"), table, out: this.file("data"), ...options });
  }

  async attributes(list: unknown): Promise<string> {
    return this.write("words.json", JSON.stringify(list));
  }
}

/** One colour, 40 × 30 pixels. */
export function blank([r, g, b]: readonly [number, number, number]) {
  return sharp({ create: { width: 40, height: 30, channels: 3, background: { r, g, b } } });
}
