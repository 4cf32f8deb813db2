import { cp, mkdir, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import {
  isVillaError,
  loadStateDict,
  readMappings,
  readSafetensors,
  saveTorch,
  type VillaError,
  writeSafetensors,
} from "@villa/data";
import { mappingMetrics } from "@villa/metrics";
import { fixturesDirectory } from "@villa/testing";
import { testBackends } from "@villa/testing/backends";
import { beforeAll, expect, test } from "vitest";
import { modelStateDict, type Stage1Config, stage1Config } from "../src/index.ts";
import { loadHeadState } from "../src/node/head-files.ts";
import { mergeShards, openMappingModel, runMapping, runStage1 } from "../src/node.ts";
import { attributes, dimension, writeSmallDataset } from "./dataset.ts";

beforeAll(() => testBackends()[0]!.activate());

async function config(overrides: Partial<Stage1Config> = {}, data = writeSmallDataset()): Promise<Stage1Config> {
  const dataDir = await data;
  return {
    ...stage1Config({
      dataDir,
      checkpointDir: join(dataDir, "checkpoints"),
      batchSize: 5,
      epochs: 8,
      optimizer: { lr: 0.02 },
    }),
    ...overrides,
  };
}

const lines = async (path: string) =>
  (await readFile(path, "utf8"))
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line));

test("a run writes mappings, checkpoints, metrics and a report, and maps well", async () => {
  const settings = await config({ validate: true });
  const result = await runStage1(settings);
  expect(result.history).toHaveLength(8);
  expect(result.history.at(-1)!.loss).toBeLessThan(result.history[0]!.loss);
  expect((await readdir(result.directory)).sort()).toEqual(
    ["heads", "last.pkl", "mapping_train.feather", "mapping_val.feather", "metrics.jsonl", "report.json"].sort(),
  );
  const metrics = await lines(join(result.directory, "metrics.jsonl"));
  expect(metrics.map(({ kind, epoch, step }) => [kind, epoch, step])).toEqual(
    [1, 2, 3, 4, 5, 6, 7, 8].map((epoch) => ["epoch", epoch, 4 * epoch]),
  );
  const { loss, validation } = result.history[7]!;
  expect(metrics[7]).toMatchObject({ loss, validationLoss: validation!.loss, learningRate: 0.02 });
  expect(metrics[7].measures.f1).toBe(result.mappings[1]!.report!.f1);

  const rows = await readMappings(await readFile(join(settings.dataDir, "mapping_val.feather")));
  const { precision, recall, f1 } = result.mappings[1]!.report!;
  expect(
    mappingMetrics(
      rows.map((row) => row.assignedAttributes),
      rows.map((row) => row.regToAttr!),
    ),
  ).toEqual({ precision, recall, f1 });
  expect(f1).toBeGreaterThan(0.8);
  for (const row of rows) {
    row.assignedAttributes.forEach((names, region) => {
      expect(row.assignedText[region]).toBe(names.map((name) => `there is a ${name}`).join(" . "));
    });
  }
});

test("attributes that truth does not cover are left out: the figures are those of the others alone", async () => {
  const digits = ["one", "two"];
  const write = async (change: (names: readonly string[]) => string[], vocabulary: object) => {
    const directory = await writeSmallDataset(({ annotations }) => {
      annotations.forEach((row, i) => {
        annotations[i] = { ...row, regToAttr: row.regToAttr!.map(change), attributes: row.attributes };
      });
    });
    await writeFile(join(directory, "attributes.json"), JSON.stringify(vocabulary));
    return directory;
  };
  const group = (name: string, own: readonly string[]) => ({ name, attributes: own, templates: ["there is a {}"] });
  const groups = [group("colour", attributes.slice(0, 3)), group("digit", digits)];
  const settings = { validate: true, earlyStop: { metric: "f1" as const, patience: 5 } };
  const marked = { groups, without_truth: attributes.slice(0, 3) };
  const partial = await runStage1(
    await config(
      settings,
      write((names) => names.filter((each) => digits.includes(each)), marked),
    ),
  );
  const whole = await runStage1(
    await config(
      settings,
      write((names) => [...names], { groups }),
    ),
  );
  const unmarked = await runStage1(
    await config(
      settings,
      write((names) => names.filter((each) => digits.includes(each)), { groups }),
    ),
  );
  const report = (result: typeof whole) => result.mappings.find(({ split }) => split === "val")!.report!;
  expect(report(partial).attributes).toEqual(report(whole).attributes.slice(3));
  const [one, two] = report(whole).attributes.slice(3);
  const [correct, assigned] = [one!.correct + two!.correct, one!.assigned + two!.assigned];
  expect(report(partial).precision).toBeCloseTo(correct / assigned, 12);
  expect(report(partial).confusion).toHaveLength(2);
  expect(report(partial).withoutTruth).toEqual(["red", "green", "blue"]);
  expect(report(unmarked).precision).toBeLessThan(0.6); // as files without the mark are read
  expect(partial.history.at(-1)!.validation!.f1).toBeGreaterThan(0.8);
  expect(partial.notes).toEqual([
    "Left out of every measure, since regions have no true attributes of it: the group colour.",
  ]);
  expect(whole.notes).toEqual([]);
});

