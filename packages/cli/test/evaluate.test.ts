import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { decodeImage, encodePng } from "@villa/data";
import { type CocoDataset, type CocoDetection, cocoNumberNames, type IouType, lvisNumberNames } from "@villa/metrics";
import { golden } from "@villa/testing";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { runVilla } from "../src/main.ts";

interface GoldenCase {
  readonly name: string;
  readonly kind: string;
  readonly iouType: IouType;
  readonly truth: CocoDataset;
  readonly detections: readonly CocoDetection[];
  readonly expected: { readonly numbers: Readonly<Record<string, number>> };
}

let folder = "";
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "villa-evaluate-"));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

/** Runs `villa evaluate --task detection` on a truth and detections given as values or as texts of their files. */
async function evaluate(truth: unknown, detections: unknown, ...flags: readonly string[]) {
  const [truthPath, detectionsPath] = [join(folder, "truth.json"), join(folder, "detections.json")];
  const text = (value: unknown) => (typeof value === "string" ? value : JSON.stringify(value));
  await writeFile(truthPath, text(truth));
  await writeFile(detectionsPath, text(detections));
  return run("--task", "detection", "--truth", truthPath, "--detections", detectionsPath, ...flags);
}

async function run(...flags: readonly string[]) {
  const lines = { out: [] as string[], err: [] as string[] };
  const terminal = {
    out: (line: string) => lines.out.push(line),
    err: (line: string) => lines.err.push(line),
    interactive: false,
  };
  const code = await runVilla(["evaluate", ...flags], terminal);
  return { code, out: lines.out, err: lines.err.join("\n") };
}

// The numbers are compared in the tests of metrics; these go through files and the command.
const { cases } = golden().json<{ cases: readonly GoldenCase[] }>("detection.json");
const ofKind = (wanted: string) => cases.filter(({ kind }) => kind === wanted);

async function numbersOf({ truth, detections, iouType }: GoldenCase, ...flags: readonly string[]) {
  const given = ["--iou-type", iouType, "--resamples", "0", "--json", ...flags];
  const { code, out, err } = await evaluate(truth, detections, ...given);
  expect(code, err).toBe(0);
  return JSON.parse(out.at(-1)!);
}

test.each(ofKind("coco"))("$name: the last line of --json begins with pycocotools' twelve numbers", async (each) => {
  const result = await numbersOf(each);
  expect(Object.keys(result).slice(0, 12)).toEqual([...cocoNumberNames]);
  for (const name of cocoNumberNames) {
    expect(Math.abs(result[name] - each.expected.numbers[name]!), name).toBeLessThan(1e-9);
  }
});

test.each(ofKind("lvis"))("$name: it begins with lvis-api's thirteen where the truth is LVIS's", async (each) => {
  const result = await numbersOf(each);
  expect(Object.keys(result).slice(0, 13)).toEqual([...lvisNumberNames]);
  for (const name of lvisNumberNames) {
    expect(Math.abs(result[name] - each.expected.numbers[name]!), name).toBeLessThan(1e-9);
  }
  expect(result.protocol).toBe("lvis");
});

