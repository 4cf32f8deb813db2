// Photographs as people have them: large JPEGs of mixed sizes, some turned by EXIF, with captions of several sentences.
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { RandomState } from "@villa/data";
import sharp from "sharp";
import { colors, outline, sceneSvg, type Thing, things } from "./scene.ts";

/** Width and height of upright photos. */
const sizes = [
  [800, 600],
  [640, 480],
  [600, 800],
  [1024, 768],
] as const;

/** The file for `--attributes`. */
export const photoAttributes = {
  groups: [
    {
      name: "thing",
      templates: ["a {}", "there is a {}", "a photo of a {}"],
      attributes: things.map((name) => ({ name, synonyms: name === "boat" ? ["sailing boat", "ship"] : [] })),
    },
    {
      name: "colour",
      templates: ["it is {}", "a {} thing"],
      attributes: Object.keys(colors).map((name) => ({ name })),
    },
  ],
};

/** A photo, its caption and what is in it. */
export interface Photo {
  readonly file: string;
  readonly width: number;
  readonly height: number;
  readonly caption: string;
  readonly things: readonly Thing[];
}

/**
 * Writes `photos/*.jpg`, `captions.csv` (file names and captions alone), `attributes.json`, and `instances.json`: COCO's
 * boxes and outlines, whose categories are the things; colours stand in the captions only.
 */
export async function makePhotos(
  folder: string,
  { photos = 150, seed = 11 }: { readonly photos?: number | undefined; readonly seed?: number | undefined } = {},
): Promise<Photo[]> {
  const random = new RandomState(seed);
  await mkdir(join(folder, "photos"), { recursive: true });
  const made: Photo[] = [];
  for (let i = 0; i < photos; i++) made.push(await makePhoto(folder, i, random));
  await writeFile(join(folder, "attributes.json"), `${JSON.stringify(photoAttributes, null, 2)}\n`);
  await writeFile(join(folder, "instances.json"), JSON.stringify(cocoInstances(made)));
  const cell = (text: string): string => `"${text.replaceAll('"', '""')}"`;
  const lines = made.map(({ file, caption }) => `${cell(file)},${cell(caption)}\n`);
  await writeFile(join(folder, "captions.csv"), `file,caption\n${lines.join("")}`);
  return made;
}

async function makePhoto(folder: string, index: number, random: RandomState): Promise<Photo> {
  const [width, height] = sizes[index % sizes.length]!;
  const list = placeThings(width, height, random);
  const file = `photo-${String(index).padStart(3, "0")}.jpg`;
  const scene = sharp(Buffer.from(sceneSvg(width, height, list, random)));
  // Every seventh camera was held sideways: its pixels lie turned, and EXIF says how to look at them.
  const photo = index % 7 === 3 ? scene.rotate(-90).withMetadata({ orientation: 6 }) : scene;
  await photo.jpeg({ quality: 85 }).toFile(join(folder, "photos", file));
  return { file, width, height, caption: describe(list, width, random), things: list };
}

/** Two to four things side by side, so that none hides another. */
function placeThings(width: number, height: number, random: RandomState): Thing[] {
  const count = 2 + random.randint(0, 3);
  const slot = width / count;
  return Array.from({ length: count }, (_, i) => {
    const side = slot * (0.45 + 0.4 * random.randomSample());
    const tall = Math.min(side * (0.8 + 0.4 * random.randomSample()), height * 0.5);
    const x = i * slot + random.randomSample() * (slot - side);
    const y = height * 0.25 + random.randomSample() * (height * 0.7 - tall);
    const whole = [x, y, x + side, y + tall].map(Math.round) as [number, number, number, number];
    const names = Object.keys(colors);
    return { kind: things[random.choice(things.length)]!, color: names[random.choice(names.length)]!, box: whole };
  });
}

/** Sentences as people write them: with numbers, abbreviations, and what is not there. */
function describe(list: readonly Thing[], width: number, random: RandomState): string {
  const sentences = list.map(({ kind, color, box }) => {
    const where = ["on the left", "in the middle", "on the right"][Math.min(2, Math.floor((3 * box[0]) / width))]!;
    const kinds = [
      `${where[0]!.toUpperCase()}${where.slice(1)} there is a ${color} ${kind}`,
      `A ${color} ${kind} stands ${where}, approx. ${(1 + random.randomSample() * 8).toFixed(1)} m away`,
      `The ${kind} ${where} is ${color}`,
    ];
    return kinds[random.choice(kinds.length)]!;
  });
  const absent = things.filter((kind) => list.every((thing) => thing.kind !== kind));
  sentences.push(`There is no ${absent[random.choice(absent.length)]}`);
  return `${sentences.join(". ")}.`;
}

function cocoInstances(photos: readonly Photo[]) {
  return {
    images: photos.map(({ file, width, height, caption }, id) => ({ id, file_name: file, width, height, caption })),
    annotations: photos
      .flatMap((photo, image) => photo.things.map((thing) => ({ image, thing })))
      .map(({ image, thing }, id) => {
        const [x0, y0, x1, y1] = thing.box;
        const polygon = outline(thing);
        return {
          id: id + 1, // tools read the annotation id 0 as "none"
          image_id: image,
          category_id: things.indexOf(thing.kind),
          bbox: [x0, y0, x1 - x0, y1 - y0],
          area: polygonArea(polygon),
          segmentation: [polygon],
          iscrowd: 0,
        };
      }),
    categories: things.map((name, id) => ({ id, name })),
  };
}

/** By the shoelace formula. */
function polygonArea(polygon: readonly number[]): number {
  let twice = 0;
  for (let i = 0; i < polygon.length; i += 2) {
    const next = (i + 2) % polygon.length;
    twice += polygon[i]! * polygon[next + 1]! - polygon[next]! * polygon[i + 1]!;
  }
  return Math.abs(twice) / 2;
}
