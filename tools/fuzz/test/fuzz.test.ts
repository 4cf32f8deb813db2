import { expect, test } from "vitest";
import { runCampaign } from "../campaign.ts";
import { formats } from "../formats.ts";
import { loadFormat, makeCase } from "../fuzz-case.ts";
import { judge } from "../judge.ts";

// The long run is `npm run fuzz`; docs/reliability.md has its figures.
test("mutated files of every format are read or refused in a sentence", { timeout: 300_000 }, async () => {
  const jobs = formats.map(({ name }) => ({ format: name, from: 0, to: 150 }));
  const { results, finds } = await runCampaign(jobs, 20_261_126);
  expect(finds).toEqual([]);
  expect(results.map(({ format }) => format)).toEqual(jobs.map(({ format }) => format));
  for (const { format, read, refused } of results) {
    // Mutations that all come to nothing, or all to refusals at the first byte, would test little.
    expect(read + refused).toBe(150);
    expect(refused, format).toBeGreaterThan(10);
  }
});

test("a seed and a number always give the same input", async () => {
  const [loaded, again] = [await loadFormat("png"), await loadFormat("png")];
  const inputs = Array.from({ length: 20 }, (_, index) => makeCase(loaded, 1, index).input);
  expect(Array.from({ length: 20 }, (_, index) => makeCase(again, 1, index).input)).toEqual(inputs);
  expect(makeCase(loaded, 2, 0).input).not.toEqual(inputs[0]);
});

test.each([
  ["an error of another kind", () => JSON.parse("{"), "SyntaxError"],
  ["memory", () => new Uint8Array(1 << 28), "memory"],
  [
    "an array that is not of its shape",
    () => ({ dtype: "uint8", shape: [2], data: new Uint8Array(3) }),
    "broken value",
  ],
  ["a changed input", (bytes: Uint8Array) => bytes.fill(1), "input changed"],
  ["another value than the undamaged file's", () => 1, "silent damage"],
  ["much time", () => busy(2500), "slow"],
])("the judge finds %s", async (_, read, kind) => {
  const format = { name: "test", seeds: async () => new Map(), mutators: [], read };
  const bound = { limits: {}, growth: 1 << 26 };
  expect((await judge(format, new Uint8Array(8), bound, "another digest")).find?.kind).toBe(kind);
});

function busy(milliseconds: number): void {
  const start = process.cpuUsage();
  for (;;) {
    const { user, system } = process.cpuUsage(start);
    if ((user + system) / 1000 > milliseconds) return;
  }
}
