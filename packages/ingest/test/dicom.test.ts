import { readdirSync, readFileSync } from "node:fs";
import { copyFile, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { isVillaError, readFeather } from "@villa/data";
import { openDataset } from "@villa/data/node";
import { fixturesDirectory } from "@villa/testing";
import { describe, expect, test } from "vitest";
import { readPicture } from "../src/node.ts";
import { TestFolder } from "./folder.ts";

const fixtures = join(fixturesDirectory, "dicom");
interface Expected {
  readonly syntax: string;
  /** Grey levels by which codecs may differ. */
  readonly tolerance: number;
  readonly frames: readonly string[];
}
const { rows, columns, files } = JSON.parse(readFileSync(join(fixtures, "expected.json"), "utf8")) as {
  rows: number;
  columns: number;
  files: Record<string, Expected>;
};

/** [3, height, width] of pydicom's [height, width] or [height, width, 3]. */
function planes(base64: string): number[] {
  const pixels = Buffer.from(base64, "base64");
  const area = rows * columns;
  const channels = pixels.length / area;
  return Array.from({ length: 3 * area }, (_, i) => {
    const [channel, pixel] = [Math.floor(i / area), i % area];
    return pixels[pixel * channels + (channels === 3 ? channel : 0)]!;
  });
}

describe("DICOM is shown as pydicom shows it", () => {
  const cases = Object.entries(files).flatMap(([name, { frames, ...file }]) =>
    frames.map((pixels, frame) => ({ name, frame, frames: frames.length, pixels, ...file })),
  );
  test.each(cases)("$name, frame $frame: $syntax", async ({ name, frame, frames, pixels, tolerance }) => {
    const path = join(fixtures, `${name}.dcm`);
    const { width, height, data } = await readPicture(frames > 1 ? `${path}#${frame}` : path);
    expect([width, height]).toEqual([columns, rows]);
    const worst = Math.max(...planes(pixels).map((level, i) => Math.abs(level - data[i]!)));
    expect(worst).toBeLessThanOrEqual(tolerance);
  });
});

async function scans(names: readonly string[]): Promise<TestFolder> {
  const folder = await TestFolder.make([]);
  for (const name of names) await copyFile(join(fixtures, `${name}.dcm`), folder.file("images", `${name}.dcm`));
  return folder;
}
const row = { text: "no effusion, an old fracture", attributes: ["fracture"] };

test("spacing is kept and scaled, patients are grouped, and no name, id or day reaches the dataset", async () => {
  const folder = await scans(["window", "monochrome1", "rgb", "frames"]);
  const table = ["window.dcm", "monochrome1.dcm", "rgb.dcm", "frames.dcm#0"].map((image) => ({ ...row, image }));
  const out = folder.file("data");
  await folder.ingest(await folder.jsonl(table), { image: { maxSide: 20 } });
  const { annotations } = await openDataset(out);
  expect(annotations).toHaveLength(4);
  expect(annotations[0]!.imageSize).toEqual([17, 20]);
  expect(new Set(annotations.map(({ split }) => split)).size).toBe(1);
  const sources = await readFeather(await readFile(join(out, "sources.feather")));
  expect([...sources.column("pixel_spacing")]).toEqual([[1, 0.5], [0.28, 0.28], null, null]);
  const groups = [...sources.column("group")] as string[];
  expect(groups).toEqual(Array.from({ length: 4 }, () => expect.stringMatching(/^patient [0-9a-f]{16}$/)));
  for (const name of readdirSync(out, { recursive: true, withFileTypes: true })) {
    if (!name.isFile()) continue;
    const contents = await readFile(join(name.parentPath, name.name), "latin1");
    expect(contents, name.name).not.toMatch(/Secret|Hidden|P-0042|19510413|20210203/);
  }
});

test("of several frames the middle one is taken, and a row may name another", async () => {
  const path = join(fixtures, "frames.dcm");
  expect(await readPicture(path)).toEqual(await readPicture(`${path}#1`));
  await expect(readPicture(`${path}#4`)).rejects.toThrow("it has no frame 4; its 4 are counted from 0");
  const folder = await TestFolder.make(["a.png"]);
  await copyFile(folder.file("images", "a.png"), folder.file("images", "a.dcm"));
  const table = await folder.jsonl([{ ...row, image: "a.dcm#2" }]);
  await expect(folder.ingest(table)).rejects.toThrow("its image names a frame, which only DICOM files have");
});

test("frames: a row for each with its text, its boxes and its split; a row that names one keeps it", async () => {
  const folder = await scans(["frames", "rle-frames", "window"]);
  const boxes = [[2, 2, 20, 20]];
  const table = [
    { ...row, image: "window.dcm", id: "w" },
    { ...row, image: "frames.dcm", id: "f", boxes },
    { ...row, image: "rle-frames.dcm#0", id: "one" },
    { ...row, image: "rle-frames.dcm" },
  ];
  const path = await folder.jsonl(table);
  const { rows: count } = await folder.ingest(path, { frames: "all" });
  const counts = [files.frames!.frames.length, files["rle-frames"]!.frames.length];
  expect(count).toBe(2 + counts[0]! + counts[1]!);
  const dataset = await openDataset(folder.file("data"));
  const sources = await readFeather(await readFile(folder.file("data", "sources.feather")));
  const names = [...sources.column("source")] as string[];
  const numbered = (name: string, frames: number) => Array.from({ length: frames }, (_, i) => `${name}#${i}`);
  expect(names).toEqual([
    ...["window.dcm", ...numbered("frames.dcm", counts[0]!), "rle-frames.dcm#0"],
    ...numbered("rle-frames.dcm", counts[1]!),
  ]);
  expect([...sources.column("id")].slice(0, 3)).toEqual(["w", "f#0", "f#1"]);
  for (const [i, frame] of numbered("frames.dcm", counts[0]!).entries()) {
    const annotation = dataset.annotations[1 + i]!;
    expect(annotation).toMatchObject({ regionCoord: boxes, text: dataset.annotations[0]!.text });
    expect((await dataset.readImage(annotation)).data).toEqual((await readPicture(folder.file("images", frame))).data);
  }
  expect(new Set(dataset.annotations.map(({ split }) => split)).size).toBe(1); // one patient

  // Bad rows are told by the number that the table has.
  const bad = await folder.jsonl([...table, { ...row, image: "missing.dcm" }]);
  await expect(folder.ingest(bad, { frames: "all", out: folder.file("bad") })).rejects.toThrow("row 4 (missing.dcm)");
});

describe("a window of one's own shows what pydicom shows through it", () => {
  const { cases } = JSON.parse(readFileSync(join(fixtures, "windows.json"), "utf8")) as {
    cases: { name: string; window: [number, number]; pixels: string }[];
  };
  test.each(cases)("$name: $window", async ({ name, window, pixels }) => {
    const folder = await scans([name]);
    await folder.ingest(await folder.jsonl([{ ...row, image: `${name}.dcm` }]), { image: { window } });
    const dataset = await openDataset(folder.file("data"));
    const { data } = await dataset.readImage(dataset.annotations[0]!);
    expect([...data]).toEqual(planes(pixels));
  });

  test.each([[[100, 0]], [[Number.NaN, 10]], [[100]]])("%j is refused", async (window) => {
    const folder = await scans(["window"]);
    const refused = folder.ingest(await folder.jsonl([{ ...row, image: "window.dcm" }]), {
      image: { window: window as unknown as [number, number] },
    });
    await expect(refused).rejects.toMatchObject({ code: "InvalidArgument" });
  });
});

test("a group of the table's own comes before the patient", async () => {
  const folder = await scans(["window"]);
  await folder.ingest(await folder.jsonl([{ ...row, image: "window.dcm", group: "g" }]));
  const sources = await readFeather(await readFile(folder.file("data", "sources.feather")));
  expect([...sources.column("group")]).toEqual(["g"]);
});

describe("damaged files are bad rows with one clear clause", () => {
  test("cut off at any place", async () => {
    for (const name of ["window", "rle-frames", "jpeg-2000", "jpeg-ls", "jpeg-lossless", "jpeg", "deflated"]) {
      const whole = await readFile(join(fixtures, `${name}.dcm`));
      const folder = await TestFolder.make([]);
      for (let i = 1; i < 8; i++) {
        const path = folder.file("cut.dcm");
        await writeFile(path, whole.subarray(0, 132 + Math.floor(((whole.length - 132) * i) / 8)));
        const error = await readPicture(path).then(
          () => undefined,
          (thrown: unknown) => thrown,
        );
        // Codecs may make a picture of what is left of a stream.
        if (error === undefined) continue;
        expect(isVillaError(error, "InvalidFile"), `${name} ${i}: ${(error as Error).message}`).toBe(true);
        expect((error as Error).message.length).toBeLessThan(300);
      }
    }
  }, 60_000);

  test.each([
    [
      "a syntax that is not known",
      "1.2.840.10008.1.2.4.70",
      "1.2.840.10008.1.2.4.99",
      "its transfer syntax 1.2.840.10008.1.2.4.99 is not known",
    ],
    ["run lengths that are not", "1.2.840.10008.1.2.4.70", "1.2.840.10008.1.2.5\0\0\0", "its run lengths have"],
  ])("%s", async (_, from, to, message) => {
    const text = (await readFile(join(fixtures, "jpeg-lossless.dcm"))).toString("latin1");
    const folder = await TestFolder.make([]);
    await writeFile(folder.file("images", "bad.dcm"), Buffer.from(text.replace(from, to), "latin1"));
    const table = await folder.jsonl([{ ...row, image: "bad.dcm" }]);
    await expect(folder.ingest(table)).rejects.toThrow(`row 0 (bad.dcm): ${message}`);
  });
});
