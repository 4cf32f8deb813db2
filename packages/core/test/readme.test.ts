import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import * as tf from "@tensorflow/tfjs-core";
import * as data from "@villa/data";
import { transformSync } from "esbuild";
import { expect, it, vi } from "vitest";
import * as core from "../src/index.ts";
import * as node from "../src/node.ts";

it("the README's example runs, learns and leaves checkpoints", async () => {
  const readme = readFileSync(new URL("../README.md", import.meta.url), "utf8");
  const code = /```ts\n([\s\S]*?)```/.exec(readme)![1]!;
  const folder = mkdtempSync(join(tmpdir(), "villa-readme-"));
  const modules: Record<string, unknown> = {
    "@tensorflow/tfjs-core": tf,
    "@villa/core": core,
    "@villa/data": data,
    "@villa/core/node": { folderCheckpoints: (name: string) => node.folderCheckpoints(join(folder, name)) },
  };
  const body = transformSync(code, { loader: "ts", tsconfigRaw: { compilerOptions: { verbatimModuleSyntax: true } } })
    .code.replace(/import \* as (\w+) from (".*?");/g, "const $1 = modules[$2];")
    .replace(/import (\{[^}]*\}) from (".*?");/g, "const $1 = modules[$2];");
  const log = vi.spyOn(console, "log").mockImplementation(() => {});
  try {
    await new Function("modules", `return (async () => {${body}})()`)(modules);
    const [, first, best] = /loss (.*) -> (.*)/.exec(log.mock.calls[0]![0])!;
    expect(Number(best)).toBeLessThan(Number(first));
    expect(readdirSync(join(folder, "run"))).toContain("best.safetensors");
  } finally {
    log.mockRestore();
    rmSync(folder, { recursive: true });
  }
});
