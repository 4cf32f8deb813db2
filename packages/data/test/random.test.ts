import { describe, expect, it } from "vitest";
import { isVillaError, RandomState } from "../src/index.ts";

const refusal = (action: () => unknown): unknown => {
  try {
    action();
  } catch (error) {
    return isVillaError(error) ? error.code : error;
  }
  return "accepted";
};

describe("RandomState", () => {
  it("continues exactly from a state that went through JSON, also between a pair of normal draws", () => {
    const random = new RandomState(7);
    for (let i = 0; i < 1000; i++) random.uint32();
    random.normal();
    const saved = JSON.parse(JSON.stringify(random.getState()));
    const expected = [random.normal(), random.normal(), random.randomSample()];
    const resumed = new RandomState(0);
    resumed.setState(saved);
    expect([resumed.normal(), resumed.normal(), resumed.randomSample()]).toEqual(expected);
  });

  it("clones without sharing state", () => {
    const random = new RandomState(7);
    const clone = random.clone();
    const first = random.uint32();
    random.uint32();
    expect(clone.uint32()).toBe(first);
  });

  it("consumes nothing for a range of one value", () => {
    const random = new RandomState(3);
    const untouched = new RandomState(3);
    expect(random.randint(5, 6)).toBe(5);
    expect(random.uint32()).toBe(untouched.uint32());
  });

  it("draws from ranges beyond 31 and 32 bits", () => {
    const random = new RandomState(11);
    for (let i = 0; i < 200; i++) {
      const wide = random.randint(-(2 ** 40), 2 ** 40);
      expect(Number.isInteger(wide) && wide >= -(2 ** 40) && wide < 2 ** 40).toBe(true);
      expect(random.randint(0, 0xf0000000)).toBeLessThan(0xf0000000);
    }
    // np.random.RandomState(5).randint(0, 2**40, 3)
    const reference = new RandomState(5);
    expect([1, 2, 3].map(() => reference.randint(0, 2 ** 40))).toEqual([425438759118, 1030067709629, 989404716150]);
  });

  it("never draws an index of probability zero", () => {
    const random = new RandomState(1);
    for (let i = 0; i < 500; i++) expect(random.choiceWeighted([0, 0.5, 0, 0.5, 0]) % 2).toBe(1);
  });

  it("refuses what NumPy refuses", () => {
    expect(refusal(() => new RandomState(-1))).toBe("InvalidArgument");
    expect(refusal(() => new RandomState(2 ** 32))).toBe("InvalidArgument");
    expect(refusal(() => new RandomState(1.5))).toBe("InvalidArgument");
    const random = new RandomState(0);
    expect(refusal(() => random.randint(3, 3))).toBe("InvalidArgument");
    expect(refusal(() => random.choice(0))).toBe("InvalidArgument");
    expect(refusal(() => random.choiceWeighted([0.5, 0.6]))).toBe("InvalidArgument");
    expect(refusal(() => random.choiceWeighted([1.5, -0.5]))).toBe("InvalidArgument");
    expect(refusal(() => random.sample(3, 4))).toBe("InvalidArgument");
    expect(refusal(() => random.setState({ algorithm: "MT19937", key: [1], pos: 0, gauss: null }))).toBe(
      "InvalidArgument",
    );
  });
});