describe("parts of the categories", () => {
  const sample = ofKind("coco")[0]!;
  const ids = sample.truth.categories.map(({ id }) => id);
  const novel = ids.slice(0, Math.floor(ids.length / 2));
  /** The same as if there were no other categories. */
  const alone = async (own: readonly number[]): Promise<Record<string, number>> =>
    numbersOf({
      ...sample,
      truth: {
        ...sample.truth,
        categories: sample.truth.categories.filter(({ id }) => own.includes(id)),
        annotations: sample.truth.annotations.filter(({ category_id }) => own.includes(category_id)),
      },
      detections: sample.detections.filter(({ category_id }) => own.includes(category_id)),
    });

  test("base and novel categories have their numbers and intervals, by ids, by names or from a file", async () => {
    const result = await numbersOf(sample, "--novel", novel.join(","), "--resamples", "20");
    const [onlyNovel, onlyBase] = [await alone(novel), await alone(ids.filter((id) => !novel.includes(id)))];
    expect(onlyNovel.AP).not.toBe(onlyBase.AP);
    expect(result["AP novel"]).toBeCloseTo(onlyNovel.AP!, 12);
    expect(result["AP50 novel"]).toBeCloseTo(onlyNovel.AP50!, 12);
    expect(result["AP base"]).toBeCloseTo(onlyBase.AP!, 12);
    expect(result["AP50 base"]).toBeCloseTo(onlyBase.AP50!, 12);
    expect(result.intervals["AP novel"][0]).toBeLessThanOrEqual(result["AP novel"]);
    const names = sample.truth.categories.filter(({ id }) => novel.includes(id)).map(({ name }) => name!);
    const list = join(folder, "novel.txt");
    await writeFile(list, `${names.join("\r\n")}\n`);
    expect(await numbersOf(sample, "--novel", list, "--resamples", "20")).toEqual(result);
    await writeFile(join(folder, "novel.json"), JSON.stringify(novel));
    expect(await numbersOf(sample, "--novel", join(folder, "novel.json"), "--resamples", "20")).toEqual(result);
  });

  test("rare, common and frequent ones have theirs by COCO's rules too, where the truth says what they are", async () => {
    const categories = sample.truth.categories.map((category) => ({
      ...category,
      frequency: novel.includes(category.id) ? ("r" as const) : ("f" as const),
    }));
    const result = await numbersOf({ ...sample, truth: { ...sample.truth, categories } });
    expect(result).toMatchObject({ APr: (await alone(novel)).AP, APc: -1, protocol: "coco" });
    const lvis = ofKind("lvis")[0]!;
    expect(Object.keys(await numbersOf(lvis, "--protocol", "coco"))).toEqual(
      expect.arrayContaining([...cocoNumberNames, "APr", "APc", "APf"]),
    );
  });

  test("what cannot be told apart is refused", async () => {
    const refused = async (...flags: readonly string[]) =>
      (await evaluate(sample.truth, sample.detections, ...flags)).err;
    expect(await refused("--novel", "unicorn")).toMatch(
      /--novel names "unicorn", which is neither a category .* nor a/,
    );
    expect(await refused("--novel", ids.join(","))).toMatch(/some must be novel and some base/);
    expect(await refused("--protocol", "lvis")).toMatch(/neg_category_ids|frequency/);
  });
});

const truth = {
  images: [1, 2, 3].map((id) => ({
    id,
    width: 100,
    height: 100,
    file_name: `${id}.jpg`,
    patient: id === 3 ? "b" : "a",
  })),
  categories: [
    { id: 1, name: "mug" },
    { id: 2, name: "lid" },
  ],
  annotations: [1, 2, 3].map((id) => ({ id, image_id: id, category_id: 1, bbox: [10, 10, 40, 40], area: 1600 })),
};
const detection = { image_id: 1, category_id: 1, bbox: [12, 10, 40, 40], score: 0.9 };

test("intervals are seeded, by image or by group; the table tells what is odd", async () => {
  const detections = [detection, { ...detection, image_id: 2 }];
  const json = async (...flags: readonly string[]) => {
    const { out, code, err } = await evaluate(truth, detections, "--json", ...flags);
    expect(code, err).toBe(0);
    return JSON.parse(out.at(-1)!);
  };
  const first = await json("--resamples", "50");
  expect(await json("--resamples", "50")).toEqual(first);
  expect((await json("--resamples", "50", "--seed", "1")).intervals).not.toEqual(first.intervals);
  expect(first.intervals.AR1[0]).toBeLessThan(first.AR1);
  expect(first.intervals.AR1[1]).toBeGreaterThan(first.AR1);
  expect(first.intervals.APl).toEqual([null, null]);
  const grouped = await json("--resamples", "50", "--group-by", "patient");
  expect(grouped.bootstrap.over).toBe("groups");
  expect(grouped.intervals).not.toEqual(first.intervals);
  const corners = { ...detection, bbox: [60, 60, 90, 90] };
  const shown = (await evaluate(truth, [corners], "--resamples", "0")).out.join("\n");
  expect(shown).toContain("Mind: 1 of 1 boxes of detections leave their image. They look like corners");
  expect(shown).toMatch(/mug +0\.000/);
});

