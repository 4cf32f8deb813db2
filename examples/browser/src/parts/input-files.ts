import type { InputFile } from "../laboratory/protocol.ts";

/** Kinds of pictures that browsers decode, by the ends of their names. */
export const pictureTypes = ["png", "jpg", "jpeg", "webp", "gif", "avif", "bmp"];

export const isPicture = (path: string): boolean =>
  pictureTypes.some((type) => path.toLowerCase().endsWith(`.${type}`));

/** Weights, or a folder with some; a dataset that has weights beside it is a dataset. */
export function isEncoder(files: readonly InputFile[]): boolean {
  const isWeights = ({ path }: InputFile) => /\.(pt|pth|bin|safetensors|onnx)$/i.test(path);
  return files.some(isWeights) && !files.some(({ path }) => path.endsWith("annotations.feather"));
}

/** Files of an `<input type="file">`, with their folders where one was chosen. */
export function pickedFiles(files: FileList | null): InputFile[] {
  return [...(files ?? [])].map((file) => ({ path: file.webkitRelativePath || file.name, contents: file }));
}

/** Files that were dropped; folders with everything in them. */
export async function droppedFiles({ items }: DataTransfer): Promise<InputFile[]> {
  // The entries must be asked for before anything is awaited: the list is emptied then.
  const entries = [...items].map((item) => item.webkitGetAsEntry()).filter((entry) => entry !== null);
  const found = await Promise.all(entries.map(filesOf));
  return found.flat();
}

async function filesOf(entry: FileSystemEntry): Promise<InputFile[]> {
  if (entry.isFile) {
    const contents = await new Promise<File>((resolve, reject) => (entry as FileSystemFileEntry).file(resolve, reject));
    return [{ path: entry.fullPath.slice(1), contents }];
  }
  const reader = (entry as FileSystemDirectoryEntry).createReader();
  const files: InputFile[] = [];
  // A reader gives a hundred entries at a time, and none at the end.
  for (;;) {
    const entries = await new Promise<FileSystemEntry[]>((resolve, reject) => reader.readEntries(resolve, reject));
    if (entries.length === 0) return files;
    for (const child of entries) files.push(...(await filesOf(child)));
  }
}
