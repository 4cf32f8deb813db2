import { readFileSync } from "node:fs";
import * as core from "@villa/core";
import { expect, test, vi } from "vitest";
import * as encoders from "../src/index.ts";

test("the README's example runs", async () => {
  const readme = readFileSync(new URL("../README.md", import.meta.url), "utf8");
  const code = /```ts\n([\s\S]*?)```/.exec(readme)![1]!;
  const modules: Record<string, unknown> = { "@villa/core": core, "@villa/encoders": encoders };
  const body = code.replace(/import (\{[^}]*\}) from (".*?");/g, "const $1 = modules[$2];").replaceAll(" as const", "");
  const log = vi.spyOn(console, "log").mockImplementation(() => {});
  try {
    await new Function("modules", `return (async () => {${body}})()`)(modules);
    expect(log).toHaveBeenLastCalledWith(2, ["red", "blue"]);
  } finally {
    log.mockRestore();
  }
});
