/** Files of the built page; the service worker and this module share the name of their message. */
export interface KeepFiles {
  readonly keep: readonly string[];
}

/** Lets the page start without a network: what it has loaded is kept. In development nothing is. */
export async function registerServiceWorker(): Promise<void> {
  if (!import.meta.env.PROD || !("serviceWorker" in navigator)) return;
  try {
    await navigator.serviceWorker.register("./sw.js");
    // The first visit loads the page before there is a service worker to see it.
    await keep([document.baseURI, ...performance.getEntriesByType("resource").map(({ name }) => name)]);
  } catch (error) {
    console.warn(`This page will not work offline: ${error}`);
  }
}

/** Keeps the training's files too. @returns how many files there are now */
export async function keepEverything(): Promise<number> {
  const response = await fetch(new URL("./files.json", document.baseURI));
  const files = Object.keys((await response.json()) as Record<string, number>);
  await keep([document.baseURI, ...files.map((file) => new URL(file, document.baseURI).href)]);
  return files.length;
}

export const canKeepFiles = (): boolean => import.meta.env.PROD && "serviceWorker" in navigator;

async function keep(urls: readonly string[]): Promise<void> {
  const { active } = await navigator.serviceWorker.ready;
  const { port1, port2 } = new MessageChannel();
  const answer = new Promise<string>((resolve) => {
    port1.onmessage = ({ data }) => resolve(data);
  });
  const own = urls.filter((url) => url.startsWith(location.origin));
  active!.postMessage({ keep: own } satisfies KeepFiles, [port2]);
  const problem = await answer;
  if (problem) throw new Error(problem);
}
