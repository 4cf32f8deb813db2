/** What the pool tells a worker. */
export type ToWorker =
  | {
      readonly kind: "run";
      readonly id: number;
      readonly module: string;
      readonly name: string;
      readonly payload: unknown;
    }
  | { readonly kind: "abort"; readonly id: number };

/** What a worker tells the pool. */
export type FromWorker =
  | { readonly kind: "done"; readonly id: number; readonly result: unknown }
  | { readonly kind: "failed"; readonly id: number; readonly error: PlainError }
  | { readonly kind: "message"; readonly id: number; readonly message: unknown };

/** An error as it crosses threads: class and own fields would be lost. */
export interface PlainError {
  readonly message: string;
  readonly name: string;
  readonly stack?: string | undefined;
  /** Code of a VillaError. */
  readonly code?: string | undefined;
}

/** How a worker sets itself up. */
export interface WorkerSetup {
  /** Backend name, or "auto". */
  readonly backend: string;
  readonly threads: number;
}
