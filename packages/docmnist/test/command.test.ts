import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { decodeImage, encodePng, type MappingAnnotation, writeAnnotations } from "@villa/data";
import { openDataset } from "@villa/data/node";
import { beforeEach, describe, expect, it } from "vitest";
import { runDocmnist } from "../src/command/run.ts";
import { namedDigits } from "./golden-dataset.ts";
import { idx, writeIdxFiles } from "./idx-files.ts";
import { temporaryFolders } from "./temporary-folder.ts";

const folder = temporaryFolders();
let out: string;
let digits: string;
beforeEach(() => {
  out = folder();
  digits = folder();
  writeIdxFiles(digits, { t10k: namedDigits("command", 100) });
});

async function run(...argv: string[]): Promise<{ code: number; out: string; err: string }> {
  const result = { out: "", err: "" };
  const terminal = {
    out: (text: string) => {
      result.out += `${text}\n`;
    },
    err: (text: string) => {
      result.err += `${text}\n`;
    },
    interactive: false,
  };
  return { code: await runDocmnist(argv, terminal), ...result };
}

const sizes = ["--attribute-budget", "200", "--target-sample-complexity", "8", "--val-attribute-budget", "50"];
const generate = (...more: string[]) => run("generate", ...sizes, "--digits", digits, "--out", out, ...more);

describe("docmnist generate", () => {
  it("writes a dataset and says so", async () => {
    const { code, out: said, err } = await generate();
    expect([code, err]).toEqual([0, expect.stringContaining("100 t10k digits serve")]);
    const [name] = readdirSync(out);
    expect(name).toMatch(/^docmnist_200_\d\.\d$/);
    expect(said).toContain(join(out, name!));
    expect(said).toMatch(/\d+ train images .* \d+ val images/);
    expect(readdirSync(join(out, name!)).sort()).toEqual(["annotations.feather", "attributes.json", "images"]);
  });

  it("is meant when no subcommand is named; snake_case flags mean the same", async () => {
    const { code, out: said } = await run(
      "--attribute_budget=200",
      "--target_sample_complexity=8",
      "--val_attribute_budget=50",
      `--digits=${digits}`,
      `--out=${out}`,
      "--json",
    );
    expect(code).toBe(0);
    const { directory, splits } = JSON.parse(said);
    expect(existsSync(directory)).toBe(true);
    expect(splits).toMatchObject({ train: { images: expect.any(Number) }, val: { images: expect.any(Number) } });
  });

  it("chooses attributes by flags and by file", async () => {
    const file = join(digits, "attributes.json");
    writeFileSync(file, JSON.stringify({ colors: ["red"], sizes: ["large"] }));
    const flags = [
      "--classes",
      "1,two",
      "--colors",
      "blue,orange=#ff8800",
      "--shapes",
      "cross,none",
      "--grid-size",
      "2",
    ];
    const { code, out: said } = await generate(
      "--attributes",
      file,
      ...flags,
      "--test-attribute-budget",
      "40",
      "--json",
    );
    expect(code).toBe(0);
    const dataset = await openDataset(JSON.parse(said).directory);
    expect(dataset.vocabulary.groups.map((group) => group.attributes)).toEqual([
      ["one", "two"],
      ["blue", "orange"],
      ["cross"],
      ["large"],
    ]);
    expect(dataset.splits).toEqual(["train", "val", "test"]);
    expect(dataset.annotations[0]!.imageSize).toEqual([56, 56]);
  });

  it("draws glyphs, the same for the same seed", async () => {
    const glyphs = async (seed: string, name: string) => {
      const { out: said } = await run(
        "generate",
        ...sizes,
        "--digits",
        "glyphs",
        "--seed",
        seed,
        "--out",
        join(out, name),
        "--json",
      );
      return (await run("digest", JSON.parse(said).directory)).out;
    };
    const first = await glyphs("5", "a");
    expect(await glyphs("5", "b")).toBe(first);
    expect(await glyphs("6", "c")).not.toBe(first);
  });

  it.each<[string, string[], number, string]>([
    ["budget of zero", ["--attribute-budget", "0"], 2, "Give a whole number of at least 1."],
    ["negative budget", ["--attribute-budget=-3"], 2, "'-3' is invalid. Give a whole number of at least 1."],
    ["complexity of 3", ["--target-sample-complexity", "3"], 2, "at least 4, not 3"],
    [
      "complexity in words",
      ["--target-sample-complexity", "many"],
      2,
      "'many' is invalid. Give a whole number of at least 1.",
    ],
    ["negative val budget", ["--val-attribute-budget=-1"], 2, "Give a whole number of at least 0."],
    ["seed out of range", ["--seed", "4294967296"], 2, "seed"],
    ["unknown attribute", ["--colors", "pink"], 2, 'There is no colour "pink"'],
    ["colour without a value", ["--colors", "pink=rose"], 2, "name=#rrggbb"],
    ["unknown flag", ["--colour", "red"], 2, "Unknown option '--colour'"],
    ["budget too small for one image", ["--attribute-budget", "1"], 2, "not enough for the first image"],
    ["folder without digits", ["--digits", "/nowhere/at/all"], 1, "There is no folder /nowhere/at/all"],
    ["attribute file that is missing", ["--attributes", "/nowhere.json"], 1, "There is no file /nowhere.json"],
    [
      "unreachable mirror",
      ["--digits", "mnist", "--mirror", "http://127.0.0.1:1/"],
      1,
      "With --digits glyphs nothing is downloaded.",
    ],
  ])("answers a %s with one sentence and leaves nothing", async (_, flags, code, sentence) => {
    const cache = process.env.VILLA_CACHE;
    process.env.VILLA_CACHE = join(digits, "cache");
    try {
      const result = await generate(...flags);
      expect(result).toMatchObject({ code, out: "", err: expect.stringContaining(sentence) });
      expect(
        result.err
          .trimEnd()
          .split("\n")
          .filter((line) => line.startsWith("docmnist: ")),
      ).toHaveLength(1);
      expect(result.err).not.toContain("    at ");
      expect(readdirSync(out)).toEqual([]);
    } finally {
      if (cache === undefined) delete process.env.VILLA_CACHE;
      else process.env.VILLA_CACHE = cache;
    }
  });

  it("answers damaged digit files with one sentence", async () => {
    writeFileSync(join(digits, "t10k-images-idx3-ubyte"), idx([100, 28, 28], new Uint8Array(5)));
    expect(await generate()).toMatchObject({ code: 1, err: expect.stringContaining("truncated") });
    writeFileSync(join(digits, "t10k-images-idx3-ubyte"), "PNG");
    expect(await generate()).toMatchObject({ code: 1, err: expect.stringContaining("wrong magic number") });
    expect(readdirSync(out)).toEqual([]);
  });

  it("refuses an existing folder, and replaces it with --overwrite", async () => {
    await generate();
    const [name] = readdirSync(out);
    writeFileSync(join(out, name!, "mapping_train.feather"), "old");
    expect(await generate()).toMatchObject({ code: 1, err: expect.stringContaining("pass --overwrite") });
    expect(existsSync(join(out, name!, "mapping_train.feather"))).toBe(true);
    expect((await generate("--overwrite")).code).toBe(0);
    expect(existsSync(join(out, name!, "mapping_train.feather"))).toBe(false);
  });

  it("shows a stack trace only when asked", async () => {
    expect((await generate("--colors", "pink", "--verbose")).err).toContain("    at ");
  });
});

