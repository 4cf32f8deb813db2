/// <reference lib="webworker" />
import { isolationHeaders } from "./isolation.ts";
import type { KeepFiles } from "./offline.ts";

declare const self: ServiceWorkerGlobalScope;

const cacheName = "laboratory";

self.addEventListener("install", () => void self.skipWaiting());
self.addEventListener("activate", (event) => event.waitUntil(self.clients.claim()));

// Built files carry a hash of their contents in their names: what is in the cache is right. The page itself has none, so the
// network is asked first.
self.addEventListener("fetch", (event) => {
  const { request } = event;
  if (request.method !== "GET" || !request.url.startsWith(self.location.origin)) return;
  const isHashed = new URL(request.url).pathname.includes("/assets/");
  const response = isHashed ? fromCache(request).then((hit) => hit ?? fetchAndKeep(request)) : fromNetwork(request);
  event.respondWith(response.then(isolated));
});

self.addEventListener("message", (event: ExtendableMessageEvent) => {
  const done = keepFiles(event.data as KeepFiles).then(
    () => event.ports[0]?.postMessage(""),
    (error) => event.ports[0]?.postMessage(String(error)),
  );
  event.waitUntil(done);
});

async function keepFiles({ keep: urls, all }: KeepFiles): Promise<void> {
  const cache = await caches.open(cacheName);
  const missing = await Promise.all(
    urls.map(async (url) => ((await cache.match(url, { ignoreVary: true })) ? [] : [url])),
  );
  await cache.addAll([...new Set(missing.flat())]);
  if (!all) return;
  for (const { url } of await cache.keys()) if (!all.includes(url)) await cache.delete(url);
}

/** The files are the same for everyone, whatever a server's `Vary` says. */
const fromCache = (request: Request): Promise<Response | undefined> =>
  caches.match(request, { ignoreSearch: true, ignoreVary: true });

/**
 * The response with the headers that isolate the page from others, which hosts of plain files do not send: only isolated
 * pages may share memory between threads.
 */
function isolated(response: Response): Response {
  if (response.type === "opaque" || response.type === "error") return response;
  const headers = new Headers(response.headers);
  for (const [name, value] of Object.entries(isolationHeaders)) headers.set(name, value);
  const { status, statusText } = response;
  return new Response(response.body, { status, statusText, headers });
}

async function fromNetwork(request: Request): Promise<Response> {
  try {
    return await fetchAndKeep(request);
  } catch (error) {
    const kept = await fromCache(request);
    if (kept) return kept;
    throw error;
  }
}

async function fetchAndKeep(request: Request): Promise<Response> {
  const response = await fetch(request);
  if (response.ok) {
    const cache = await caches.open(cacheName);
    await cache.put(request, response.clone());
  }
  return response;
}
