import { readFileSync } from "node:fs";
import * as core from "@villa/core";
import * as metrics from "@villa/metrics";
import { expect, test, vi } from "vitest";
import * as mapping from "../src/index.ts";

test("the README's example runs and maps well", async () => {
  const readme = readFileSync(new URL("../README.md", import.meta.url), "utf8");
  const code = /```ts\n([\s\S]*?)```/.exec(readme)![1]!;
  const modules: Record<string, unknown> = {
    "@villa/core": core,
    "@villa/mapping": mapping,
    "@villa/metrics": metrics,
  };
  const body = code
    .replace(/import (\{[^}]*\}) from (".*?");/g, "const $1 = modules[$2];")
    .replaceAll(/: number(\[\])*(?=[,)])/g, "");
  const log = vi.spyOn(console, "log").mockImplementation(() => {});
  try {
    await new Function("modules", `return (async () => {${body}})()`)(modules);
    const [loss, quality] = log.mock.calls[0]!;
    expect(loss).toBeLessThan(1);
    expect(quality.f1).toBeGreaterThan(0.9);
  } finally {
    log.mockRestore();
  }
});