test("last.pkl has the reference's names, and mapping from it equals mapping from the run", async () => {
  const settings = await config();
  const { mappings } = await runStage1(settings);
  const path = join(settings.checkpointDir, "docmnist_stage1", "last.pkl");
  const tensors = loadStateDict(await readFile(path));
  expect([...tensors.keys()].slice(0, 4)).toEqual([
    "module.pool.0.0.weight",
    "module.pool.0.0.bias",
    "module.pool.0.2.weight",
    "module.pool.0.2.bias",
  ]);
  expect(tensors.size).toBe(4 * attributes.length);
  const again = await runMapping(settings, { checkpoint: path });
  expect(again.mappings).toEqual(mappings);
  expect((await runMapping(settings)).mappings).toEqual(mappings);
});

test("the checkpoint of another program, without prefix and nested, is read", async () => {
  const settings = await config({ epochs: 0 });
  await runStage1(settings);
  const model = await openMappingModel(join(settings.checkpointDir, "docmnist_stage1"), {
    attributes,
    dimension,
    adapter: false,
  });
  const bare = await modelStateDict(model, "");
  const path = join(settings.dataDir, "other.pth");
  await writeFile(path, saveTorch({ epoch: 3, model_state_dict: bare }));
  const opened = await openMappingModel(path, { attributes, dimension, adapter: false });
  expect(await opened.load(2)).toEqual(await model.load(2));
});

test("shards, merged, equal one run", async () => {
  const whole = await runStage1(await config());
  const settings = await config();
  for (const index of [0, 1, 2]) {
    const result = await runStage1({
      ...settings,
      attributesShard: { index, count: 3 },
      checkpointDir: join(settings.dataDir, `${index}`),
    });
    expect(result.mappings).toEqual([]);
  }
  const run = join(settings.checkpointDir, "docmnist_stage1");
  const sources = ["0", "1", "2"].map((shard) => join(settings.dataDir, shard, "docmnist_stage1"));
  expect(await mergeShards(sources, run)).toEqual({ heads: attributes.length });
  const merged = await runStage1(settings);
  expect(merged.history).toEqual(whole.history);
  expect(merged.mappings.map(({ report }) => report)).toEqual(whole.mappings.map(({ report }) => report));
});

test("what a killed run left half-written is removed, but not what another shard may be writing", async () => {
  const settings = await config({ epochs: 1, attributesShard: { index: 0, count: 2 } });
  const heads = join(settings.checkpointDir, "docmnist_stage1", "heads");
  await mkdir(heads, { recursive: true });
  const [own, others] = [0, attributes.length - 1].map((head) => `head-0000${head}.safetensors.123-ab.tmp`);
  for (const name of [own!, others!]) await writeFile(join(heads, name), "half");
  await runStage1(settings);
  expect((await readdir(heads)).filter((name) => name.endsWith("tmp"))).toEqual([others]);
});

test("waves of one head at a time equal one wave", async () => {
  const whole = await runStage1(await config());
  const waves = await runStage1(await config({ memoryLimit: 1e-9 }));
  expect(waves.history).toEqual(whole.history);
});

