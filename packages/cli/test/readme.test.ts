import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { transformSync } from "esbuild";
import { expect, test } from "vitest";

test("the example of the repository's README runs", () => {
  const readme = readFileSync(join(import.meta.dirname, "../../../README.md"), "utf8");
  const example = transformSync(/```ts\n([\s\S]*?)```/.exec(readme)![1]!, { loader: "ts", format: "esm" }).code;
  const result = spawnSync(
    process.execPath,
    ["--import", "tsx", "--conditions=@villa/source", "--input-type=module", "-e", example],
    { cwd: join(import.meta.dirname, ".."), encoding: "utf8" },
  );
  expect(result.stderr).not.toContain("Error");
  expect(result.status).toBe(0);
  expect(result.stdout.trim().split("\n")).toHaveLength(3);
});