test("--out writes all that repeats the numbers, and a page", async () => {
  const out = join(folder, "out");
  const { code, err } = await evaluate(truth, [detection], "--resamples", "20", "--seed", "7", "--out", out);
  expect(code, err).toBe(0);
  const record = JSON.parse(await readFile(join(out, "evaluation.json"), "utf8"));
  expect(record.bootstrap).toMatchObject({ resamples: 20, seed: 7, level: 0.95 });
  expect(record.inputs.map((input: { role: string }) => input.role)).toEqual(["truth", "detections"]);
  for (const { sha256 } of record.inputs) expect(sha256).toMatch(/^[0-9a-f]{64}$/);
  expect(record.items.ids).toEqual([1, 2, 3]);
  const page = await readFile(join(out, "evaluation.html"), "utf8");
  expect(page).toContain("Precision and recall");
  expect(page).toContain("truly mug · image 2"); // missed
  expect(page).not.toMatch(/NaN|undefined|<script/);
});

describe("photos that EXIF turns are shown upright", () => {
  /** A JPEG with an orientation: an APP1 segment behind its first marker. */
  function oriented(jpeg: Uint8Array, orientation: number, little: boolean): Uint8Array {
    const tiff = new DataView(new ArrayBuffer(26));
    tiff.setUint16(0, little ? 0x4949 : 0x4d4d);
    tiff.setUint16(2, 42, little);
    tiff.setUint32(4, 8, little);
    tiff.setUint16(8, 1, little); // one entry: tag, type, count, value
    tiff.setUint16(10, 0x0112, little);
    tiff.setUint16(12, 3, little);
    tiff.setUint32(14, 1, little);
    tiff.setUint16(18, orientation, little);
    const exif = Buffer.concat([Buffer.from("Exif\0\0", "latin1"), Buffer.from(tiff.buffer)]);
    const head = Buffer.from([0xff, 0xe1, 0, exif.length + 2]);
    return Buffer.concat([jpeg.subarray(0, 2), head, exif, jpeg.subarray(2)]);
  }

  /** Sides at which the upright picture has the first stored pixel, by EXIF's table; from 5 on rows stand upright. */
  const corners = [
    [1, "left", "top"],
    [2, "right", "top"],
    [3, "right", "bottom"],
    [4, "left", "bottom"],
    [5, "left", "top"],
    [6, "right", "top"],
    [7, "right", "bottom"],
    [8, "left", "bottom"],
  ] as const;

  test.each(corners)("orientation %i: the first pixel is %s, %s", async (orientation, side, end) => {
    const jpeg = new Uint8Array(await readFile(golden().path("images/444.jpg")));
    const stored = await decodeImage(jpeg);
    const isTurned = orientation >= 5;
    const size = isTurned
      ? { width: stored.height, height: stored.width }
      : { width: stored.width, height: stored.height };
    /** Where a pixel (`step` 1) or a point between pixels (0) of the stored picture is. */
    const place = (x: number, y: number, step: 0 | 1): [number, number] => {
      const [along, down] = isTurned ? [y, x] : [x, y];
      return [side === "left" ? along : size.width - step - along, end === "top" ? down : size.height - step - down];
    };
    const data = new Uint8Array(stored.data.length);
    for (let c = 0; c < 3; c++) {
      for (let y = 0; y < stored.height; y++) {
        for (let x = 0; x < stored.width; x++) {
          const [px, py] = place(x, y, 1);
          data[(c * size.height + py) * size.width + px] = stored.data[(c * stored.height + y) * stored.width + x]!;
        }
      }
    }
    const images = join(folder, `photos-${orientation}`);
    await mkdir(images, { recursive: true });
    await writeFile(join(images, "upright.png"), await encodePng({ ...size, channels: 3, data }));
    await writeFile(join(images, "photo.jpg"), oriented(jpeg, orientation, orientation % 2 === 0));
    const shown = async (file_name: string, given: { width: number; height: number }, bbox: readonly number[]) => {
      const report = join(folder, "photo.html");
      const annotations = [{ id: 1, image_id: 1, category_id: 1, bbox, area: 20 }];
      const one = { ...truth, images: [{ id: 1, file_name, ...given }], annotations };
      const flags = ["--images", images, "--resamples", "0", "--report", report];
      const { code, err } = await evaluate(one, [], ...flags);
      expect(code, err).toBe(0);
      const [, picture] = /<img src="(data:image\/png[^"]+)"/.exec(await readFile(report, "utf8")) ?? [];
      expect(picture).toBeDefined();
      return picture;
    };
    const upright = await shown("upright.png", size, [2, 1, 4, 5]);
    expect(await shown("photo.jpg", size, [2, 1, 4, 5])).toBe(upright);
    if (!isTurned) return;
    // A truth with the sizes of the pixels as they are stored has its boxes there too.
    const [[ax, ay], [bx, by]] = [place(1, 2, 0), place(6, 6, 0)];
    const there = [Math.min(ax, bx), Math.min(ay, by), Math.abs(ax - bx), Math.abs(ay - by)];
    const { width, height } = stored;
    expect(await shown("photo.jpg", { width, height }, [1, 2, 5, 4])).toBe(await shown("upright.png", size, there));
  });
});

