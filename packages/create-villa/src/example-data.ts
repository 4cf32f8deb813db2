// What the Node starter begins with instead of a user's own data: pictures of coloured shapes, and a table about them.
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { encodePng, RandomState } from "@villa/data";

const colors = { red: [205, 45, 40], green: [45, 145, 65], blue: [45, 85, 200], yellow: [235, 195, 40] } as const;
/** Whether a shape covers a point; u and v run from -1 to 1 over its box, v downwards. */
const shapes = {
  circle: (u: number, v: number) => u * u + v * v <= 1,
  square: () => true,
  triangle: (u: number, v: number) => 2 * Math.abs(u) <= v + 1,
} as const;
const colorNames = Object.keys(colors) as readonly (keyof typeof colors)[];
const shapeNames = Object.keys(shapes) as readonly (keyof typeof shapes)[];

const cell = 32;
const [columns, rows] = [3, 2];
const [width, height] = [columns * cell, rows * cell];
const rowCount = 160;

/** Draws `photos/` and writes `table.csv`; the same every time. */
export async function writeExampleData(directory: string): Promise<void> {
  const random = new RandomState(7);
  await mkdir(join(directory, "photos"), { recursive: true });
  const lines = ["image,text,boxes,region_attributes"];
  for (let i = 0; i < rowCount; i++) {
    const name = `${String(i).padStart(3, "0")}.png`;
    const { data, boxes, truth, sentences } = draw(random);
    await writeFile(join(directory, "photos", name), encodePng({ width, height, channels: 3, data }));
    const cells = [name, sentences.join(" "), JSON.stringify(boxes), JSON.stringify(truth)];
    lines.push(cells.map((text) => (/[",]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text)).join(","));
  }
  await writeFile(join(directory, "table.csv"), `${lines.join("\n")}\n`);
}

/** Two or three shapes on a light ground. The sentences say what there is in any order, so not what is where. */
function draw(random: RandomState) {
  const data = new Uint8Array(3 * width * height).map(() => 236 + random.randint(0, 12)); // [3, height, width]
  const places = [...random.sample(columns * rows, 2 + random.choice(2))].sort((a, b) => a - b);
  const boxes: number[][] = [];
  const truth: string[][] = [];
  const sentences: string[] = [];
  for (const place of places) {
    const color = colorNames[random.choice(colorNames.length)]!;
    const shape = shapeNames[random.choice(shapeNames.length)]!;
    const side = 18 + random.randint(0, 11);
    const x0 = (place % columns) * cell + random.randint(0, cell - side + 1);
    const y0 = Math.floor(place / columns) * cell + random.randint(0, cell - side + 1);
    paint(data, { x0, y0, side, covers: shapes[shape], rgb: colors[color] });
    boxes.push([x0, y0, x0 + side, y0 + side]);
    truth.push([shape, color]);
    sentences.push(`There is a ${shape}.`, `Something is ${color}.`);
  }
  const order = random.permutation(sentences.length);
  return { data, boxes, truth, sentences: [...new Set(Array.from(order, (i) => sentences[i]!))] };
}

interface Figure {
  readonly x0: number;
  readonly y0: number;
  readonly side: number;
  readonly covers: (u: number, v: number) => boolean;
  readonly rgb: readonly number[];
}

function paint(data: Uint8Array, { x0, y0, side, covers, rgb }: Figure): void {
  for (let y = 0; y < side; y++) {
    for (let x = 0; x < side; x++) {
      if (!covers((2 * x + 1) / side - 1, (2 * y + 1) / side - 1)) continue;
      for (const [channel, value] of rgb.entries()) data[(channel * height + y0 + y) * width + x0 + x] = value;
    }
  }
}
