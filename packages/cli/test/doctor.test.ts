import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, expect, test, vi } from "vitest";
import { runVilla } from "../src/main.ts";

afterEach(() => vi.unstubAllEnvs());

async function doctor(...flags: string[]): Promise<{ code: number; text: string }> {
  const lines: string[] = [];
  const terminal = {
    out: (line: string) => lines.push(line),
    err: (line: string) => lines.push(line),
    interactive: false,
  };
  const code = await runVilla(["doctor", "--seconds", "0", ...flags], terminal);
  return { code, text: lines.join("\n") };
}

test("doctor names versions, every backend with its verdict, and cached files", async () => {
  const cache = await mkdtemp(join(tmpdir(), "villa-cache-"));
  await writeFile(join(cache, "RN50.pt"), new Uint8Array(2_000_000));
  vi.stubEnv("VILLA_CACHE", cache);
  const { code, text } = await doctor();
  expect(code).toBe(0);
  expect(text).toMatch(/^villa \d+\.\d+\.\d+, TensorFlow\.js 4\.22\.0\nNode v/);
  for (const name of ["native", "wasm", "cpu"]) expect(text).toMatch(new RegExp(`^[* ] ${name} +cpu  \\S.*`, "m"));
  expect(text).toContain("RN50.pt  2.0 MB");
  const parsed = JSON.parse((await doctor("--json")).text);
  expect(parsed.backends.length).toBeGreaterThanOrEqual(3);
  expect(parsed.chosen).toBeTypeOf("string");
  await rm(cache, { recursive: true });
});
