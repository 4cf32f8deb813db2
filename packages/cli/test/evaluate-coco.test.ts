// From a folder of pictures with a COCO annotation file to the numbers and the page, by commands alone.
import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { encodePng, RandomState } from "@villa/data";
import { cocoNumberNames, lvisNumberNames } from "@villa/metrics";
import { afterAll, beforeAll, expect, test } from "vitest";
import { villa as tried } from "./villa.ts";

const colors = { red: [220, 30, 40], green: [30, 170, 60], blue: [40, 60, 220] } as const;
const names = Object.keys(colors) as (keyof typeof colors)[];
const [width, height] = [96, 64];

let folder = "";
let dataDir = "";
let checkpoint = "";
const annotationFile = () => join(folder, "annotations.json");

/** Scenes of two coloured rectangles on grey; boxes are not whole numbers, ids are not places. */
function scenes() {
  const random = new RandomState(7);
  const below = (count: number) => random.choice(count);
  const categories = names.map((name, c) => ({ id: 11 * (c + 1), name }));
  const annotations: { id: number; image_id: number; category_id: number; bbox: number[]; area: number }[] = [];
  const pictures = Array.from({ length: 48 }, (_, i) => {
    const data = new Uint8Array(3 * width * height).fill(128);
    const shown = [0, 1].map((side) => {
      const c = below(names.length);
      const [x, y, w, h] = [side * 48 + 2 + below(12), 2 + below(16), 16 + below(16), 16 + below(24)];
      for (let row = y; row < y + h; row++) {
        for (let column = x; column < x + w; column++) {
          colors[names[c]!].forEach((value, channel) => {
            data[(channel * height + row) * width + column] = value;
          });
        }
      }
      const bbox = [x + 0.25, y + 0.5, w - 0.5, h - 0.75];
      annotations.push({
        id: annotations.length + 1,
        image_id: 1000 + 7 * i,
        category_id: categories[c]!.id,
        bbox,
        area: bbox[2]! * bbox[3]!,
      });
      return names[c]!;
    });
    return {
      image: { width, height, channels: 3 as const, data },
      entry: {
        id: 1000 + 7 * i,
        file_name: `scene-${i}.png`,
        width,
        height,
        caption: shown.map((name) => `There is a ${name} box`).join(". "),
        split: i < 32 ? "train" : i < 36 ? "val" : "test",
        place: `street-${Math.floor(i / 4)}`,
      },
    };
  });
  return { pictures, truth: { images: pictures.map(({ entry }) => entry), annotations, categories } };
}
const { pictures, truth } = scenes();
const tested = truth.images.filter(({ split }) => split === "test").map(({ id }) => id);

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "villa-coco-"));
  await mkdir(join(folder, "scenes"));
  for (const { image, entry } of pictures) {
    await writeFile(join(folder, "scenes", entry.file_name), await encodePng(image));
  }
  await writeFile(annotationFile(), JSON.stringify(truth));
  await writeFile(
    join(folder, "words.json"),
    JSON.stringify({ groups: [{ name: "color", templates: ["There is a {} box"], attributes: names }] }),
  );
  dataDir = join(folder, "data");
  const table = ["--images", join(folder, "scenes"), "--table", annotationFile(), "--group-by", "place"];
  await villa("ingest", ...table, "--attributes", join(folder, "words.json"), "--out", dataDir);
  const settings = [
    "experiment=docmnist_stage2_small_roi",
    "pairs=oracle",
    "task_name=run",
    "batch_size=8",
    "epochs=4",
  ];
  await villa("stage2", ...settings, `data_dir=${dataDir}`, `checkpoint_dir=${join(folder, "checkpoints")}`);
  checkpoint = join(folder, "checkpoints/run/best.safetensors");
}, 300_000);
afterAll(() => rm(folder, { recursive: true, force: true }));

async function villa(...words: readonly string[]) {
  const { code, out, err } = await tried(...words);
  expect(code, err).toBe(0);
  return out;
}

const model = () => ["evaluate", "--task", "detection", "--data-dir", dataDir, "--checkpoint", checkpoint];
const last = (out: string) => JSON.parse(out.split("\n").at(-1)!);

