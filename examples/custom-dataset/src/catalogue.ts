// A small product catalogue: pictures of shelves, and sentences as a shop writes them.
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { RandomState } from "@villa/data";
import sharp from "sharp";
import { drawProduct, emptyShelf, type Pattern, type Rgb, type Shape, shapes } from "./draw.ts";

const colors: Readonly<Record<string, Rgb>> = {
  red: [205, 45, 40],
  green: [50, 150, 70],
  blue: [45, 85, 200],
  yellow: [240, 200, 40],
  white: [252, 252, 250],
};
const patterns: readonly Pattern[] = ["plain", "striped", "dotted"];

/** What the shop's texts call things besides their names. */
const otherWords: Readonly<Record<string, readonly string[]>> = {
  mug: ["cup"],
  ball: ["sphere"],
  box: ["carton"],
  red: ["crimson"],
  blue: ["navy"],
  striped: ["stripy"],
  dotted: ["polka-dot"],
};

/** The file for `--attributes`. */
export const attributes = {
  groups: [
    {
      name: "product",
      templates: ["a {}", "there is a {}", "the shelf holds a {}"],
      attributes: shapes.map((name) => ({ name, synonyms: otherWords[name] ?? [] })),
    },
    {
      name: "colour",
      templates: ["it is {}", "a {} product"],
      attributes: Object.keys(colors).map((name) => ({ name, synonyms: otherWords[name] ?? [] })),
    },
    {
      name: "pattern",
      templates: ["its surface is {}", "a {} product"],
      attributes: patterns.map((name) => ({ name, synonyms: otherWords[name] ?? [] })),
    },
  ],
};

/** One page of the catalogue. */
export interface CataloguePage {
  readonly id: string;
  /** File name. */
  readonly image: string;
  readonly shop: string;
  readonly text: string;
  /** x0, y0, x1, y1 of each product. */
  readonly boxes: readonly (readonly number[])[];
  /** Product, colour and pattern of each box. */
  readonly region_attributes: readonly (readonly string[])[];
}

/**
 * Draws the pages of a catalogue into `folder/photos` and returns what belongs into the table. Sizes and modes are mixed,
 * as they are in real folders: RGB, grey, with transparency, 16 bits; PNG and JPEG.
 */
export async function makeCatalogue(folder: string, pages: number, seed = 7): Promise<CataloguePage[]> {
  const random = new RandomState(seed);
  await mkdir(join(folder, "photos"), { recursive: true });
  const made: CataloguePage[] = [];
  for (let i = 0; i < pages; i++) made.push(await makePage(folder, i, random));
  await writeFile(join(folder, "attributes.json"), `${JSON.stringify(attributes, null, 2)}\n`);
  return made;
}

async function makePage(folder: string, index: number, random: RandomState): Promise<CataloguePage> {
  const cell = 32;
  const [columns, rows] = index % 3 === 0 ? [2, 2] : [3, 2];
  const picture = emptyShelf(columns * cell, rows * cell);
  const places = random.sample(columns * rows, 2 + random.randint(0, 3));
  const products = Array.from(places, (place) => {
    const size = 24 + random.randint(0, 6);
    const x = (place % columns) * cell + random.randint(0, cell - size);
    const y = Math.floor(place / columns) * cell + cell - 4 - size + random.randint(0, 3);
    return {
      x,
      y: Math.max(0, y),
      size,
      shape: shapes[random.choice(shapes.length)]!,
      color: Object.keys(colors)[random.choice(5)]!,
      pattern: patterns[random.choice(3)]!,
    };
  });
  for (const { x, y, size, shape, color, pattern } of products) {
    drawProduct(picture, { x, y, size }, { shape, color: colors[color]!, pattern });
  }
  const image = await savePhoto(folder, index, picture);
  return {
    id: `page-${index}`,
    image,
    shop: `shop ${index % 17}`,
    text: describe(products, random),
    boxes: products.map(({ x, y, size }) => [x, y, x + size, y + size]),
    region_attributes: products.map(({ shape, color, pattern }) => [shape, color, pattern]),
  };
}

/** Sentences about the products, and one about what is not there. */
function describe(products: readonly { shape: Shape; color: string; pattern: Pattern }[], random: RandomState): string {
  const called = (name: string): string => {
    const names = [name, ...(otherWords[name] ?? [])];
    return names[random.choice(names.length)]!;
  };
  const sentences = products.flatMap(({ shape, color, pattern }) => {
    const kinds = [
      [`There is a ${called(pattern)} ${called(shape)} in ${called(color)}`],
      [`The shelf holds a ${called(shape)}, and it is ${called(color)}`, `Its surface is ${called(pattern)}`],
    ];
    return kinds[random.choice(kinds.length)]!;
  });
  const absent = shapes.filter((shape) => products.every((product) => product.shape !== shape));
  const missing = absent.length > 0 ? [`There is no ${absent[random.choice(absent.length)]}`] : [];
  return `${[...sentences, ...missing].join(". ")}.`;
}

async function savePhoto(folder: string, index: number, picture: { width: number; height: number; data: Uint8Array }) {
  const { width, height, data } = picture;
  const photo = sharp(data, { raw: { width, height, channels: 3 } });
  const name = index % 10 === 9 ? `photo-${index}.jpg` : `photo-${index}.png`;
  const path = join(folder, "photos", name);
  if (index % 10 === 9) await photo.jpeg({ quality: 95 }).toFile(path);
  else if (index % 10 === 3) await photo.ensureAlpha().png().toFile(path);
  else if (index % 10 === 5) await photo.toColourspace("rgb16").png().toFile(path);
  else if (index % 40 === 7) await photo.greyscale().png().toFile(path);
  else await photo.png().toFile(path);
  return name;
}
