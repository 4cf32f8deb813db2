import { RandomState, VillaError } from "@villa/data";
import { type Box, boxWarnings } from "@villa/metrics";
import { pyramidBoxes } from "@villa/vlm";
import type { Frame } from "./frame.ts";
import { readJsonFile } from "./read-json.ts";
import type { InputFile } from "./task.ts";

/** Boxes that a model scores. */
export interface Proposals {
  /** Those of an image, inside of it, in the pixels of its frame. */
  readonly boxesOf: (frame: Frame) => readonly Box[];
  readonly inputs: readonly InputFile[];
  readonly warnings: readonly string[];
}

/** Where proposals come from. */
export interface ProposalSource {
  /** `truth` (the true boxes), `pyramid:4`, `pyramid:1-4` with an optional `:jitter`, or a file of boxes. */
  readonly proposals: string;
  /** Of the jitter, with the image's id. */
  readonly seed: number;
}

/**
 * Opens proposals.
 *
 * @param images `frames`: the images that will be scored; `known`: ids of all images of the dataset, since a file with
 * boxes of another is refused
 * @throws VillaError `InvalidFile` for a file that does not hold boxes, `Mismatch` for boxes of unknown images
 */
export async function openProposals(
  { proposals, seed }: ProposalSource,
  images: { readonly frames: readonly Frame[]; readonly known: ReadonlySet<number> },
): Promise<Proposals> {
  if (proposals === "truth") return { boxesOf: ({ truth }) => truth, inputs: [], warnings: [] };
  const pyramid = /^pyramid(?::(\d+)(?:-(\d+))?)?(?::(0?\.\d+|0))?$/.exec(proposals);
  if (!pyramid) return fileProposals(proposals, images);
  const [, from = "1", to = pyramid[1] === undefined ? "4" : from, jitter = "0"] = pyramid;
  if (Number(to) < Number(from)) {
    throw new VillaError("InvalidArgument", `--proposals ${proposals} has no levels; write the smaller one first.`);
  }
  const levels = Array.from({ length: Number(to) - Number(from) + 1 }, (_, i) => Number(from) + i);
  return {
    boxesOf: ({ id, width, height }) =>
      // An image has the same boxes whatever the others are.
      pyramidBoxes({ width, height, levels, jitter: Number(jitter), random: new RandomState((seed + id) >>> 0) }),
    inputs: [],
    warnings: [],
  };
}

/** Boxes of a COCO list, [{ image_id, bbox: [x, y, width, height] }, …]. */
async function fileProposals(
  path: string,
  { frames, known }: { readonly frames: readonly Frame[]; readonly known: ReadonlySet<number> },
): Promise<Proposals> {
  const list = await readJsonFile(path);
  if (!Array.isArray(list)) {
    throw new VillaError(
      "InvalidFile",
      `${path} is not a list of boxes: [{ "image_id", "bbox": [x, y, width, height] }, …].`,
    );
  }
  const place = new Map(frames.map(({ id }, i) => [id, i]));
  const boxes = frames.map((): Box[] => []);
  const images: number[] = [];
  const given: number[] = [];
  list.forEach((entry: unknown, i) => {
    const { image_id: id, bbox } = (entry ?? {}) as { image_id?: unknown; bbox?: unknown };
    const isBox =
      Array.isArray(bbox) && bbox.length === 4 && bbox.every(Number.isFinite) && bbox[2] >= 0 && bbox[3] >= 0;
    if (typeof id !== "number" || !isBox) {
      throw new VillaError("InvalidFile", `Entry ${i} of ${path} is not a box of an image: ${JSON.stringify(entry)}.`);
    }
    if (!known.has(id)) {
      throw new VillaError("Mismatch", `Entry ${i} of ${path} is of image ${id}, which the dataset does not have.`);
    }
    const image = place.get(id);
    if (image === undefined) return; // of another split
    const [x, y, width, height] = bbox as [number, number, number, number];
    images.push(image);
    given.push(x, y, width, height);
    boxes[image]!.push(within([x, y, x + width, y + height], frames[image]!));
  });
  const warnings = boxWarnings({
    count: images.length,
    boxes: Float64Array.from(given),
    image: Int32Array.from(images),
    sizes: frames,
    of: path,
  }).map(({ message }) => message);
  const without = boxes.filter((own) => own.length === 0).length;
  if (without > 0)
    warnings.push(`${without} of ${frames.length} images have no boxes in ${path}; nothing is found there.`);
  return {
    boxesOf: ({ id }) => boxes[place.get(id)!]!,
    inputs: [{ role: "proposals", path }],
    warnings,
  };
}

/** A box as far as its image goes. */
export function within([x0, y0, x1, y1]: Box, { width, height }: Pick<Frame, "width" | "height">): Box {
  const clip = (value: number, side: number) => Math.min(side, Math.max(0, value));
  return [clip(x0, width), clip(y0, height), clip(x1, width), clip(y1, height)];
}
