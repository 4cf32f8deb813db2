import { readFileSync } from "node:fs";
import { rm } from "node:fs/promises";
import * as backendNode from "@villa/backend-node";
import * as encoders from "@villa/encoders";
import { expect, test, vi } from "vitest";
import * as preprocess from "../src/index.ts";
import { makeDataset } from "./dataset.ts";

test("the README's example runs", async () => {
  const readme = readFileSync(new URL("../README.md", import.meta.url), "utf8");
  const folder = await makeDataset(5);
  const code = /```js\n([\s\S]*?)```/.exec(readme)![1]!.replace("data/docmnist_30000_15.2", folder);
  const modules: Record<string, unknown> = {
    "@villa/backend-node": backendNode,
    "@villa/encoders": encoders,
    "@villa/preprocess": preprocess,
  };
  const body = code.replace(/import (\{[^}]*\}) from (".*?");/g, "const $1 = modules[$2];");
  const log = vi.spyOn(console, "log").mockImplementation(() => {});
  try {
    await new Function("modules", `return (async () => {${body}})()`)(modules);
    expect(log.mock.lastCall?.[0]).toMatch(/^5 images, \d+ regions$/);
  } finally {
    log.mockRestore();
    await rm(folder, { recursive: true, force: true });
  }
});

test("the package exports what its README and the other packages name", () => {
  expect(Object.keys(preprocess).sort()).toMatchSnapshot();
});
