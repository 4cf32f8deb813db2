import { type Box, checkArgument, VillaError } from "@villa/data";

/** Regions of images whose rows have no boxes. */
export type RegionRule =
  | { readonly kind: "full" }
  | { readonly kind: "grid"; readonly columns: number; readonly rows: number }
  /** Grids of several sizes, one after the other: at each level n × n regions. */
  | { readonly kind: "pyramid"; readonly levels: readonly number[] }
  /** Boxes by the image's path as the table has it, or by its id. */
  | { readonly kind: "proposals"; readonly boxes: Readonly<Record<string, readonly Box[]>> };

const mostRegions = 400;

/** Reads `full`, `grid:3x3` (columns × rows), `pyramid:3` or `pyramid:1-3` (levels). @returns undefined for anything else, such as the name of a file */
export function parseRegionRule(text: string): RegionRule | undefined {
  checkArgument("text", text, "text");

  if (text === "full") return { kind: "full" };
  const pyramid = /^pyramid:(\d+)(?:-(\d+))?$/.exec(text);
  if (pyramid) {
    const [first, last] = [Number(pyramid[1]), Number(pyramid[2] ?? pyramid[1])];
    const levels = Array.from({ length: Math.min(20, Math.max(0, last - first + 1)) }, (_, i) => first + i);
    const count = levels.reduce((sum, level) => sum + level ** 2, 0);
    if (first >= 1 && last >= first && last <= 20 && count <= mostRegions) return { kind: "pyramid", levels };
    throw new VillaError(
      "InvalidArgument",
      `--regions ${text} is not a pyramid of 1 to ${mostRegions} regions; name its levels from the smallest, as in pyramid:1-4.`,
    );
  }
  const match = /^grid:(\d+)[x×](\d+)$/.exec(text);
  if (!match) return undefined;
  const [columns, rows] = [Number(match[1]), Number(match[2])];
  if (columns >= 1 && rows >= 1 && columns * rows <= mostRegions) return { kind: "grid", columns, rows };
  throw new VillaError("InvalidArgument", `--regions ${text} gives ${columns * rows} regions; use 1 to 400.`);
}

/**
 * Regions of an image without boxes of its own, in whole pixels.
 *
 * @param options `names`: the names under which the rule may have proposals for the image; the first that it knows counts
 * @throws VillaError `InvalidFile` when the image is too small for the grid, or has no proposals
 */
export function ruledRegions(
  rule: RegionRule,
  size: { readonly width: number; readonly height: number },
  options: { readonly names?: readonly (string | undefined)[] | undefined } = {},
): readonly Box[] {
  checkArgument("rule", rule, "object");
  checkArgument("size", size, { width: "count", height: "count" });
  checkArgument("options?", options, { "names?": "list" });
  const { names = [] } = options;

  const { width, height } = size;
  if (rule.kind === "full") return [[0, 0, width, height]];
  if (rule.kind === "proposals") {
    const own = names.flatMap((name) => (name !== undefined && Object.hasOwn(rule.boxes, name) ? [name] : []))[0];
    const boxes = own === undefined ? [] : rule.boxes[own]!;
    if (boxes.length === 0) throw new VillaError("InvalidFile", "it has neither boxes nor proposals");
    return boxes;
  }
  if (rule.kind === "pyramid") return rule.levels.flatMap((level) => gridRegions(level, level, size));
  return gridRegions(rule.columns, rule.rows, size);
}

function gridRegions(columns: number, rows: number, { width, height }: Size): Box[] {
  if (width < columns || height < rows) {
    throw new VillaError(
      "InvalidFile",
      `its ${width} × ${height} pixels are too few for a grid of ${columns} × ${rows}`,
    );
  }
  const edge = (i: number, count: number, length: number): number => Math.round((i * length) / count);
  return Array.from({ length: columns * rows }, (_, i): Box => {
    const [column, row] = [i % columns, Math.floor(i / columns)];
    return [
      edge(column, columns, width),
      edge(row, rows, height),
      edge(column + 1, columns, width),
      edge(row + 1, rows, height),
    ];
  });
}

/** Pixels by which a box may reach over the edge without being wrong: tools round. */
const tolerance = 1;

/**
 * A box in whole pixels inside of its image: rounded outwards, and scaled with the image.
 *
 * @param name what errors call the box, e.g. "box 0, [0, 0, 50, 20],"
 * @param options `clip`: cuts off what reaches over the edge instead of refusing; `remedy`: what the refusal advises
 * @throws VillaError `InvalidFile` when the box is outside of the image
 */
export function fitBox(box: Box, name: string, options: FitBoxOptions): Box {
  checkArgument("box", box, "numbers");
  checkArgument("name", name, "text");
  checkArgument("options", options, {
    source: { width: "count", height: "count" },
    stored: { width: "count", height: "count" },
    clip: "boolean",
    "remedy?": "text",
  });
  const { source, stored, clip, remedy } = options;

  const [x0, y0, x1, y1] = box;
  const reaches = Math.max(-x0, -y0, x1 - source.width, y1 - source.height);
  const isOutside = Math.min(x1, y1, source.width - x0, source.height - y0) <= 0;
  if (isOutside || (reaches > tolerance && !clip)) {
    const advice = isOutside || remedy === undefined ? "" : ` (${remedy})`;
    throw new VillaError(
      "InvalidFile",
      `${name} reaches outside of its ${source.width} × ${source.height} pixels${advice}`,
    );
  }
  const [sx, sy] = [stored.width / source.width, stored.height / source.height];
  // A millionth of a pixel is rounding, not area.
  const low = (value: number) => Math.max(0, Math.floor(value + 1e-6));
  const high = (value: number, most: number) => Math.min(most, Math.ceil(value - 1e-6));
  const [left, top] = [low(x0 * sx), low(y0 * sy)];
  return [left, top, Math.max(left + 1, high(x1 * sx, stored.width)), Math.max(top + 1, high(y1 * sy, stored.height))];
}

interface FitBoxOptions {
  readonly source: Size;
  readonly stored: Size;
  readonly clip: boolean;
  readonly remedy?: string | undefined;
}

interface Size {
  readonly width: number;
  readonly height: number;
}

/** True boxes of which a proposal overlaps half or three quarters (intersection over union). */
export interface ProposalRecall {
  /** True boxes. */
  readonly boxes: number;
  readonly found50: number;
  readonly found75: number;
}

/** How many true boxes some proposal finds. */
export function proposalRecall(truth: readonly Box[], proposals: readonly Box[]): ProposalRecall {
  checkArgument("truth", truth, ["numbers"]);
  checkArgument("proposals", proposals, ["numbers"]);
  const best = truth.map((box) => proposals.reduce((most, proposal) => Math.max(most, overlap(box, proposal)), 0));
  const atLeast = (least: number) => best.filter((each) => each >= least).length;
  return { boxes: truth.length, found50: atLeast(0.5), found75: atLeast(0.75) };
}

/** Intersection over union. */
function overlap(a: Box, b: Box): number {
  const width = Math.min(a[2], b[2]) - Math.max(a[0], b[0]);
  const height = Math.min(a[3], b[3]) - Math.max(a[1], b[1]);
  if (width <= 0 || height <= 0) return 0;
  const area = ([x0, y0, x1, y1]: Box) => (x1 - x0) * (y1 - y0);
  return (width * height) / (area(a) + area(b) - width * height);
}
