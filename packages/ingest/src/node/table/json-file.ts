import { otherKind, parseJson, VillaError } from "@villa/data";
import { encodingOf } from "./text.ts";

/** The value in a file of JSON. @throws VillaError `InvalidFile` */
export function parseJsonFile(path: string, bytes: Uint8Array): unknown {
  return parseJson(decodeUtf8(path, bytes), path);
}

/** The text of a file that has to be utf-8. @throws VillaError `InvalidFile` saying what it is instead, where that shows */
export function decodeUtf8(path: string, bytes: Uint8Array): string {
  const encoding = encodingOf(bytes);
  try {
    if (encoding === "utf-8" && !otherKind(bytes).includes("Git LFS")) {
      return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
    }
  } catch {
    // Below.
  }
  const other = encoding === "utf-8" ? otherKind(bytes) : `, but ${encoding}; save it as utf-8`;
  throw new VillaError("InvalidFile", `${path} is not a text in utf-8${other}.`);
}
