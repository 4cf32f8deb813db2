import { mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import * as v from "valibot";
import { describe, expect, it } from "vitest";
import { editDistance } from "../src/config/nearest.ts";
import { checkConfig, describeSettings, resolveConfig, setting, settingGroup, whole } from "../src/index.ts";
import { resolveConfigFiles } from "../src/node.ts";

const schema = v.strictObject({
  dataDir: setting(v.string(), { fallback: "data", help: "the `dataset`" }),
  epochs: setting(whole(1), { fallback: 30, help: "passes" }),
  lr: setting(v.number(), { fallback: 1e-4, help: "" }),
  seed: v.optional(v.number()),
  loss: settingGroup({
    temp: setting(v.number(), { fallback: 0.07, help: "τ" }),
    weightEps: setting(v.number(), { fallback: 0.2, help: "", shortName: "eps" }),
  }),
  start: setting(v.nullable(v.string()), { fallback: null, help: "" }),
  tags: v.optional(v.array(v.string())),
  weights: v.optional(v.record(v.string(), v.number())),
});
const defaults = { dataDir: "data", epochs: 30, lr: 1e-4, loss: { temp: 0.07, weightEps: 0.2 }, start: null };
const experiments = { quick: { epochs: 1, loss: { temp: 0.1 } } };
const resolve = (...overrides: string[]) => resolveConfig({ schema, experiments, overrides });

describe("resolveConfig", () => {
  it("layers defaults, experiment and overrides, whatever their order on the command line", () => {
    expect(resolve()).toEqual(defaults);
    expect(resolve("loss.temp=0.05", "experiment=quick")).toMatchObject({ epochs: 1, loss: { temp: 0.05 } });
    expect(resolve("epochs=2", "epochs=3").epochs).toBe(3);
  });

  it("reads values as YAML, except where the schema wants text", () => {
    const config = resolve("lr=5e-5", "data_dir=007", "tags=[a, b]", "loss={temp: 1}", "weights.red=2");
    expect(config).toMatchObject({ lr: 5e-5, dataDir: "007", tags: ["a", "b"], weights: { red: 2 } });
    expect(config.loss).toEqual({ temp: 1, weightEps: 0.2 });
    expect(resolve("data_dir=a=b: c").dataDir).toBe("a=b: c");
  });

  it("accepts other spellings of a key", () => {
    for (const key of ["data_dir", "data-dir", "dataDir"]) expect(resolve(`${key}=x`).dataDir).toBe("x");
    for (const key of ["loss.weight_eps", "loss.weightEps", "eps"]) expect(resolve(`${key}=1`).loss.weightEps).toBe(1);
    expect(resolve("loss={weight_eps: 3}").loss.weightEps).toBe(3);
  });

  it("takes null where the schema does, and the word elsewhere", () => {
    expect(resolve("start=null").start).toBe(null);
    expect(resolve("start=a").start).toBe("a");
    expect(resolve("data_dir=null").dataDir).toBe("null");
  });

  it.each([
    ["epoch=3", 'Unknown key "epoch" in the override. Did you mean "epochs"?'],
    ["temp2=3", 'Did you mean "loss.temp"?'],
    ["loss.tmp=3", 'Did you mean "loss.temp"?'],
    ["zzzzzzzz=3", "Valid keys: data_dir, epochs"],
    ["epochs=ten", 'epochs: expected a number, not "ten"'],
    ["epochs=0", "epochs: expected at least 1, not 0"],
    ["epochs=1.5", "epochs: expected a whole number, not 1.5"],
    ["epochs=[1]", "epochs: expected a number, not a list"],
    ["epochs", '"epochs" is not an override'],
    ["experiment=slow", "one of the built-in ones: quick"],
    ["__proto__.x=1", "Unknown key"],
    ["loss.weight_eps=x", 'loss.weight_eps: expected a number, not "x"'],
  ])("refuses %s", (word, message) => {
    expect(() => resolve(word)).toThrow(message);
  });

  it("refuses unknown keys inside a replaced group", () => {
    expect(() => resolve("loss={temp: 1, tau: 2}")).toThrow("tau");
  });

  it("reads an experiment from a YAML file and names the file in complaints", () => {
    const folder = mkdtempSync(join(tmpdir(), "villa-config-"));
    const write = (name: string, text: string) => {
      writeFileSync(join(folder, name), text);
      return `experiment=${join(folder, name)}`;
    };
    const fromFile = (word: string) => resolveConfigFiles({ schema, experiments, overrides: [word] });
    expect(fromFile(write("good.yaml", "epochs: 7\nloss:\n  temp: 0.2\n"))).toMatchObject({
      epochs: 7,
      loss: { temp: 0.2 },
    });
    expect(fromFile(write("empty.yaml", "# nothing\n")).epochs).toBe(30);
    expect(() => fromFile(write("typo.yaml", "los:\n  temp: 1\n"))).toThrow(/typo\.yaml.*Did you mean "loss"/);
    expect(() => fromFile(write("bad.yaml", "a: [1"))).toThrow(/bad\.yaml is not YAML/);
    expect(() => fromFile(write("list.yaml", "- 1"))).toThrow("key: value");
    expect(() => fromFile(`experiment=${folder}/absent.yaml`)).toThrow("There is no experiment");
  });
});

describe("describeSettings", () => {
  it("lists every key with its default and its description", () => {
    expect(describeSettings(schema).slice(0, 4)).toEqual([
      { key: "data_dir", fallback: "data", help: "the `dataset`" },
      { key: "epochs", fallback: "30", help: "passes" },
      { key: "lr", fallback: "0.0001", help: "" },
      { key: "seed", fallback: undefined, help: "" },
    ]);
    expect(describeSettings(schema).map(({ key }) => key)).toContain("loss.weight_eps");
  });
});

describe("checkConfig", () => {
  it("names settings as the schema spells them", () => {
    expect(() => checkConfig(schema, { loss: { weightEps: "x" } })).toThrow(
      'loss.weightEps: expected a number, not "x"',
    );
    expect(() => checkConfig(schema, { data_dir: "x" })).toThrow("there is no setting data_dir");
  });
});

describe("editDistance", () => {
  it("is a metric", () => {
    const word = fc.string({ maxLength: 8 });
    fc.assert(
      fc.property(word, word, word, (a, b, c) => {
        expect(editDistance(a, b)).toBe(editDistance(b, a));
        expect(editDistance(a, b) === 0).toBe(a === b);
        expect(editDistance(a, c)).toBeLessThanOrEqual(editDistance(a, b) + editDistance(b, c));
      }),
    );
  });
});