test("a run goes on where an earlier one stopped, and refuses one with other settings", async () => {
  const whole = await runStage1(await config());
  const settings = await config({ keepOptimizer: true });
  await runStage1({ ...settings, epochs: 3 });
  const resumed = await runStage1(settings);
  expect(resumed.history).toEqual(whole.history);
  expect(resumed.mappings.map(({ report }) => report)).toEqual(whole.mappings.map(({ report }) => report));
  expect(await lines(join(resumed.directory, "metrics.jsonl"))).toHaveLength(8);
  const other = { ...settings, loss: { temp: 0.1 } };
  await expect(runStage1(other)).rejects.toThrow(/another run \(loss differs\).*resume=never/);
  expect((await runStage1({ ...other, resume: "never" })).history[0]!.loss).not.toBe(whole.history[0]!.loss);
});

test("a finished run leaves no optimiser's state behind unless it is asked to, and says so where more epochs are wanted", async () => {
  const heads = async (directory: string) => {
    const states = attributes.map((_, head) => loadHeadState(join(directory, "heads"), head));
    return (await Promise.all(states)).map((state) => ({ best: state!.best?.epoch, kept: state!.mean !== undefined }));
  };
  const settings = await config({ epochs: 2 });
  const { directory, history } = await runStage1(settings);
  expect(await heads(directory)).toEqual(attributes.map(() => ({ best: undefined, kept: false })));
  expect((await runStage1(settings)).history).toEqual(history); // nothing is left to do, and nothing is refused
  await expect(runStage1({ ...settings, epochs: 3 })).rejects.toMatchObject({
    code: "Mismatch",
    message: /docmnist_stage1 has ended with 2 epochs, .* epochs=3 .* resume=never .*init_checkpoint=\S+last\.pkl\.$/,
  });
  const kept = await runStage1(await config({ epochs: 2, keepOptimizer: true }));
  expect((await heads(kept.directory)).every((head) => head.kept)).toBe(true);
  // Heads that stop before the last epoch have not known that it would be their last.
  const stopping = await config({ epochs: 12, earlyStop: { metric: "f1", patience: 1 } });
  const early = await runStage1(stopping);
  const states = await heads(early.directory);
  expect(states.some(({ best }) => best! < 11)).toBe(true);
  expect(states.some((head) => head.kept)).toBe(false);
  expect((await runStage1(stopping)).mappings).toEqual(early.mappings);
});

test("a head that holds NaN is refused by name, in a finished run too", async () => {
  const settings = await config({ taskName: "damaged", epochs: 1 });
  const { directory } = await runStage1(settings);
  const path = join(directory, "heads", "head-00001.safetensors");
  const { tensors, metadata } = readSafetensors(await readFile(path));
  const damaged = new Map([...tensors].map(([name, tensor]) => [name, { ...tensor, data: tensor.data.slice() }]));
  (damaged.get("weights.0.weight")!.data as Float32Array)[3] = Number.NaN;
  await writeFile(path, writeSafetensors(damaged, metadata));
  const named = /head-00001\.safetensors: The weights hold NaN at element 3 of "weights\.0\.weight"/;
  await expect(runStage1(settings)).rejects.toThrow(named);
});

test("resume=never keeps the earlier results until its own are trained, and goes on after an interruption", async () => {
  const settings = await config({ epochs: 2 });
  const { directory } = await runStage1(settings);
  const contents = async () =>
    Promise.all((await readdir(join(directory, "heads"))).map((name) => readFile(join(directory, "heads", name))));
  const [earlier, files] = [await contents(), await readdir(directory)];
  const other = { ...settings, loss: { temp: 0.1 } };
  const controller = new AbortController();
  const stopped = runStage1(
    { ...other, resume: "never" },
    { signal: controller.signal, onProgress: ({ done }) => done === 30 && controller.abort() },
  );
  await expect(stopped).rejects.toMatchObject({ code: "Aborted" });
  expect([await contents(), await readdir(directory)]).toEqual([earlier, files]);
  expect((await runMapping(settings)).mappings).toHaveLength(2);

  const totals: number[] = [];
  const resumed = await runStage1(other, {
    onProgress: ({ task, total }) => task === "training heads" && totals.push(total!),
  });
  expect(totals[0]).toBeLessThan(2 * 4 * attributes.length); // what was trained before the interruption counts
  const fresh = await runStage1(await config({ epochs: 2, loss: { temp: 0.1 } }));
  expect(resumed.history).toEqual(fresh.history);
  expect(await contents()).not.toEqual(earlier);
  expect(await readdir(settings.checkpointDir)).toEqual(["docmnist_stage1"]);
});