test("a model is judged by the annotation file, and its written detections have the same numbers", async () => {
  const out = join(folder, "out");
  const flags = ["--truth", annotationFile(), "--resamples", "20", "--out", out, "--json"];
  const numbers = last(await villa(...model(), ...flags));
  expect(numbers).toMatchObject({ images: tested.length, objects: 2 * tested.length, detections: 6 * tested.length });
  // Every box has every class: all objects are found, in their places; which class comes first is what the model knows.
  expect(numbers).toMatchObject({ AR100: 1, AR10: 1, mistakes: { location: 0, background: 0, missed: 0 } });
  expect(numbers.AP75).toBe(numbers.AP50);
  expect(numbers.AP50).toBeGreaterThan(0.5);
  expect(numbers.warnings).toEqual([
    expect.stringMatching(/^36 of 48 images of .* are not in the split and do not count/),
  ]);
  const written = JSON.parse(await readFile(join(out, "truth.json"), "utf8"));
  expect(written.annotations).toEqual(truth.annotations.filter(({ image_id }) => tested.includes(image_id)));
  const files = ["--truth", join(out, "truth.json"), "--detections", join(out, "detections.json")];
  const page = join(folder, "again.html");
  const shown = ["--images", join(folder, "scenes"), "--report", page];
  const again = last(await villa("evaluate", "--task", "detection", ...files, ...shown, "--resamples", "20", "--json"));
  for (const key of ["AP", "AP50", "APs", "AR1", "intervals", "perCategory"]) expect(again[key]).toEqual(numbers[key]);
  for (const path of [page, join(out, "evaluation.html")]) {
    const text = await readFile(path, "utf8");
    expect(text).not.toMatch(/NaN|undefined|<script|no picture/);
    expect(text.match(/<img src="data:image\/png/g)).toHaveLength(8);
  }
  const record = JSON.parse(await readFile(join(out, "evaluation.json"), "utf8"));
  expect(record.inputs.map(({ role }: { role: string }) => role)).toEqual(
    expect.arrayContaining(["annotations", "vocabulary", "images", "checkpoint", "truth"]),
  );
  expect(record.settings.prompts).toEqual(Object.fromEntries(names.map((name) => [name, [`There is a ${name} box`]])));
});

test("proposals of a file are told by the file's ids; the record has them", async () => {
  const boxes = truth.annotations.map(({ image_id, bbox }) => ({ image_id, bbox }));
  const list = join(folder, "boxes.json");
  await writeFile(list, JSON.stringify(boxes));
  const given = ["--truth", annotationFile(), "--resamples", "0", "--json"];
  const own = last(await villa(...model(), ...given));
  const out = join(folder, "proposed");
  const listed = last(await villa(...model(), ...given, "--proposals", list, "--out", out));
  expect(listed.perCategory).toEqual(own.perCategory);
  const record = JSON.parse(await readFile(join(out, "evaluation.json"), "utf8"));
  expect(record.inputs.map(({ role }: { role: string }) => role)).toContain("proposals");
  await writeFile(list, JSON.stringify(boxes.filter(({ image_id }) => image_id === tested[0])));
  const few = last(await villa(...model(), ...given, "--proposals", list));
  expect(few.AR100).toBeLessThan(0.5);
  expect(few.warnings.join()).toMatch(/11 of 12 images have no boxes in/);
  await writeFile(list, JSON.stringify([{ image_id: 3, bbox: [0, 0, 9, 9] }]));
  expect((await tried(...model(), ...given, "--proposals", list)).err).toMatch(/Entry 0 of .* is of image 3, which/);
});

test("without an annotation file the dataset's own truth counts, by the same ids; groups are those of ingest", async () => {
  const out = join(folder, "own");
  const flags = ["--resamples", "20", "--group-by", "group", "--out", out, "--json"];
  const numbers = last(await villa(...model(), ...flags));
  expect(numbers).toMatchObject({ images: tested.length, objects: 2 * tested.length, bootstrap: { over: "groups" } });
  const record = JSON.parse(await readFile(join(out, "evaluation.json"), "utf8"));
  expect(record.items.ids).toEqual(tested);
  expect(record.items.groups).toEqual(tested.map((_, i) => `street-${9 + Math.floor(i / 4)}`));
  expect((await tried(...model(), "--group-by", "weather")).err).toMatch(/no column "weather" to group by; there are/);
});

test("LVIS's rules, frequencies and novel categories hold for a model too; runs by other rules are not compared", async () => {
  const lvis = join(folder, "lvis.json");
  const federated = {
    ...truth,
    images: truth.images.map((image) => ({ ...image, neg_category_ids: [], not_exhaustive_category_ids: [] })),
    categories: truth.categories.map((category, c) => ({ ...category, frequency: "rcf"[c] })),
  };
  await writeFile(lvis, JSON.stringify(federated));
  const given = ["--truth", lvis, "--resamples", "0", "--json"];
  const numbers = last(await villa(...model(), ...given, "--novel", "blue"));
  expect(Object.keys(numbers).slice(0, 13)).toEqual([...lvisNumberNames]);
  const of = (name: string) =>
    numbers.perCategory.find((category: { name: string }) => category.name === name).numbers.AP;
  expect([numbers.APr, numbers.APc, numbers.APf]).toEqual([of("red"), of("green"), of("blue")]);
  expect(numbers["AP novel"]).toBe(of("blue"));
  expect(numbers["AP base"]).toBeCloseTo((of("red") + of("green")) / 2, 12);
  const compared = ["--truth", annotationFile(), "--resamples", "20"];
  await villa(...model(), ...compared, "--templates", "a {} thing", "--out", join(folder, "other-words"));
  const differences = last(await villa("compare", join(folder, "out"), join(folder, "other-words"), "--json"));
  expect(differences.differences.AR100.difference.value).toBe(0);
  expect(differences.parts.list.map(({ name }: { name: string }) => name).sort()).toEqual([...names].sort());
  await villa(...model(), ...given, "--out", join(folder, "federated"));
  expect((await tried("compare", join(folder, "out"), join(folder, "federated"))).err).toMatch(
    /protocol coco and lvis/,
  );
  const coco = last(await villa(...model(), ...given, "--protocol", "coco"));
  expect(Object.keys(coco).slice(0, 12)).toEqual([...cocoNumberNames]);
  const page = join(folder, "lvis.html");
  const linked = federated.images.map(({ file_name, ...image }) => ({ ...image, coco_url: `http://a/${file_name}` }));
  await writeFile(lvis, JSON.stringify({ ...federated, images: linked }));
  const results = ["--detections", join(folder, "out/detections.json"), "--images", join(folder, "scenes")];
  await villa("evaluate", "--task", "detection", ...given, ...results, "--report", page);
  const text = await readFile(page, "utf8");
  expect(text).toContain("<img src");
  expect(text).not.toContain("no picture");
  expect(coco.AP).toBeLessThan(numbers.AP); // a category that an image does not speak of is not wrong there
});

test("an annotation file of other pictures is refused by name", async () => {
  const path = join(folder, "other.json");
  const refused = async (changed: object) => {
    await writeFile(path, JSON.stringify({ ...truth, ...changed }));
    return (await tried(...model(), "--truth", path)).err;
  };
  const turned = truth.images.map((image) => ({ ...image, width: height, height: width }));
  expect(await refused({ images: turned })).toMatch(
    /is 64 × 96 in .* and 96 × 64 in the dataset: another picture, or one/,
  );
  const renamed = truth.images.map((image, i) => ({ ...image, id: i }));
  expect(await refused({ images: renamed, annotations: [] })).toMatch(/None of the 12 images of the split is in/);
  expect(await refused({ categories: 3 })).toMatch(/other.json has no list "categories"/);
  expect(await refused({ annotations: [null] })).toMatch(/Entry 0 of "annotations" in .* is null, not an object/);
});

test("a model that knows nothing of what it is asked, or whose weights are damaged, is told", async () => {
  const asked = ["--data-dir", dataDir, "--resamples", "50", "--json"];
  const classified = async (...flags: readonly string[]) =>
    last(await villa("evaluate", "--task", "classification", "--checkpoint", checkpoint, ...asked, ...flags)).warnings;
  expect(await classified()).toEqual([]);
  expect(await classified("--templates", "x{}x")).toEqual([expect.stringMatching(/^No number is above what guessing/)]);
  const damaged = join(folder, "damaged.safetensors");
  const bytes = await readFile(checkpoint);
  // Behind a header of its length stand the weights, four bytes each: every one becomes a NaN.
  bytes.fill(0xff, 8 + Number(bytes.readBigUInt64LE(0)));
  await writeFile(damaged, bytes);
  for (const task of ["retrieval", "classification", "detection", "grounding", "fine-grained"]) {
    const { code, err } = await tried("evaluate", "--task", task, "--checkpoint", damaged, ...asked);
    expect(err, task).toMatch(/damaged\.safetensors: The weights hold NaN at element 0 of /);
    expect(code).toBe(1);
  }
});
