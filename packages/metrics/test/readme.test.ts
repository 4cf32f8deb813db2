import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";

test("the README's example runs", () => {
  const example = /```ts\n([\s\S]*?)```/.exec(readFileSync(new URL("../README.md", import.meta.url), "utf8"))![1]!;
  const { stdout, stderr, status } = spawnSync(
    process.execPath,
    ["--import", "tsx", "--conditions=@villa/source", "--input-type=module", "-e", example],
    { cwd: join(import.meta.dirname, ".."), encoding: "utf8" },
  );
  expect(status, stderr).toBe(0);
  expect(stdout).toBe("0.900 1.000 -1 []\n0.900 0.900\n");
});
