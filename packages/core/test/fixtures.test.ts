// What the committed golden file holds: another one may leave kinds of cases out, and the suites then have none of them.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { fixturesDirectory } from "@villa/testing";
import { expect, test } from "vitest";

test.each(["roi_align", "optimizers", "plateau", "stage1", "stage2"])("training.json has cases of %s", (kind) => {
  const own: Record<string, unknown> = JSON.parse(readFileSync(join(fixturesDirectory, "training.json"), "utf8"));
  expect((own[kind] as readonly unknown[]).length).toBeGreaterThan(0);
});
