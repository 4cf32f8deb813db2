import type { RemoteLaboratory } from "./laboratory/connect.ts";

/** What the service worker is asked to keep. */
export interface KeepFiles {
  readonly keep: readonly string[];
  /** All files of the page, where they are known: others are of an older version and may go. */
  readonly all?: readonly string[] | undefined;
}

/** Megabytes that few visitors need: kept when the first ONNX model loads them. */
const onnxRuntime = /^assets\/ort[.-]/;

/** Lets the page start without a network: what it and its worker have loaded is kept. In development nothing is. */
export async function registerServiceWorker(laboratory: RemoteLaboratory): Promise<void> {
  if (!import.meta.env.PROD || !("serviceWorker" in navigator)) return;
  try {
    await navigator.serviceWorker.register("./sw.js");
    // The first visit loads the page before there is a service worker to see it. Once the worker answers, it is loaded too.
    const byWorker = await laboratory.loadedFiles();
    const loaded = performance.getEntriesByType("resource").map(({ name }) => name);
    await keep({ keep: [document.baseURI, ...loaded, ...byWorker] });
    reloadIsolated();
  } catch (error) {
    console.warn(`This page will not work offline: ${error}`);
  }
}

/**
 * Where the server does not isolate the page, the service worker does, from the next load on. Nothing is lost by that load
 * being now: the page has just come and nobody has touched it. Once at most: a browser may pass the service worker over.
 */
function reloadIsolated(): void {
  const reloaded = "reloaded for isolation";
  if (crossOriginIsolated || navigator.userActivation?.hasBeenActive || sessionStorage.getItem(reloaded)) return;
  sessionStorage.setItem(reloaded, "yes");
  location.reload();
}

/** Keeps the training's files too, all but ONNX Runtime's. @returns how many files they are */
export async function keepEverything(): Promise<number> {
  const response = await fetch(new URL("./files.json", document.baseURI));
  const files = Object.keys((await response.json()) as Record<string, number>);
  const urls = (names: readonly string[]) => names.map((name) => new URL(name, document.baseURI).href);
  const wanted = files.filter((file) => !onnxRuntime.test(file));
  await keep({ keep: urls(["", "files.json", ...wanted]), all: urls(["", "files.json", ...files]) });
  return wanted.length;
}

export const canKeepFiles = (): boolean => import.meta.env.PROD && "serviceWorker" in navigator;

async function keep({ keep: urls, all }: KeepFiles): Promise<void> {
  const { active } = await navigator.serviceWorker.ready;
  const { port1, port2 } = new MessageChannel();
  const answer = new Promise<string>((resolve) => {
    port1.onmessage = ({ data }) => resolve(data);
  });
  const own = urls.filter((url) => url.startsWith(location.origin));
  active!.postMessage({ keep: own, all } satisfies KeepFiles, [port2]);
  const problem = await answer;
  if (problem) throw new Error(problem);
}
