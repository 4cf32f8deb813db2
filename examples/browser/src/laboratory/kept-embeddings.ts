// Embeddings of the visitor's encoder, in the browser's private files: minutes of work that a second visit need not repeat.

/** How many datasets' embeddings are kept. */
const most = 4;
const prefix = "embeddings-";

/** Whether this browser keeps files: some have no place for them, or refuse it in a private window. */
export async function canKeepEmbeddings(): Promise<boolean> {
  const name = `${prefix}trial`;
  try {
    const folder = await navigator.storage.getDirectory();
    await (await (await folder.getFileHandle(name, { create: true })).createWritable()).close();
    await folder.removeEntry(name);
    return true;
  } catch {
    return false;
  }
}

/** @returns undefined where none are kept, or not that many */
export async function keptEmbeddings(key: string, length: number): Promise<Float32Array | undefined> {
  try {
    const folder = await navigator.storage.getDirectory();
    const file = await (await folder.getFileHandle(prefix + key)).getFile();
    if (file.size !== length * 4) return undefined;
    const values = new Float32Array(await file.arrayBuffer());
    return values.every(Number.isFinite) ? values : undefined;
  } catch {
    return undefined; // a private window, or nothing kept
  }
}

/** Keeps them, and gives up the oldest. Where the browser refuses, they are computed again the next time. */
export async function keepEmbeddings(key: string, values: Float32Array): Promise<void> {
  try {
    const folder = await navigator.storage.getDirectory();
    const handle = await folder.getFileHandle(prefix + key, { create: true });
    const writable = await handle.createWritable(); // written to a temporary file, renamed when it is closed
    await writable.write(values as Float32Array<ArrayBuffer>);
    await writable.close();
    await forgetOldest(folder);
  } catch (error) {
    console.info(`The embeddings are not kept for the next visit: ${error}`);
  }
}

async function forgetOldest(folder: FileSystemDirectoryHandle): Promise<void> {
  const kept: { readonly name: string; readonly time: number }[] = [];
  for await (const [name, handle] of folder.entries()) {
    if (!name.startsWith(prefix) || handle.kind !== "file") continue;
    kept.push({ name, time: (await (handle as FileSystemFileHandle).getFile()).lastModified });
  }
  kept.sort((a, b) => b.time - a.time);
  for (const { name } of kept.slice(most)) await folder.removeEntry(name);
}
