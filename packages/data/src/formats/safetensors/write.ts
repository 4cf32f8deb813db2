import { VillaError } from "../../errors.ts";
import { checkMap, checkObject, checkText } from "../check-arguments.ts";
import { quote } from "../describe.ts";
import { checkTensor, encodeElements, itemSize, type TensorData } from "../tensor.ts";
import { typeCodes } from "./header.ts";

/**
 * Writes a safetensors file: header padded to 8 bytes, tensors with the widest elements first, so that all are aligned.
 *
 * @param metadata strings only, as the format demands
 * @throws VillaError `InvalidArgument` when a tensor's data and shape disagree
 */
export function writeSafetensors(
  tensors: ReadonlyMap<string, TensorData>,
  metadata?: Readonly<Record<string, string>>,
): Uint8Array {
  checkMap(tensors, "The tensors of a safetensors file");
  for (const [name, tensor] of tensors) {
    checkText(name, "A tensor's name");
    checkTensor(tensor);
  }
  if (metadata !== undefined) {
    checkObject(metadata, "Metadata");
    for (const [key, text] of Object.entries(metadata)) checkText(text, `The metadata ${quote(key)}`);
  }
  const sorted = [...tensors].sort(
    ([nameA, a], [nameB, b]) => itemSize(b.dtype) - itemSize(a.dtype) || (nameA < nameB ? -1 : 1),
  );
  const header: Record<string, unknown> = Object.create(null);
  if (metadata) header.__metadata__ = metadata;
  const bodies: Uint8Array[] = [];
  let size = 0;
  for (const [name, tensor] of sorted) {
    if (name === "__metadata__") throw new VillaError("InvalidArgument", 'A tensor cannot be named "__metadata__".');
    const body = encodeElements(tensor);
    header[name] = { dtype: typeCodes[tensor.dtype], shape: tensor.shape, data_offsets: [size, size + body.length] };
    bodies.push(body);
    size += body.length;
  }
  const json = new TextEncoder().encode(JSON.stringify(header));
  const padded = Math.ceil(json.length / 8) * 8;
  const out = new Uint8Array(8 + padded + size).fill(0x20, 8, 8 + padded);
  new DataView(out.buffer).setBigUint64(0, BigInt(padded), true);
  out.set(json, 8);
  let at = 8 + padded;
  for (const body of bodies) {
    out.set(body, at);
    at += body.length;
  }
  return out;
}
