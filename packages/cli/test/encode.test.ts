import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { readNpy, readSafetensors, type TensorData, writeSafetensors } from "@villa/data";
import { pictureToPng } from "@villa/ingest/node";
import { bytes, cosineSimilarity, expectAllClose, golden } from "@villa/testing";
import { namedTransformer } from "@villa/testing/transformer-weights";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { runVilla } from "../src/main.ts";

interface FolderCase {
  readonly kind: string;
  readonly salt: string;
  readonly files: Readonly<Record<string, unknown>>;
  readonly shapes: Readonly<Record<string, readonly number[]>>;
  readonly picture: { readonly name: string; readonly width: number; readonly height: number };
  readonly texts: readonly string[];
  readonly image: readonly number[];
  readonly text_features: readonly (readonly number[])[];
}

interface Features {
  readonly image: number[] | null;
  readonly regions: number[][];
  readonly texts: number[][];
}

const { json } = golden();
const cases = ["encode.json", "encode_open_clip.json"].flatMap((file) => json<{ cases: FolderCase[] }>(file).cases);

let root = "";
let picture = "";
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), "villa-encode-"));
  picture = join(root, `${cases[0]!.kind}.png`);
  for (const { kind, salt, files, shapes, picture } of cases) {
    await mkdir(join(root, kind));
    for (const [name, contents] of Object.entries(files)) {
      await writeFile(join(root, kind, name), JSON.stringify(contents));
    }
    const weights = "open_clip_config.json" in files ? "open_clip_model.safetensors" : "model.safetensors";
    await writeFile(join(root, kind, weights), writeSafetensors(namedTransformer(salt, shapes)));
    const { width, height } = picture;
    const pixels = { width, height, channels: 3 as const, data: bytes(picture.name, 3 * width * height) };
    await writeFile(join(root, `${kind}.png`), await pictureToPng(pixels));
  }
});
afterAll(() => rm(root, { recursive: true, force: true }));

async function villa(...argv: string[]) {
  const lines = { out: [] as string[], err: [] as string[] };
  const exitCode = await runVilla(argv, {
    out: (line) => lines.out.push(line),
    err: (line) => lines.err.push(line),
    interactive: false,
  });
  return { exitCode, out: lines.out, err: lines.err.join("\n") };
}

async function encode(...argv: string[]): Promise<Features> {
  const { exitCode, out, err } = await villa("encode", "--json", ...argv);
  expect(err).toBe("");
  expect(exitCode).toBe(0);
  return JSON.parse(out.at(-1)!);
}

const textFlags = (texts: readonly string[]) => texts.flatMap((text) => ["--text", text]);

describe.each(cases)("a $kind folder", ({ kind, image, texts, text_features }) => {
  test("gives what get_image_features and get_text_features give", async () => {
    const features = await encode(
      ...["--encoder", join(root, kind), "--image", join(root, `${kind}.png`)],
      ...["--box", "4,4,30,30", "--box", "0,0,50,37"],
      ...textFlags(texts),
    );
    expectAllClose(features.image!, image, { rtol: 1e-4, atol: 1e-5 });
    expectAllClose(features.texts.flat(), text_features.flat(), { rtol: 1e-4, atol: 1e-5 });
    expect(features.regions.map(({ length }) => length)).toEqual([image.length, image.length]);
  });

  test("gives regions in each of the ways, and texts alone", async () => {
    const folder = ["--encoder", join(root, kind)];
    const boxes = ["--image", join(root, `${kind}.png`), "--box", "4,4,30,30"];
    const seen = new Set<string>();
    for (const how of ["roi-align", "crop", "mask"]) {
      const { regions, texts } = await encode(...folder, ...boxes, "--regions", how);
      expect(texts).toEqual([]);
      seen.add(JSON.stringify(regions));
    }
    expect(seen.size).toBe(3);
    const alone = await encode(...folder, "--text", texts[0]!);
    expect(alone).toMatchObject({ image: null, regions: [] });
    expectAllClose(alone.texts[0]!, text_features[0]!, { rtol: 1e-4, atol: 1e-5 });
  });
});

test("float16 weights are refused where the backend has none", async () => {
  const flags = ["--encoder", join(root, cases[0]!.kind), "--storage", "float16", "--backend", "native"];
  for (const what of [
    ["--image", picture],
    ["--text", "a red mug"],
  ]) {
    const { exitCode, err } = await villa("encode", ...flags, ...what);
    expect(exitCode).not.toBe(0);
    expect(err).toMatch(/stored as float16 on the backend webgpu alone, not on native; leave storage at float32/);
  }
});

