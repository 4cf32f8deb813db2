import type { VillaError } from "@villa/data";

/** One row as the table has it, or what is wrong with it. */
export type TableRecord = { readonly number: number } & (
  | {
      readonly values: Readonly<Record<string, unknown>>;
      /** Of the picture in pixels, where the table says it. */
      readonly size?: { readonly width: number; readonly height: number } | undefined;
      readonly problem?: never | undefined;
    }
  | { readonly problem: VillaError; readonly values?: never | undefined }
);
