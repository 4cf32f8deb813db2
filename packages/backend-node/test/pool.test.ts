import { isVillaError } from "@villa/data";
import { afterAll, expect, test } from "vitest";
import { createTaskPool } from "../src/index.ts";

const module = new URL("./fixtures-tasks.ts", import.meta.url).href;
const pool = createTaskPool({ threads: 2, threadsPerWorker: 1, backend: "native" });
afterAll(() => pool.close());

test("runs tasks side by side, each worker with its own backend", async () => {
  const messages: unknown[] = [];
  const options = { onMessage: (message: unknown) => messages.push(message) };
  const results = await Promise.all([20, 30, 40].map((size) => pool.run({ module, name: "multiply" }, size, options)));
  expect(results).toEqual([20, 30, 40].map((size) => ({ backend: "native", sum: size ** 3 })));
  expect(messages.sort()).toEqual(["size 20", "size 30", "size 40"]);
});

test("shares memory that is shared", async () => {
  const values = new Float32Array(new SharedArrayBuffer(400));
  await pool.run({ module, name: "incrementShared" }, values);
  expect(values[99]).toBe(1);
  expect(await pool.run({ module, name: "sharedInput" }, values)).toBe(100);
});

test("moves a result's arrays, and copies those that are part of something larger", async () => {
  const single = createTaskPool({ threads: 1, backend: "cpu" });
  const shared = new Float32Array(new SharedArrayBuffer(4)).fill(7);
  type Arrays = { whole: Float32Array; rows: Map<string, Float32Array>[] };
  const { whole, rows } = await single.run<Arrays>({ module, name: "arrays" }, shared);
  expect([...whole]).toEqual([1, 2, 3]);
  expect(rows.map((row) => [...row].map(([key, values]) => [key, ...values]))).toEqual([
    [["part", 5, 6]],
    [["shared", 7]],
  ]);
  expect(await single.run({ module, name: "keptLength" }, null)).toBe(0);
  await single.close();
});

test("hands errors over with their code, and survives them", async () => {
  const error = await pool.run({ module, name: "refuse" }, null).catch((e: unknown) => e);
  expect(isVillaError(error, "InvalidFile")).toBe(true);
  await expect(pool.run({ module, name: "absent" }, null)).rejects.toThrow(/no function "absent"/);
  await expect(pool.run({ module, name: "multiply" }, () => {})).rejects.toThrow();
});

test("replaces a worker that ends", async () => {
  await expect(pool.run({ module, name: "crash" }, null)).rejects.toThrow(/exit code 3/);
  expect(await pool.run({ module, name: "multiply" }, 5)).toMatchObject({ sum: 125 });
});

test("passes cancellation on", async () => {
  const controller = new AbortController();
  const running = pool.run({ module, name: "untilAborted" }, null, { signal: controller.signal });
  setTimeout(() => controller.abort(), 50);
  expect(await running).toBe("stopped");
});