test.runIf(process.env.VILLA_TEST_WEBGPU === "1")(
  "float16 weights on webgpu give nearly the same",
  async () => {
    const { kind, image, texts, text_features } = cases[0]!;
    const flags = ["--encoder", join(root, kind), "--image", picture, ...textFlags(texts)];
    const features = await encode(...flags, "--backend", "webgpu", "--storage", "float16");
    for (const [actual, expected] of [
      [features.image!, image],
      [features.texts.flat(), text_features.flat()],
    ] as const) {
      // biome-ignore format: one line says it
      const cosine = cosineSimilarity(actual, expected);
      expect(cosine).toBeGreaterThan(0.999_997);
      expect(cosine).toBeLessThan(1 - 1e-9); // else nothing was rounded
    }
  },
  120_000,
);

test("features go into files that NumPy and safetensors read", async () => {
  const { kind, texts } = cases[0]!;
  const flags = ["--encoder", join(root, kind), "--image", picture, "--box", "4,4,30,30", "--text", texts[0]!];
  const features = await encode(...flags, "--out", join(root, "features.npy"));
  const array = readNpy(await readFile(join(root, "features.npy"))) as TensorData;
  expect(array).toMatchObject({ dtype: "float32", shape: [3, 12] });
  expect([...array.data]).toEqual(
    [features.image, ...features.regions, ...features.texts].flat().map((v) => Math.fround(v!)),
  );

  const { exitCode, out } = await villa("encode", ...flags, "--out", join(root, "features.safetensors"));
  expect(exitCode).toBe(0);
  expect(out.join("\n")).toMatch(/picture +12 values[\s\S]*box 1 +12 values[\s\S]*text 1 +12 values/);
  const { tensors } = readSafetensors(await readFile(join(root, "features.safetensors")));
  expect(tensors.get("image")).toMatchObject({ shape: [12] });
  expect(tensors.get("regions")).toMatchObject({ shape: [1, 12] });
  expect(tensors.get("texts")!.data).toEqual(array.data.slice(24));
});

test("an ONNX folder serves like any other", async () => {
  const { path, json } = golden();
  const { siglip } = json<{ cases: Record<string, { texts: number[][] }> }>("onnx/cases.json").cases;
  const { texts } = json<{ texts: string[] }>("onnx/cases.json");
  const flags = ["--encoder", path("onnx/siglip"), "--image", picture, "--box", "4,4,30,30"];
  const features = await encode(...flags, ...textFlags(texts));
  expectAllClose(features.texts.flat(), siglip!.texts.flat(), { rtol: 1e-4, atol: 1e-5 });
  expect([features.image!.length, features.regions[0]!.length]).toEqual([16, 16]);
});

test("encoders without files serve too", async () => {
  const flags = ["--encoder", "pixels", "--dimension", "16", "--text", "red"];
  const { image, texts } = await encode(...flags, "--image", picture);
  expect([image!.length, texts[0]!.length]).toEqual([16, 16]);
  expect((await encode(...flags)).texts).toEqual(texts);
});

test.each([
  [[], 2, /Nothing to encode: give --image, --text or both/],
  [["--box", "0,0,4,4", "--text", "a"], 2, /--box is a region of a picture/],
  [["--box", "0,0,4", "--image", "a.png"], 2, /Give four numbers: x0,y0,x1,y1/],
  [["--text", "a", "--out", "a.csv"], 2, /--out takes FILE\.npy or FILE\.safetensors, not "a\.csv"/],
  [
    ["--image", "PICTURE", "--box", "60,0,70,10"],
    2,
    /The box 60,0,70,10 lies outside of the picture, which has 50 × 37/,
  ],
  [["--image", "PICTURE", "--box", "9,0,4,10"], 2, /The box \[9, 0, 4, 10\] must be x0, y0, x1, y1/],
  [["--image", "nowhere.png"], 1, /nowhere\.png/],
])("%j is refused", async (flags, code, message) => {
  const words = flags.map((word) => (word === "PICTURE" ? picture : word));
  const { exitCode, err } = await villa("encode", "--encoder", "pixels", ...words);
  expect(err).toMatch(message);
  expect(exitCode).toBe(code);
});
