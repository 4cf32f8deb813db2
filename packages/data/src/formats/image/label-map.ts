import { isVillaError, VillaError } from "../../errors.ts";
import { checkBytes } from "../check-arguments.ts";
import { Allowance, type ReadLimits } from "../limits.ts";
import { otherKind } from "../recognize.ts";
import { decodePngLabels, type LabelMap } from "./png.ts";

/**
 * Decodes a PNG whose samples are labels: grey levels of up to 16 bits as they are, places in a palette, or colours as
 * red + 256 · green + 65536 · blue, as COCO's panoptic maps have them. Transparency is dropped.
 *
 * @param limits pixels, bytes and steps of work beyond which an image is refused
 * @throws VillaError `InvalidFile` when damaged, `Unsupported` for other formats, `UnsafeFile` beyond the limits
 */
export async function decodeLabelMap(bytes: Uint8Array, limits: ReadLimits = {}): Promise<LabelMap> {
  checkBytes(bytes);
  const allowance = new Allowance(bytes.length, limits);
  if (bytes[0] !== 0x89 || bytes[1] !== 0x50) {
    throw new VillaError("Unsupported", `The label map is not a PNG${otherKind(bytes)}.`);
  }
  try {
    return decodePngLabels(bytes, allowance);
  } catch (cause) {
    if (isVillaError(cause)) throw cause;
    throw new VillaError("InvalidFile", "The PNG image is damaged.", { cause });
  }
}
