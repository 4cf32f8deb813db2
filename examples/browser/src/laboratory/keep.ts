// A drawer of the browser's for what must outlast a reload: one IndexedDB store, one entry.
import type { KeptModel } from "./model-file.ts";
import type { DatasetSettings, TrainingResult } from "./protocol.ts";

/** What is kept of the laboratory. */
export interface KeptState {
  /** What the controls said. */
  readonly settings: DatasetSettings;
  /** The dataset as an archive; absent where the settings make it again. */
  readonly archive?: Uint8Array<ArrayBuffer> | undefined;
  readonly trained?: { readonly model: KeptModel; readonly result: TrainingResult } | undefined;
}

const [database, store, entry] = ["laboratory", "state", "latest"];

/** @returns undefined where nothing is kept, or the browser keeps nothing (a private window) */
export async function keptState(): Promise<KeptState | undefined> {
  try {
    return await request<KeptState | undefined>("readonly", (states) => states.get(entry));
  } catch {
    return undefined;
  }
}

/** Keeps a state in place of the former one. Where the browser refuses, the page works on without. */
export async function keepState(state: KeptState): Promise<void> {
  try {
    await request("readwrite", (states) => states.put(state, entry));
  } catch (error) {
    console.info(`The laboratory is not kept over a reload: ${error}`);
  }
}

async function request<T>(mode: IDBTransactionMode, act: (states: IDBObjectStore) => IDBRequest): Promise<T> {
  const opened = await settled<IDBDatabase>(
    Object.assign(indexedDB.open(database, 1), {
      onupgradeneeded({ target }: IDBVersionChangeEvent) {
        (target as IDBOpenDBRequest).result.createObjectStore(store);
      },
    }),
  );
  try {
    return await settled<T>(act(opened.transaction(store, mode).objectStore(store)));
  } finally {
    opened.close();
  }
}

function settled<T>(asked: IDBRequest): Promise<T> {
  return new Promise((resolve, reject) => {
    asked.onsuccess = () => resolve(asked.result);
    asked.onerror = () => reject(asked.error);
  });
}