test("pictures of mistakes frame detections in orange and objects in blue, whichever there are", async () => {
  const grey = { width: 100, height: 100, channels: 3 as const, data: new Uint8Array(30_000).fill(90) };
  for (const id of [1, 2, 3]) await writeFile(join(folder, `${id}.png`), await encodePng(grey));
  const images = truth.images.map((image) => ({ ...image, file_name: `${image.id}.png` }));
  const report = join(folder, "framed.html");
  const flags = ["--images", folder, "--resamples", "0", "--report", report];
  const nothing = { ...detection, category_id: 2, bbox: [60, 60, 20, 20] };
  expect((await evaluate({ ...truth, images }, [nothing], ...flags)).code).toBe(0);
  const page = await readFile(report, "utf8");
  const colors = async (caption: string) => {
    const [, base64 = ""] =
      new RegExp(`<img src="data:image/png;base64,([^"]+)" alt="[^"]*${caption}`).exec(page) ?? [];
    const { data, width, height } = await decodeImage(new Uint8Array(Buffer.from(base64, "base64")));
    const plane = width * height;
    const seen = new Set<string>();
    for (let i = 0; i < plane; i++) seen.add([data[i], data[plane + i], data[2 * plane + i]].join());
    return { orange: seen.has("255,176,0"), blue: seen.has("100,200,255") };
  };
  expect(await colors("lid 0.90")).toEqual({ orange: true, blue: false });
  expect(await colors("truly mug · image 2")).toEqual({ orange: false, blue: true });
});

test("a name in a file is text on the page", async () => {
  const odd = { ...truth, categories: [{ id: 1, name: "<img src=x onerror=alert(1)>" }, truth.categories[1]] };
  const report = join(folder, "odd.html");
  expect((await evaluate(odd, [detection], "--resamples", "0", "--report", report)).code).toBe(0);
  expect(await readFile(report, "utf8")).not.toContain("<img src=x");
});

