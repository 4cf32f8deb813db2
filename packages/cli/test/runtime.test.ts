import type { Terminal } from "@villa/command-kit";
import { afterEach, expect, test, vi } from "vitest";

const onnxruntime = vi.hoisted(() => ({ isMissing: false }));
vi.mock("@villa/backend-node", async (original) => {
  const real = await original<typeof import("@villa/backend-node")>();
  const withoutNative = (candidates: ReturnType<typeof real.nodeBackends>) =>
    candidates.map((each) =>
      each.name === "native" && onnxruntime.isMissing
        ? { ...each, probe: async () => ({ available: false as const, reason: "onnxruntime-node is not installed." }) }
        : each,
    );
  const { useBackend } = await import("@villa/core");
  return {
    ...real,
    nodeBackends: (options: Parameters<typeof real.nodeBackends>[0]) => withoutNative(real.nodeBackends(options)),
    useNodeBackend: ({ name, ...options }: NonNullable<Parameters<typeof real.useNodeBackend>[0]> = {}) =>
      useBackend({ name, candidates: withoutNative(real.nodeBackends(options)) }),
  };
});

import { onBackend } from "../src/commands/runtime.ts";
import { runVilla } from "../src/main.ts";

afterEach(() => {
  vi.unstubAllEnvs();
  onnxruntime.isMissing = false;
});

function recorder(): Terminal & { lines: string[] } {
  const lines: string[] = [];
  const add = (line: string) => lines.push(line);
  return { lines, out: add, err: add, interactive: false };
}

test("where onnxruntime-node was left out, one line says so and how to mend it", async () => {
  onnxruntime.isMissing = true;
  const terminal = recorder();
  expect(await onBackend({ terminal }, async ({ name }) => name)).toBe("wasm");
  expect(terminal.lines).toEqual([
    "Running on wasm, which is several times slower: onnxruntime-node is not installed.",
  ]);
  const asked = recorder();
  await onBackend({ terminal: asked, backend: "wasm" }, async () => {});
  expect(asked.lines).toEqual([]);
});

test.each(["0", "abc", "-2", "1.5"])("VILLA_THREADS=%s is refused", async (threads) => {
  vi.stubEnv("VILLA_THREADS", threads);
  const terminal = recorder();
  expect(await runVilla(["doctor", "--seconds", "0"], terminal)).toBe(2);
  expect(terminal.lines).toEqual([
    `villa: The environment variable VILLA_THREADS is "${threads}"; set it to a whole number of at least 1, or unset it.`,
  ]);
});
