import type { Operand, ProductEngine, Scratch, Transposes } from "./products.ts";
import { productField, productTile } from "./simd-module.ts";
import type { Team } from "./team.ts";

/** Bytes of scratch that a tile takes. */
const tileBytes = productTile.rows * productTile.columns * 4;
/** Rows that a part packs at most: 80 KB of a, for the second cache. */
const mostRows = 80;
/** Parts that each thread should find, so that none waits long for the last one. */
const partsOfThread = 4;
/** Multiply-adds that one part has at least; less is not worth another thread's attention. */
const smallestPart = 1 << 17;

/** Shape and place of a product of one or several matrices; places are addresses in the heap. */
interface Product {
  readonly M: number;
  readonly N: number;
  readonly K: number;
  readonly a: { readonly at: number; readonly matrices: number; readonly transposed: boolean };
  readonly b: { readonly at: number; readonly matrices: number; readonly transposed: boolean };
  readonly y: number;
  readonly bias?: number | undefined;
  readonly relu?: boolean | undefined;
  readonly add?: boolean | undefined;
}

/** Products by the vector kernels of the heap's own module, on as many threads as the team has. */
export class WasmProducts implements ProductEngine {
  readonly #team: Team;

  constructor(team: Team) {
    this.#team = team;
  }

  multiply(
    space: Scratch,
    { a, b, c, y }: Parameters<ProductEngine["multiply"]>[1],
    { transposeA = false, transposeB = false, relu = false }: Parameters<ProductEngine["multiply"]>[2],
  ): void {
    const [M, N] = y.dims as [number, number];
    const K = a.dims[transposeA ? 0 : 1]!;
    const add = c?.data === y.data;
    const target = place(space, y, add);
    this.#product(space, {
      M,
      N,
      K,
      a: { at: space.stage(a.data), matrices: 1, transposed: transposeA },
      b: { at: space.stage(b.data), matrices: 1, transposed: transposeB },
      y: target.at,
      bias: c && !add ? space.stage(c.data) : undefined,
      relu,
      add,
    });
    target.fetch();
  }

  multiplyBatch(
    space: Scratch,
    { a, b, y }: Parameters<ProductEngine["multiplyBatch"]>[1],
    { transposeA = false, transposeB = false }: Transposes,
  ): void {
    const [, M, N] = y.dims as [number, number, number];
    const target = place(space, y);
    this.#product(
      space,
      {
        M,
        N,
        K: a.dims[transposeA ? 1 : 2]!,
        a: { at: space.stage(a.data), matrices: a.dims[0]!, transposed: transposeA },
        b: { at: space.stage(b.data), matrices: b.dims[0]!, transposed: transposeB },
        y: target.at,
      },
      y.dims[0]!,
    );
    target.fetch();
  }

  #product(space: Scratch, product: Product, matrices = 1): void {
    const { M, N, K, a, b, y, bias = 0, relu = false, add = false } = product;
    const panels = Math.ceil(N / productTile.columns);
    const packedBytes = b.matrices * panels * K * productTile.columns;
    const threads = this.#team.size;
    const wanted = Math.min(threads * partsOfThread, Math.ceil((matrices * M * N * K) / smallestPart));
    const rowsOfPart = Math.min(mostRows, tiles(M));
    const rowParts = Math.ceil(M / rowsOfPart);
    const columnParts = Math.min(panels, Math.max(1, Math.ceil(wanted / (matrices * rowParts))));
    const panelsOfPart = Math.ceil(panels / columnParts);
    const scratchOfWorker = tileBytes + rowsOfPart * productTile.depth * 4;

    const fields: Record<keyof typeof productField, number> = {
      M,
      N,
      K,
      a: a.at,
      aRow: a.transposed ? 1 : K,
      aColumn: a.transposed ? M : 1,
      aBatch: a.matrices === 1 ? 0 : M * K,
      b: b.at,
      bRow: b.transposed ? 1 : N,
      bColumn: b.transposed ? K : 1,
      bBatch: b.matrices === 1 ? 0 : K * N,
      y,
      yBatch: M * N,
      panels: space.scratch(packedBytes),
      bias,
      relu: Number(relu),
      add: Number(add),
      rowsOfPart,
      panelsOfPart,
      batchesOfB: b.matrices,
      scratch: space.scratch((threads * scratchOfWorker) / 4),
      scratchOfWorker,
    };
    const parameters = new Array<number>(Object.keys(productField).length);
    for (const [name, index] of Object.entries(productField)) parameters[index] = fields[name as keyof typeof fields];
    const at = space.parameters(...parameters);
    this.#team.run("packPart", at, b.matrices * Math.ceil(panels / panelsOfPart));
    this.#team.run("productPart", at, matrices * rowParts * Math.ceil(panels / panelsOfPart));
  }
}

/** The least multiple of a tile's rows that holds so many. */
function tiles(rows: number): number {
  return Math.ceil(rows / productTile.rows) * productTile.rows;
}

/** Where to write results: in the heap, or in scratch space for an ordinary array, which `fetch` then copies to. */
function place(space: Scratch, { data }: Operand, filled = false): { readonly at: number; fetch(): void } {
  if (space.inHeap(data)) return { at: data.byteOffset, fetch: () => {} };
  const at = filled ? space.stage(data) : space.scratch(data.length);
  return { at, fetch: () => data.set(space.view(at, data.length)) };
}
