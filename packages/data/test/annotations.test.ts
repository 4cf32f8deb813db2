import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  attributeNames,
  attributePrompts,
  createAnnotationWriter,
  decodeRle,
  docMnistVocabulary,
  encodeRle,
  formatRleString,
  formatVocabulary,
  type ImageAnnotation,
  type MappingAnnotation,
  parseVocabulary,
  readAnnotations,
  readFeather,
  readMappings,
  regionMasks,
  writeAnnotations,
  writeFeather,
} from "../src/index.ts";
import { thrown } from "./temporary.ts";

const row: ImageAnnotation = {
  imageId: 7,
  imageSize: [84, 84],
  imageFilepath: "images/7.npz",
  regionCoord: [
    [0, 0, 28, 28],
    [28, 0, 56, 28],
  ],
  numRegions: 2,
  split: "train",
  text: "the color is red . the shape is a circle",
  digitLabel: ["zero", "one"],
  colorLabel: ["red", "red"],
  shapeLabel: [null, "circle"],
  sizeLabel: [null, "small"],
  regToAttr: [
    ["zero", "red"],
    ["one", "red", "circle", "small"],
  ],
  attributes: ["zero", "red", "one", "circle", "small"],
};
const { digitLabel: _d, colorLabel: _c, shapeLabel: _s, sizeLabel: _z, regToAttr: _r, ...bare } = row;
const mapping: MappingAnnotation = {
  ...row,
  assignedAttributes: [["zero"], []],
  assignedText: ["the digit is zero", ""],
};

