import { createHash } from "node:crypto";
import { golden } from "@villa/testing";
import { describe, expect, it } from "vitest";
import { RandomState } from "../src/index.ts";

type RngCase = { seed: number } & Record<string, number | string | number[]>;

// Draws are made in the order of the keys of a case; a key names its draw and how often it is made.
const repeat = (key: string, draw: () => number): number[] =>
  Array.from({ length: Number(/(\d+)$/.exec(key)![1]) }, draw);
const iota = (n: number): number[] => Array.from({ length: n }, (_, i) => i);

function draw(random: RandomState, key: string, expected: number | string | number[], memo: Map<string, Int32Array>) {
  let match: RegExpExecArray | null;
  if (key === "uint32_next") return random.uint32();
  if (/^random_sample\d+$/.test(key)) return repeat(key, () => random.randomSample());
  if (/^standard_normal\d+$/.test(key)) return repeat(key, () => random.normal());
  match = /^randint_(\d+)_(\d+)_x\d+$/.exec(key);
  if (match) return repeat(key, () => random.randint(Number(match![1]), Number(match![2])));
  match = /^choice_n_(\d+)_x\d+$/.exec(key);
  if (match) return repeat(key, () => random.choice(Number(match![1])));
  match = /^choice_p_uniform(\d+)_x\d+$/.exec(key);
  if (match) {
    const p = Array.from({ length: Number(match[1]) }, () => 1 / Number(match![1]));
    return repeat(key, () => random.choiceWeighted(p));
  }
  if (/^choice_p_skew4_x\d+$/.test(key)) return repeat(key, () => random.choiceWeighted([0.1, 0.2, 0.3, 0.4]));
  match = /^shuffle_array(\d+)$/.exec(key);
  if (match) return Array.from(random.shuffle(Int32Array.from(iota(Number(match[1])))));
  match = /^shuffle_list(\d+)$/.exec(key);
  if (match) return random.shuffle(iota(Number(match[1])));
  match = /^choice_(\d+)_noreplace_(\d+)$/.exec(key);
  if (match) return Array.from(random.sample(Number(match[1]), Number(match[2])));
  match = /^permutation(\d+)$/.exec(key);
  if (match) return Array.from(random.permutation(Number(match[1])));
  match = /^shuffle(\d+)_(first\d+|sha256_int32)$/.exec(key);
  if (match) {
    const size = match[1]!;
    const order = memo.get(size) ?? random.permutation(Number(size));
    memo.set(size, order);
    if (match[2] === "sha256_int32") return createHash("sha256").update(order).digest("hex");
    return Array.from(order.subarray(0, (expected as number[]).length));
  }
  throw new Error(`rng.json has a draw this test does not know: ${key}`);
}

const cases = golden().json<RngCase[]>("rng.json");

describe("RandomState equals numpy.random.RandomState", () => {
  it.each(cases)("seed $seed", (expected) => {
    const random = new RandomState(expected.seed);
    const memo = new Map<string, Int32Array>();
    for (const [key, values] of Object.entries(expected)) {
      if (key !== "seed") expect(draw(random, key, values, memo), key).toEqual(values);
    }
  });
});
