import { execFileSync } from "node:child_process";
import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";
import * as tf from "@tensorflow/tfjs-core";
import { expect, test } from "vitest";
import { webgpuBackend } from "../src/index.ts";

const forced = process.env.VILLA_TEST_WEBGPU === "1";

test("the probe gives a detail or a reason", async () => {
  const candidate = webgpuBackend();
  const probe = await candidate.probe();
  await candidate.dispose?.();
  expect(probe.available ? probe.detail : probe.reason).toMatch(/\w/);
});

test.runIf(forced)("a process that used WebGPU ends once it is disposed of", () => {
  const tsx = pathToFileURL(createRequire(import.meta.url).resolve("tsx")).href;
  const code = `
    import * as tf from "@tensorflow/tfjs-core";
    import { useNodeBackend } from ${JSON.stringify(new URL("../src/index.ts", import.meta.url).href)};
    const backend = await useNodeBackend({ name: "webgpu" });
    console.log(backend.name, (await tf.matMul(tf.ones([4, 4]), tf.ones([4, 4])).data())[0]);
    await backend.dispose();
  `;
  const options = ["--import", tsx, "--conditions=@villa/source", "--input-type=module", "--eval", code];
  const cwd = new URL("..", import.meta.url);
  expect(execFileSync(process.execPath, options, { cwd, timeout: 50_000, encoding: "utf8" })).toBe("webgpu 4\n");
});

test.runIf(forced)("an active device can be activated again", async () => {
  const candidate = webgpuBackend();
  expect((await candidate.probe({ forced: true })).available).toBe(true);
  await candidate.activate();
  await candidate.activate();
  const sum = tf.sum(tf.ones([10]));
  expect((await sum.data())[0]).toBe(10);
  await candidate.dispose?.();
});
