import { readFileSync } from "node:fs";
import * as tf from "@tensorflow/tfjs-core";
import { expect, test, vi } from "vitest";
import * as backendNode from "../src/index.ts";

test("the README's example runs", async () => {
  const readme = readFileSync(new URL("../README.md", import.meta.url), "utf8");
  const code = /```ts\n([\s\S]*?)```/.exec(readme)![1]!;
  const modules = { "@tensorflow/tfjs-core": tf, "@villa/backend-node": backendNode };
  const body = code
    .replace(/import \* as (\w+) from (".*?");/g, "const $1 = modules[$2];")
    .replace(/import (\{[^}]*\}) from (".*?");/g, "const $1 = modules[$2];");
  const log = vi.spyOn(console, "log").mockImplementation(() => {});
  try {
    await new Function("modules", `return (async () => {${body}})()`)(modules);
    const [[name], [product], [report]] = log.mock.calls as [[string], [number[][]], [string]];
    expect(backendNode.nodeBackends().map((each) => each.name)).toContain(name);
    expect(product).toEqual([
      [3, 3],
      [3, 3],
    ]);
    expect(report).toMatch(/GFLOP\/s/);
  } finally {
    log.mockRestore();
  }
});
