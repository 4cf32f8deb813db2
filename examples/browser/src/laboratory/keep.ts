// A drawer of the browser's for what must outlast a reload: one IndexedDB store, an entry for the data and their model and one for
// the towers of Stage 2.
import type { KeptModel } from "./model-file.ts";
import type { DatasetSettings, TowerFiles, TowerPoint, TrainingResult } from "./protocol.ts";

/** What is kept of the laboratory. */
export interface KeptState {
  /** What the controls said. */
  readonly settings: DatasetSettings;
  /** The dataset as an archive; absent where the settings make it again. */
  readonly archive?: Uint8Array<ArrayBuffer> | undefined;
  readonly trained?: { readonly model: KeptModel; readonly result: TrainingResult } | undefined;
}

/** Trained towers with what they belong to. */
export interface KeptTowers {
  /** Says which data and settings: equal for equal ones. */
  readonly key: string;
  readonly points: readonly TowerPoint[];
  /** Of the last point. */
  readonly files: TowerFiles;
}

const [database, store] = ["laboratory", "state"];
const entries = { state: "latest", towers: "towers" } as const;

/** @returns undefined where nothing is kept, or the browser keeps nothing (a private window) */
export const keptState = (): Promise<KeptState | undefined> => kept(entries.state);

/** @returns undefined as {@link keptState} */
export const keptTowers = (): Promise<KeptTowers | undefined> => kept(entries.towers);

/** Keeps a state in place of the former one. Where the browser refuses, the page works on without. */
export const keepState = (state: KeptState): Promise<void> => keep(entries.state, state);

/** Keeps towers in place of the former ones, as {@link keepState}. */
export const keepTowers = (towers: KeptTowers): Promise<void> => keep(entries.towers, towers);

async function kept<T>(entry: string): Promise<T | undefined> {
  try {
    return await request<T | undefined>("readonly", (states) => states.get(entry));
  } catch {
    return undefined;
  }
}

async function keep(entry: string, value: unknown): Promise<void> {
  try {
    await request("readwrite", (states) => states.put(value, entry));
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
