import { readFileSync } from "node:fs";
import { expect, it, vi } from "vitest";
import * as docmnist from "../src/index.ts";

it("the README's example runs", async () => {
  const readme = readFileSync(new URL("../README.md", import.meta.url), "utf8");
  const code = /```ts\n([\s\S]*?)```/.exec(readme)![1]!;
  const written: [string, Uint8Array][] = [];
  const modules: Record<string, unknown> = {
    "@villa/docmnist": docmnist,
    "node:fs": { writeFileSync: (path: string, bytes: Uint8Array) => written.push([path, bytes]) },
  };
  const body = code.replace(/import (\{.*?\}) from (".*?");/g, "const $1 = modules[$2];");
  const log = vi.spyOn(console, "log").mockImplementation(() => {});
  try {
    new Function("modules", body)(modules);
    expect(log.mock.calls[0]![0]).toContain(" . ");
    expect(log.mock.calls[2]).toEqual([true]);
  } finally {
    log.mockRestore();
  }
  expect(written).toEqual([["docmnist.png", expect.any(Uint8Array)]]);
});
