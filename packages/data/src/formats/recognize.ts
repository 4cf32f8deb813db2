import { checkBytes } from "./check-arguments.ts";

/** What some other kinds of file begin with, and what to do about them. */
const kinds: readonly { readonly start: string; readonly words: string }[] = [
  {
    start: "version https://git-lfs.github.com/spec/",
    words: "a Git LFS pointer, which stands for a file that was not downloaded; run: git lfs pull",
  },
  { start: "<!DOCTYPE html", words: "a web page; download the file itself rather than the page about it" },
  { start: "<html", words: "a web page; download the file itself rather than the page about it" },
  { start: "<?xml", words: "an XML text" },
  { start: "\x1f\x8b", words: "a gzip archive; unpack it first" },
  { start: "\x28\xb5\x2f\xfd", words: "a Zstandard archive; unpack it first" },
  { start: "7z\xbc\xaf\x27\x1c", words: "a 7z archive; unpack it first" },
  { start: "PK\x03\x04", words: "a ZIP archive" },
  { start: "\x93NUMPY", words: "a NumPy .npy array" },
  { start: "ARROW1", words: "a Feather (Arrow IPC) file" },
  { start: "FEA1", words: "a Feather file of version 1; write it again with a newer pandas" },
  { start: "PAR1", words: "a Parquet file" },
  { start: "\x89HDF\r\n\x1a\n", words: "an HDF5 file" },
  { start: "\x89PNG", words: "a PNG image" },
  { start: "\xff\xd8\xff", words: "a JPEG image" },
  { start: "GIF8", words: "a GIF image" },
  { start: "RIFF", words: "a RIFF file, such as a WebP image" },
  { start: "II*\0", words: "a TIFF image" },
  { start: "MM\0*", words: "a TIFF image" },
  { start: "BM", words: "a BMP image" },
  { start: "%PDF", words: "a PDF document" },
  { start: "\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19", words: "a torch file of the older format" },
  { start: "\x80\x03", words: "a bare Python pickle" },
  { start: "\x80\x04", words: "a bare Python pickle" },
  { start: "\x80\x05", words: "a bare Python pickle" },
];

/** Words for a file that is of another kind than its reader wants: ", but a Git LFS pointer, …". Empty when unknown. */
export function otherKind(bytes: Uint8Array): string {
  checkBytes(bytes);
  if (bytes.length === 0) return "; it is empty";
  const head = String.fromCharCode(...bytes.subarray(0, 64));
  const kind = kinds.find(({ start }) => head.toLowerCase().startsWith(start.toLowerCase()));
  if (kind) return `, but ${kind.words}`;
  if (bytes.length > 9 && bytes[8] === 0x7b && bytes[6] === 0 && bytes[7] === 0) return ", but a safetensors file";
  if (/^\s*[{[]/.test(head)) return ", but a JSON text";
  return "";
}
