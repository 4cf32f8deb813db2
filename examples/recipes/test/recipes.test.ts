// Every recipe runs as its reader would run it, on a small folder in the shape of its public set.
import { spawnSync } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { runVilla } from "@villa/cli";
import { openDataset } from "@villa/data/node";
import { expect, test } from "vitest";
import { makeCoco, makeDeepFashion, makeFlickr, makeFolder, makeMimic, makeOpenI } from "./look-alikes.ts";

const scripts = join(import.meta.dirname, "..");

async function run(script: string, ...folders: readonly string[]) {
  const node = ["--import", "tsx", "--conditions=@villa/source", join(scripts, script), ...folders];
  const { status, stdout, stderr } = spawnSync(process.execPath, node, { cwd: import.meta.dirname, encoding: "utf8" });
  expect(status, stderr).toBe(0);
  const data = folders.at(-1)!;
  const { annotations } = await openDataset(data);
  const problems = stdout.endsWith(" 0 rows left out\n") ? "" : readFileSync(join(data, "problems.jsonl"), "utf8");
  return { annotations, stdout, problems };
}

test("each recipe is tested, and told of in the documentation", () => {
  const page = readFileSync(join(scripts, "../../docs/recipes.md"), "utf8");
  const found = readdirSync(scripts).filter((name) => name.endsWith(".ts"));
  expect(found.sort()).toEqual(["coco.ts", "deepfashion.ts", "flickr30k-entities.ts", "mimic-cxr.ts", "open-i.ts"]);
  for (const name of found) expect(page).toContain(`](../examples/recipes/${name})`);
});

test("COCO: captions are the text, instances the regions", async () => {
  const folder = await makeFolder();
  await makeCoco(join(folder, "coco"));
  const { annotations, stdout, problems } = await run("coco.ts", join(folder, "coco"), join(folder, "data"));
  expect(stdout).toBe("3 images, 13 regions, 1 rows left out\n");
  expect(problems).toContain("there is no such file");
  expect(annotations[0]).toMatchObject({
    sentences: ["A woman walks two dogs", "Dogs on a leash"],
    attributes: ["person", "dog"],
    regionCoord: [
      [10, 10, 41, 70],
      [50, 50, 70, 70],
    ],
    regToAttr: [["person"], ["dog"]],
    split: "train",
  });
  expect(annotations[1]!.sentences).toEqual(["A dog sleeps, approx. 0.5 m long", "Nobody is there"]);
  expect(annotations[2]).toMatchObject({ split: "val", imageId: 2 });
});

test("Flickr30k Entities: boxes are true by the phrases that speak of them", async () => {
  const folder = await makeFolder();
  await makeFlickr(join(folder, "flickr"));
  const { annotations, problems } = await run("flickr30k-entities.ts", join(folder, "flickr"), join(folder, "data"));
  expect(problems).toContain('"row":2');
  expect(annotations).toMatchObject([
    {
      sentences: ["A man in red shirts with his dog on a street", "Someone waits"],
      attributes: ["man", "dog", "shirt", "street"],
      regionCoord: [
        [5, 5, 40, 90],
        [50, 5, 90, 60],
      ],
      regToAttr: [["man"], ["dog", "shirt"]],
      split: "train",
    },
    { attributes: ["woman"], numRegions: 9, split: "val" },
  ]);
});

test("Open-i: sections of the XML, all pictures of a report in one split", async () => {
  const folder = await makeFolder();
  await makeOpenI(join(folder, "open-i"));
  const { annotations, problems } = await run("open-i.ts", join(folder, "open-i"), join(folder, "data"));
  expect(problems).toContain("has no section");
  expect(annotations).toHaveLength(2);
  expect(annotations[0]).toMatchObject({
    sentences: ["Heart size < normal", "Effusions, e.g. 3.5 cm", "Possible edema"],
    attributes: ["pleural effusion"],
    uncertainAttributes: ["pulmonary edema/hazy opacity"],
  });
  expect(annotations[1]!.split).toBe(annotations[0]!.split);
});

test("DeepFashion: descriptions of items, boxes of their pictures", async () => {
  const folder = await makeFolder();
  await makeDeepFashion(join(folder, "fashion"));
  const { annotations } = await run("deepfashion.ts", join(folder, "fashion"), join(folder, "data"));
  expect(annotations).toMatchObject([
    {
      sentences: ["The colour is Red", "A floral dress", "Sleeveless, approx. 90 cm", "No buttons"],
      attributes: ["dress", "floral", "sleeveless"],
      regionCoord: [[10, 5, 90, 100]],
      split: "test",
    },
    { regionCoord: [[11, 5, 90, 100]], split: "test" },
    { attributes: ["tee", "striped"], split: expect.stringMatching(/train|val/) },
  ]);
});

test("MIMIC-CXR-JPG with Chest ImaGenome, from reports to a query", { timeout: 240_000 }, async () => {
  const folder = await makeFolder();
  const [mimic, imaGenome, data] = ["mimic", "imagenome", "data"].map((name) => join(folder, name)) as [
    string,
    string,
    string,
  ];
  await makeMimic(mimic, imaGenome);
  const { annotations, problems } = await run("mimic-cxr.ts", mimic, imaGenome, data);
  expect(problems.trim().split("\n")).toEqual([
    expect.stringContaining('no section \\"FINDINGS\\" or \\"IMPRESSION\\"'),
  ]);
  expect(annotations).toHaveLength(11); // one view of each study
  expect(annotations[0]).toMatchObject({
    sentences: [
      "Small left pleural effusions, approx. 3.5 cm",
      "The heart is mildly enlarged",
      "Possible atelectasis",
      "See above",
    ],
    attributes: ["pleural effusion", "enlarged cardiac silhouette", "left"],
    uncertainAttributes: ["atelectasis"],
    regToAttr: [[], ["pleural effusion"]],
    split: "train",
  });
  expect(annotations[1]).toMatchObject({ attributes: [], uncertainAttributes: ["pulmonary edema/hazy opacity"] });
  expect(annotations.slice(-2).map(({ split }) => split)).toEqual(["val", "test"]);

  await villa("preprocess", "--data-dir", data, "--encoder", "pixels", "--dimension", "32");
  const checkpoints = join(folder, "checkpoints");
  const settings = [
    `data_dir=${data}`,
    `checkpoint_dir=${checkpoints}`,
    "task_name=mapping",
    "epochs=5",
    "batch_size=4",
  ];
  const { directory } = (await villa("stage1", ...settings)) as { directory: string };
  const mapped = await (await openDataset(data)).mappings("train");
  const sentences = new Set(mapped.flatMap(({ assignedText }) => assignedText.flatMap((text) => text.split(" . "))));
  expect(sentences).toContain("Small left pleural effusions, approx. 3.5 cm");
  expect([...sentences].join()).not.toMatch(/Possible|No pleural/);
  const { hits } = (await villa(
    ...["query", "--data-dir", data, "--checkpoint", directory, "--text", "pleural effusions", "--top", "3"],
  )) as { hits: { imageId: number }[] };
  expect(hits).toHaveLength(3);
});

/** Runs a command that must succeed. @returns what it printed as JSON */
async function villa(...argv: readonly string[]): Promise<unknown> {
  const lines = { out: [] as string[], err: [] as string[] };
  const code = await runVilla([...argv, "--json"], {
    out: (line: string) => lines.out.push(line),
    err: (line: string) => lines.err.push(line),
    interactive: false,
  });
  expect(code, lines.err.join("\n")).toBe(0);
  return JSON.parse(lines.out.at(-1)!);
}
