import { expect, test } from "vitest";
import { whatRunsHere } from "../backend-browser.ts";

test("backend-browser.ts tells what the browser has, and computes", async () => {
  const lines = await whatRunsHere();
  expect(lines.slice(0, -1).map((line) => line.split(":")[0])).toEqual(["webgpu", "webgl", "wasm", "cpu"]);
  expect(lines.at(-1)).toMatch(/computed 512$/);
});
