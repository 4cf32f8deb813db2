// Photographs with captions: the boxes fit the upright pictures, and `villa ingest` takes them as they are.
import { readFileSync, rmSync } from "node:fs";
import { mkdtemp } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { openDataset } from "@villa/data/node";
import sharp from "sharp";
import { afterAll, beforeAll, expect, test } from "vitest";
import { makePhotos, type Photo } from "../src/photos.ts";
import { villa } from "./villa.ts";

let folder: string;
let photos: Photo[];
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "villa-photos-"));
  photos = await makePhotos(folder, { photos: 8 });
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

test("photos lie on the disk as cameras leave them, and boxes belong to the upright picture", async () => {
  for (const [i, { file, width, height, things }] of photos.entries()) {
    const stored = await sharp(join(folder, "photos", file)).metadata();
    expect([stored.width, stored.height]).toEqual(i % 7 === 3 ? [height, width] : [width, height]);
    expect(stored.orientation ?? 1).toBe(i % 7 === 3 ? 6 : 1);
    for (const { box } of things) expect(box[0] >= 0 && box[1] >= 0 && box[2] <= width && box[3] <= height).toBe(true);
  }
  const { annotations } = JSON.parse(readFileSync(join(folder, "instances.json"), "utf8"));
  expect(annotations).toHaveLength(photos.reduce((sum, { things }) => sum + things.length, 0));
});

test("boxes and captions become a dataset", async () => {
  const out = join(folder, "data");
  await villa(
    ...["ingest", "--images", join(folder, "photos"), "--table", join(folder, "instances.json"), "--columns"],
    ...["text=caption", "--attributes", join(folder, "attributes.json"), "--auto-orient", "--max-side", "160"],
    ...["--out", out],
  );
  const dataset = await openDataset(out);
  expect(dataset.annotations).toHaveLength(photos.length);
  for (const [i, { attributes, numRegions }] of dataset.annotations.entries()) {
    const { things, caption } = photos[i]!;
    expect(numRegions).toBe(things.length);
    // What the caption names, and not what it says is absent.
    expect(new Set(attributes)).toEqual(new Set(things.flatMap(({ kind, color }) => [kind, color])));
    expect(caption).toContain("There is no ");
  }
});