describe("annotations", () => {
  test.each(["none", "lz4"] as const)("survive, compression %s", async (compression) => {
    const rows = [
      row,
      {
        ...row,
        imageId: 8,
        regionCoord: [],
        numRegions: 0,
        digitLabel: [],
        colorLabel: [],
        shapeLabel: [],
        sizeLabel: [],
        regToAttr: [],
      },
    ];
    expect(await readAnnotations(await writeAnnotations(rows, { compression }))).toEqual(rows);
  });

  test("columns are those of the Python implementation, with its types", async () => {
    const table = await readFeather(await writeAnnotations([row]));
    expect(table.columnNames).toEqual([
      ..."image_id image_size image_filepath region_coord num_regions split text".split(" "),
      ..."digit_label color_label shape_label size_label reg_to_attr attributes".split(" "),
    ]);
  });

  test("sentences are a column of lists behind the text", async () => {
    const rows = [
      { ...bare, sentences: ["the color is red", "3.5 cm"] },
      { ...bare, sentences: [] },
    ];
    const bytes = await writeAnnotations(rows);
    const { columnNames } = await readFeather(bytes);
    expect(columnNames.indexOf("sentences")).toBe(columnNames.indexOf("text") + 1);
    expect(await readAnnotations(bytes)).toEqual(rows);
  });

  test("datasets without ground truth have only the columns they need", async () => {
    const bytes = await writeAnnotations([bare]);
    expect((await readFeather(bytes)).columnNames).not.toContain("reg_to_attr");
    expect(await readAnnotations(bytes)).toEqual([bare]);
  });

  test("mappings add what was assigned; as annotations they are read without it", async () => {
    const bytes = await writeAnnotations([mapping]);
    expect(await readMappings(bytes)).toEqual([mapping]);
    expect(await readAnnotations(bytes)).toEqual([row]);
    await expect(readMappings(await writeAnnotations([row]))).rejects.toThrow('lack the column "assigned_attributes"');
  });

  test("pieces make the same file as one go", async () => {
    const rows = Array.from({ length: 10 }, (_, imageId) => ({ ...row, imageId }));
    const writer = await createAnnotationWriter();
    const bytes = [writer.append(rows.slice(0, 4)), writer.append(rows.slice(4)), writer.finish()];
    expect(await readAnnotations(Uint8Array.from(bytes.flatMap((piece) => [...piece])))).toEqual(rows);
    expect(await readAnnotations((await createAnnotationWriter()).finish())).toEqual([]);
  });

  test("boxes between pixels are written as such", async () => {
    const rows: ImageAnnotation[] = [
      {
        ...bare,
        regionCoord: [
          [0.5, 0, 28, 28.25],
          [0, 0, 1, 1],
        ],
      },
    ];
    expect(await readAnnotations(await writeAnnotations(rows))).toEqual(rows);
  });

  test("unknown columns are ignored, a missing number of regions is counted", async () => {
    const bytes = await writeFeather([
      { name: "image_id", type: "int64", values: [7] },
      { name: "image_size", type: { list: "int64" }, values: [[84, 84]] },
      { name: "image_filepath", type: "string", values: ["images/7.npz"] },
      { name: "region_coord", type: { list: { list: "float64" } }, values: [[[0.5, 0, 28, 28]]] },
      { name: "split", type: "string", values: ["train"] },
      { name: "text", type: "string", values: ["x"] },
      { name: "attributes", type: { list: "string" }, values: [["zero"]] },
      { name: "patient", type: "string", values: ["p1"] },
    ]);
    const [read] = await readAnnotations(bytes);
    expect(read).toMatchObject({ imageId: 7, numRegions: 1, regionCoord: [[0.5, 0, 28, 28]] });
    expect(read).not.toHaveProperty("patient");
  });

  test.each<[string, Partial<Record<keyof MappingAnnotation, unknown>>, string]>([
    ["an id that is no number", { imageId: 1.5 }, "image_id is not a whole number"],
    ["a size of three", { imageSize: [3, 84, 84] }, "image_size is not a height and a width"],
    ["an empty size", { imageSize: [0, 84] }, "image_size is not a height and a width"],
    ["no path", { imageFilepath: "" }, "image_filepath is empty"],
    ["no split", { split: null }, "split is empty"],
    ["no text", { text: undefined }, "text is missing"],
    ["a box of three", { regionCoord: [[0, 0, 1]] }, "a box that is not four numbers"],
    ["a box of NaN", { regionCoord: [[0, 0, 1, Number.NaN]] }, "a box that is not four numbers"],
    [
      "swapped corners",
      {
        regionCoord: [
          [5, 0, 1, 1],
          [0, 0, 1, 1],
        ],
      },
      "corners swapped",
    ],
    ["a wrong count", { numRegions: 3 }, "num_regions is 3, but there are 2 boxes"],
    ["too few labels", { colorLabel: ["red"] }, "colorLabel does not label 2 regions"],
    ["too few truths", { regToAttr: [["zero"]] }, "regToAttr does not list the attributes of 2 regions"],
    ["too few assignments", { assignedText: ["x"] }, "assignedText is not one text for each of 2 regions"],
    ["sentences that are none", { sentences: [1] }, "sentences is not a list of texts"],
    ["a sentence that would come apart", { sentences: ["a . b"] }, 'the sentence "a . b" holds " . "'],
    ["attributes that are no words", { attributes: [null] }, "attributes is not a list of words"],
  ])("%s is refused, naming the row", async (_, change, reason) => {
    const bad = { ...row, ...change } as ImageAnnotation;
    const failure = expect(writeAnnotations([row, bad])).rejects;
    await failure.toMatchObject({
      code: "InvalidArgument",
      message: expect.stringMatching(new RegExp(`^Row 1 of the annotations is wrong: .*${reason}`)),
    });
  });

  test("what is wrong in a file is said the same way", async () => {
    const table = await readFeather(await writeAnnotations([row]));
    expect(table.column("num_regions")).toEqual([2]);
    const bytes = await writeFeather([
      { name: "image_id", type: "int64", values: [1] },
      { name: "image_size", type: { list: "int64" }, values: [[84]] },
      { name: "image_filepath", type: "string", values: ["a"] },
      { name: "region_coord", type: { list: { list: "int64" } }, values: [[]] },
      { name: "split", type: "string", values: ["val"] },
      { name: "text", type: "string", values: [""] },
      { name: "attributes", type: { list: "string" }, values: [[]] },
    ]);
    await expect(readAnnotations(bytes)).rejects.toMatchObject({
      code: "InvalidFile",
      message: "Row 0 of the annotations is wrong: image_size is not a height and a width.",
    });
    await expect(readAnnotations(await writeFeather([{ name: "x", type: "int64", values: [] }]))).rejects.toThrow(
      'lack the column "image_id"',
    );
  });
});