describe("docmnist digest", () => {
  it("prints the same JSON over many lines, or with --json as one", async () => {
    const { directory } = JSON.parse((await generate("--json")).out);
    const [many, one] = [(await run("digest", directory)).out, (await run("digest", directory, "--json")).out];
    expect(one.trimEnd().split("\n")).toHaveLength(1);
    expect(many.trimEnd().split("\n").length).toBeGreaterThan(10);
    expect(JSON.parse(one)).toEqual(JSON.parse(many));
  });

  it("answers folders that are no DocMNIST dataset", async () => {
    expect(await run("digest", join(out, "nowhere"))).toMatchObject({
      code: 1,
      err: expect.stringContaining("no dataset folder"),
    });
    expect(await run("digest", out)).toMatchObject({ code: 1, err: expect.stringContaining("annotations.feather") });
    writeFileSync(join(out, "annotations.feather"), "ARROW1 no, not really");
    expect(await run("digest", out)).toMatchObject({ code: 1, out: "" });
    expect(await run("digest")).toMatchObject({ code: 2, err: expect.stringContaining("Missing required argument") });
  });
});

describe("docmnist visualize", () => {
  let directory: string;
  beforeEach(async () => {
    directory = JSON.parse((await generate("--json")).out).directory;
  });

  it("draws a PNG and an HTML page", async () => {
    const png = join(out, "a.png");
    expect(await run("visualize", directory, "--image-id", "0,3", "--scale", "2", "--out", png)).toMatchObject({
      code: 0,
      out: `${png}: 2 images\n`,
    });
    const { width } = await decodeImage(new Uint8Array(readFileSync(png)));
    expect(width).toBe(2 * 168 + 3 * 4);
    const html = join(out, "a.html");
    const { out: said } = await run("visualize", directory, "--count", "3", "--out", html, "--json");
    expect(JSON.parse(said)).toEqual({ out: html, imageIds: [0, 1, 2] });
    const page = readFileSync(html, "utf8");
    expect(page.match(/<figure class="picture">/g)).toHaveLength(3);
    expect(page).toContain("data:image/png;base64,iVBOR");
  });

  it("draws a mapping", async () => {
    const { annotations } = await openDataset(directory);
    const row = annotations[2]!;
    const mapping: MappingAnnotation = {
      ...row,
      assignedAttributes: row.regToAttr!.map((attributes) => [attributes[0]!, "wrong<"]),
      assignedText: row.regToAttr!.map(() => "text"),
    };
    const file = join(out, "mapping_train.feather");
    writeFileSync(file, await writeAnnotations([mapping]));
    const html = join(out, "m.html");
    expect((await run("visualize", directory, "--mapping", file, "--out", html, "--json")).out).toContain("[2]");
    const page = readFileSync(html, "utf8");
    expect(page).toContain('<span class="chip wrong">✗ wrong&#60;</span>');
    expect(page).toContain(`<span class="chip right">✓ ${row.regToAttr![0]![0]}</span>`);
    expect((await run("visualize", directory, "--mapping", file, "--out", join(out, "m.png"))).code).toBe(0);
  });

  it("draws large photographs at a size that fits a screen", async () => {
    const image = encodePng({ width: 1600, height: 1200, data: new Uint8Array(4 * 1600 * 1200).fill(255) });
    writeFileSync(join(directory, "photo.png"), image);
    const rows = [0, 1, 2, 3].map((imageId) => ({
      imageId,
      imageSize: [1200, 1600] as const,
      imageFilepath: "photo.png",
      regionCoord: [[1500, 1100, 1600, 1200] as const],
      numRegions: 1,
      split: "train",
      text: "the image is red",
      attributes: ["red"],
      regToAttr: [["red"]],
    }));
    writeFileSync(join(directory, "annotations.feather"), await writeAnnotations(rows));
    const png = join(out, "photos.png");
    expect(await run("visualize", directory, "--out", png)).toMatchObject({ code: 0 });
    const { width, height } = await decodeImage(new Uint8Array(readFileSync(png)));
    expect(width).toBeLessThan(1300);
    expect(height).toBeLessThan(1300);
  });

  it("judges nothing where the truth is not known", async () => {
    const { annotations } = await openDataset(directory);
    const rows = annotations.map(({ regToAttr: _, ...row }) => row);
    writeFileSync(join(directory, "annotations.feather"), await writeAnnotations(rows));
    const mapping = rows.slice(0, 2).map((row) => ({
      ...row,
      assignedAttributes: row.regionCoord.map(() => ["red"]),
      assignedText: row.regionCoord.map(() => "the image is red"),
    }));
    const file = join(out, "mapping_train.feather");
    writeFileSync(file, await writeAnnotations(mapping));
    const html = join(out, "unknown.html");
    expect((await run("visualize", directory, "--mapping", file, "--out", html)).code).toBe(0);
    const page = readFileSync(html, "utf8");
    expect(page).toContain('<span class="chip unknown">red</span>');
    expect(page).toContain("so nothing is judged");
    expect(page).not.toMatch(/class="chip (?:right|wrong|missed)"/);
  });

  it.each([
    ["image that is not there", ["--image-id", "9999", "--out", "x.png"], 2, "has no image 9999"],
    ["file of another type", ["--out", "x.gif"], 2, ".png or .html"],
    ["missing --out", [], 2, "--out"],
    ["folder that cannot be written", ["--out", "/dev/null/x.png"], 1, "Cannot write"],
  ])("answers a %s", async (_, flags, code, sentence) => {
    expect(await run("visualize", directory, ...flags)).toMatchObject({ code, err: expect.stringContaining(sentence) });
  });
});

describe("docmnist", () => {
  it("helps, with an example, on standard output", async () => {
    for (const argv of [["--help"], ["generate", "--help"], ["digest", "--help"], ["visualize", "--help"]]) {
      const { code, out: said } = await run(...argv);
      expect([argv, code]).toEqual([argv, 0]);
      expect(said).toMatch(/Examples?:\n {2}docmnist/);
    }
  });

  it("answers wrong usage with code 2", async () => {
    expect(await run()).toMatchObject({ code: 2, out: "", err: expect.stringContaining("Usage: docmnist") });
    expect(await run("generat")).toMatchObject({ code: 2, err: expect.stringContaining("Unknown command 'generat'") });
    expect(await run("generate", "--attribute-budget", "5")).toMatchObject({
      code: 2,
      err: "docmnist: Required option '--target-sample-complexity <n>' not specified\nRun the command with --help to see how it is used.\n",
    });
  });
});