test("the run folder of an earlier version is gone on with, or refused in one sentence", async () => {
  const changed = { epochs: 4, earlyStop: { metric: "f1", patience: 3 } } as const;
  const settings = await config(changed);
  const directory = join(settings.checkpointDir, "docmnist_stage1");
  await cp(join(fixturesDirectory, "runs", "stage1"), directory, { recursive: true });
  await expect(runStage1({ ...settings, seed: 5 })).rejects.toThrow(/^\S+docmnist_stage1 holds .*\(seed differs\)/);
  const totals: number[] = [];
  const resumed = await runStage1(settings, {
    onProgress: ({ task, total }) => task === "training heads" && totals.push(total!),
  });
  expect(totals[0]).toBe(2 * 4 * attributes.length);
  const whole = await runStage1(await config(changed));
  expect(resumed.history.map(({ epoch }) => epoch)).toEqual([1, 2, 3, 4]);
  resumed.history.forEach(({ loss }, i) => {
    expect(loss).toBeCloseTo(whole.history[i]!.loss, 5);
  });
  const metrics = await lines(join(directory, "metrics.jsonl"));
  expect(metrics.map(({ kind, epoch, step }) => [kind, epoch, step])).toEqual(
    [1, 2, 3, 4].map((epoch) => ["epoch", epoch, 4 * epoch]),
  );

  await writeFile(join(directory, "heads", "run.json"), "{");
  await expect(runStage1(settings)).rejects.toMatchObject({ code: "InvalidFile", message: /run\.json.*resume=never/ });
});

test("early stopping keeps the best epoch of each head, and epsilon can be chosen", async () => {
  const settings = await config({ epochs: 12, earlyStop: { metric: "f1", patience: 2 } });
  const result = await runStage1({ ...settings, mapping: { ...settings.mapping, epsilon: "auto" } });
  expect(result.checkpoints.map((path) => path.split("/").at(-1))).toEqual(["last.pkl", "best.pkl"]);
  expect(result.epsilon).toBeGreaterThan(0);
  const fixed = await runMapping({ ...settings, mapping: { ...settings.mapping, epsilon: 0.2 } });
  expect(result.mappings[1]!.report!.f1).toBeGreaterThanOrEqual(fixed.mappings[1]!.report!.f1);
  const each = await runMapping({ ...settings, mapping: { ...settings.mapping, epsilon: "auto-per-attribute" } });
  expect(each.mappings[1]!.report!.f1).toBeGreaterThanOrEqual(fixed.mappings[1]!.report!.f1);
});

test("several values of epsilon are compared in the report, whose loss curve mapping again keeps", async () => {
  const settings = await config({ epochs: 2 });
  const { history } = await runStage1(settings);
  const result = await runMapping({ ...settings, mapping: { ...settings.mapping, epsilon: [0.03, 0.125, 0.7] } });
  const { sweep, f1 } = result.mappings[1]!.report!;
  expect(sweep.map(({ epsilon }) => epsilon)).toEqual([0.03, 0.125, 0.7]);
  expect(f1).toBe(Math.max(...sweep.map((each) => each.f1)));
  expect(result.history).toEqual(history);
});

test("stopped while mapping, a run ends as Aborted, writes no mapping and goes on later", async () => {
  const settings = await config({ epochs: 1 });
  const controller = new AbortController();
  const stopped = runStage1(settings, {
    signal: controller.signal,
    onProgress: ({ task }) => task === "mapping" && controller.abort(),
  });
  const error = await stopped.catch((caught: unknown) => caught);
  expect(isVillaError(error, "Aborted") && error.message).toBe("Mapping was stopped; nothing has been written.");
  const written = await readdir(settings.dataDir);
  expect(written.filter((name) => name.startsWith("mapping_"))).toEqual([]);
  expect((await runStage1(settings)).mappings).toHaveLength(2);
});

test("starting weights can come from a checkpoint", async () => {
  const first = await config({ epochs: 4 });
  await runStage1(first);
  const initCheckpoint = join(first.checkpointDir, "docmnist_stage1", "last.pkl");
  const second = await runStage1({ ...(await config({ epochs: 1 })), initCheckpoint });
  const fresh = await runStage1(await config({ epochs: 1 }));
  expect(second.history[0]!.loss).toBeLessThan(fresh.history[0]!.loss);
});