describe("attribute vocabulary", () => {
  test("DocMNIST's has the original's order and templates", () => {
    const names = attributeNames(docMnistVocabulary);
    expect(names).toHaveLength(20);
    expect(names.slice(15)).toEqual(["rectangle", "circle", "small", "medium", "large"]);
    const prompts = attributePrompts(docMnistVocabulary);
    expect(prompts.map(({ attribute }) => attribute)).toEqual(names);
    expect(prompts[0]).toEqual({
      attribute: "zero",
      group: "digit",
      prompts: [
        "the image shows a zero",
        "the digit appears to be zero",
        "there is an image showing a zero",
        "the number is a zero",
      ],
    });
  });

  test("any vocabulary survives", () => {
    const word = fc.string({ minLength: 1 });
    const groups = fc.array(
      fc.record({
        name: word,
        attributes: fc.uniqueArray(word, { minLength: 1, maxLength: 3 }),
        templates: fc.array(
          word.map((text) => `${text} {}`),
          { minLength: 1, maxLength: 3 },
        ),
      }),
      { minLength: 1, maxLength: 3 },
    );
    fc.assert(
      fc.property(groups, (made) => {
        const distinct = made.map((group, i) => ({ ...group, attributes: group.attributes.map((a) => `${i}${a}`) }));
        const unique = distinct.flatMap((group) => group.attributes);
        fc.pre(new Set(unique).size === unique.length);
        expect(parseVocabulary(formatVocabulary({ groups: distinct }))).toEqual({ groups: distinct });
      }),
    );
  });

  test.each([
    ["{", "not valid JSON"],
    ["null", 'no list of "groups"'],
    ['{"groups": []}', 'no list of "groups"'],
    ['{"groups": [{"attributes": ["a"], "templates": ["{}"]}]}', "group 1 has no name"],
    ['{"groups": [{"name": "g", "attributes": [], "templates": ["{}"]}]}', 'group "g" has no attributes'],
    ['{"groups": [{"name": "g", "attributes": ["a"], "templates": ["x"]}]}', "does not contain {}"],
    ['{"groups": [{"name": "g", "attributes": ["a", "a"], "templates": ["{}"]}]}', 'the attribute "a" twice'],
  ])("%s is refused", (json, reason) => {
    expect(thrown(() => parseVocabulary(json))).toMatchObject({
      code: "InvalidFile",
      message: expect.stringContaining(reason),
    });
  });
});

describe("masks of regions", () => {
  const size = { height: 84, width: 84 };
  const inside = Uint8Array.from({ length: 84 * 84 }, (_, i) => (i % 84 < 20 && i % 3 === 0 ? 1 : 0));
  const counts = formatRleString(encodeRle(inside, size));

  test("are stored with the dataset, also where the first rows have none", async () => {
    const masked = { ...row, imageId: 8, regionMasks: [counts, null] };
    const writer = await createAnnotationWriter({ masks: true });
    const parts = [writer.append([row]), writer.append([masked]), writer.finish()];
    for (const bytes of [Buffer.concat(parts), await writeAnnotations([row, masked])]) {
      const [without, read] = await readAnnotations(bytes);
      expect(without).toEqual(row);
      expect(read).toEqual(masked);
      expect(regionMasks(without!)).toBeUndefined();
      const [mask, none] = regionMasks(read!)!;
      expect(none).toBeNull();
      expect(decodeRle(mask!)).toEqual(inside);
    }
  });

  test.each([
    [[counts], "does not hold a mask or null for 2 regions"],
    [[counts, 7], "does not hold a mask or null for 2 regions"],
    [[null, "0"], "The runs of a mask of 84 × 84 add up to 0 pixels"],
    [[null, "é"], "are not compressed run lengths of a COCO mask"],
  ])("that are %j are refused", async (masks, message) => {
    const bad = { ...row, regionMasks: masks as (string | null)[] };
    await expect(writeAnnotations([bad])).rejects.toThrow(message);
  });
});
