import { VillaError } from "../errors.ts";
import { describe } from "./describe.ts";

/**
 * Every reader takes the contents of a file, not its path and not an ArrayBuffer.
 *
 * @throws VillaError `InvalidArgument`
 */
export function checkBytes(bytes: unknown): asserts bytes is Uint8Array {
  if (bytes instanceof Uint8Array) return;
  throw new VillaError(
    "InvalidArgument",
    `A reader takes the file's contents as a Uint8Array, not ${describe(bytes)}; read the file first.`,
  );
}