const bad: [string, () => Promise<Stage1Config>, string, RegExp][] = [
  [
    "no embeddings",
    async () => {
      const settings = await config();
      await rm(join(settings.dataDir, "attr_embs.pth"));
      return settings;
    },
    "NotFound",
    /attr_embs.pth; make the embeddings first: villa preprocess/,
  ],
  [
    "no region embeddings",
    async () => {
      const settings = await config();
      await rm(join(settings.dataDir, "region_embs"), { recursive: true });
      return settings;
    },
    "NotFound",
    /villa preprocess/,
  ],
  [
    "other dimension",
    () =>
      config(
        {},
        writeSmallDataset(() => {}, 4),
      ),
    "Mismatch",
    /have 8 dimensions but the attribute embeddings have 4/,
  ],
  [
    "other emb_dim",
    () => config({ model: { embDim: 1024, oneProj: false, adapter: false } }),
    "Mismatch",
    /set model.emb_dim=8/,
  ],
  [
    "unknown attribute",
    () =>
      config(
        {},
        writeSmallDataset(({ annotations }) => {
          annotations[3] = { ...annotations[3]!, attributes: [...annotations[3]!.attributes, "mauve"] };
        }),
      ),
    "Mismatch",
    /"mauve" of image 3 has no embedding/,
  ],
  [
    "zero regions",
    () =>
      config(
        {},
        writeSmallDataset(({ annotations }) => {
          annotations[2] = { ...annotations[2]!, numRegions: 0, regionCoord: [], regToAttr: [] };
        }),
      ),
    "InvalidArgument",
    /Image 2 of the train split has no regions/,
  ],
  [
    "NaN",
    () =>
      config(
        {},
        writeSmallDataset(({ embeddings }) => {
          embeddings.get(4)![3] = Number.NaN;
        }),
      ),
    "NotFinite",
    /Region 0 of image 4 of the train split holds NaN/,
  ],
  [
    "an image without embeddings",
    () =>
      config(
        {},
        writeSmallDataset(({ embeddings }) => {
          embeddings.delete(5);
        }),
      ),
    "Mismatch",
    /no region embeddings of image 5/,
  ],
  [
    "too few regions in the embeddings",
    () =>
      config(
        {},
        writeSmallDataset(({ embeddings }) => {
          embeddings.set(6, embeddings.get(6)!.slice(0, 3));
        }),
      ),
    "Mismatch",
    /image 6/,
  ],
  [
    "empty split",
    () =>
      config(
        {},
        writeSmallDataset(({ annotations }) => {
          annotations.forEach((row, i) => {
            annotations[i] = { ...row, split: "val" };
          });
        }),
      ),
    "InvalidArgument",
    /The split "train" has no images/,
  ],
  [
    "batch larger than the split",
    () => config({ batchSize: 21 }),
    "InvalidArgument",
    /batch_size=21 is larger than the train split of 20 images/,
  ],
  ["no folder", async () => ({ ...(await config()), dataDir: "/nowhere" }), "NotFound", /no dataset folder \/nowhere/],
  ["a bad shard", async () => stage1Config({ dataDir: "x", attributesShard: "4/3" }), "InvalidArgument", /not "4\/3"/],
  [
    "a malformed shard",
    async () => stage1Config({ dataDir: "x", attributesShard: "half" }),
    "InvalidArgument",
    /attributesShard/,
  ],
  ["a bad temperature", () => config({ loss: { temp: 0 } }), "InvalidArgument", /loss.temp/],
  ["an unknown key", async () => ({ ...(await config()), colour: 1 }) as Stage1Config, "InvalidArgument", /colour/],
];
test.each(bad)("refused: %s", async (_, make, code, sentence) => {
  const error = await make()
    .then((settings) => runStage1(settings))
    .then(
      () => new Error("was accepted"),
      (caught: VillaError) => caught,
    );
  expect(error.message).toMatch(sentence);
  expect(isVillaError(error) && error.code).toBe(code);
});

test("a checkpoint with too few heads is refused", async () => {
  const settings = await config({ epochs: 0 });
  await runStage1(settings);
  const path = join(settings.checkpointDir, "docmnist_stage1", "last.pkl");
  await expect(
    openMappingModel(path, { attributes: [...attributes, "mauve"], dimension, adapter: false }),
  ).rejects.toThrow("needs 6 heads for 6 attributes, not 5");
  await expect(openMappingModel(path, { attributes, dimension: 16, adapter: false })).rejects.toThrow("8 dimensions");
});