test.each([
  ["an unknown image", [{ ...detection, image_id: 9 }], /Detection 0 is of image 9, which the truth does not list/],
  ["an unknown category", [{ ...detection, category_id: 9 }], /Detection 0 is of category 9/],
  [
    "a score of NaN",
    `[{"image_id": 1, "category_id": 1, "bbox": [0, 0, 1, 1], "score": NaN}]`,
    /Detection 0 has the score NaN/,
  ],
  ["a file that is no list", { detections: [] }, /is not a list of detections/],
  ["a file that is cut off", "[{", /not JSON/],
  ["a box of three numbers", [{ ...detection, bbox: [1, 2, 3] }], /Detection 0 has no "bbox" of four numbers/],
])("%s is refused by name", async (_, detections, message) => {
  const { code, err } = await evaluate(truth, detections, "--json");
  expect(code).toBe(1);
  expect(err).toMatch(message);
});

test("broken truths are refused by name", async () => {
  const twice = { ...truth, annotations: [...truth.annotations, truth.annotations[0]] };
  expect((await evaluate(twice, [])).err).toMatch(/Two annotations have the id 1/);
  const large = JSON.stringify(truth).replace('"images":[{"id":1,', '"images":[{"id":9007199254740993,');
  expect((await evaluate(large, [])).err).toMatch(/above 2\^53/);
  expect((await evaluate({ images: [] }, [])).err).toMatch(/no list "annotations"/);
  expect((await evaluate(truth, [], "--group-by", "hospital")).err).toMatch(/no "hospital" to group by/);
});

test("categories that the truth does not list may be left out; empty results are numbers of 0 with a warning", async () => {
  const foreign = await evaluate(
    truth,
    [detection, { ...detection, category_id: 9 }],
    "--unknown-categories",
    "--resamples",
    "0",
  );
  expect(foreign.code, foreign.err).toBe(0);
  expect(foreign.out.join("\n")).toContain("Detections of 1 categories that the truth does not list");
  const empty = await evaluate(truth, [], "--resamples", "0", "--json");
  expect(empty.code, empty.err).toBe(0);
  expect(JSON.parse(empty.out.at(-1)!)).toMatchObject({
    AP: 0,
    AR100: 0,
    APl: -1,
    warnings: [expect.stringContaining("no detections")],
  });
});

test.each([
  [["--task", "detection"], /Give --data-dir .* or --truth and --detections/],
  [["--data-dir", "data"], /Give --data-dir .* and --checkpoint/],
  [["--task", "detection", "--truth", "a.json"], /Give --data-dir .*, or --truth and --detections/],
  [["--task", "detection", "--detections", "b.json"], /Give --truth too/],
  [
    ["--truth", "a.json", "--detections", "b.json"],
    /--truth means nothing to --task retrieval; it goes with --task detection/,
  ],
  [
    ["--task", "detection", "--truth", "a", "--detections", "b", "--data-dir", "c"],
    /--data-dir means nothing to --task detection --detections/,
  ],
  [
    ["--task", "detection", "--truth", "a", "--detections", "b", "--shard", "1/2"],
    /--shard means nothing to .* it goes with --task retrieval/,
  ],
  [
    ["--task", "grounding", "--data-dir", "a", "--checkpoint", "b", "--merge"],
    /--merge means nothing to --task grounding/,
  ],
  [
    ["--data-dir", "a", "--checkpoint", "embeddings", "--shard", "1/2"],
    /--shard means nothing to --task retrieval --checkpoint embeddings; leave it out/,
  ],
  [
    ["--task", "detection", "--data-dir", "a", "--checkpoint", "b", "--truth", "c", "--classes", "d"],
    /--classes means nothing/,
  ],
  [
    ["--data-dir", "a", "--checkpoint", "b", "--negatives", "3"],
    /--negatives means nothing to --task retrieval; it goes with --task fine-grained/,
  ],
])("villa evaluate %j is called wrongly", async (flags, message) => {
  const { code, err } = await run(...flags);
  expect(code).toBe(2);
  expect(err).toMatch(message);
});
