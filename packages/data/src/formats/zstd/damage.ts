import { VillaError } from "../../errors.ts";

/** What is said of all that a Zstandard stream can have wrong. */
export function damagedZstd(): VillaError {
  return new VillaError("InvalidFile", "The file's compressed data is damaged (Zstandard).");
}
