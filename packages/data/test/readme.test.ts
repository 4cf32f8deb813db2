import { readFileSync } from "node:fs";
import ts from "typescript";
import { expect, test, vi } from "vitest";
import * as data from "../src/index.ts";

test("the README's example runs and prints what it says", async () => {
  const readme = readFileSync(new URL("../README.md", import.meta.url), "utf8");
  const code = /```ts\n([\s\S]*?)```/.exec(readme)![1]!;
  const body = ts.transpile(code, { target: ts.ScriptTarget.ES2022, module: ts.ModuleKind.ESNext });
  const run = new Function(
    "data",
    `return (async () => {${body.replace(/^import (\{.*?\}) from .*$/m, "const $1 = data;")}})()`,
  );
  const log = vi.spyOn(console, "log").mockImplementation(() => {});
  try {
    await run(data);
    expect(log.mock.calls[0]![0]).toMatchObject({ dtype: "float32", shape: [2, 3] });
    expect(log.mock.calls[1]).toEqual([[2, 3]]);
    expect(log.mock.calls[2]).toEqual([
      [
        { id: 1, words: ["zero", "red"] },
        { id: 2, words: [null] },
      ],
    ]);
  } finally {
    log.mockRestore();
  }
});
