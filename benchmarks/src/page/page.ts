import type { Answer, Request } from "./worker.ts";

export interface Asked {
  /** Names the worker, which the first question starts. */
  readonly worker: string;
  readonly request: Request;
}

const workers = new Map<string, Worker>();

/** What the runner calls. */
export function ask({ worker: name, request }: Asked): Promise<Answer> {
  const worker = workers.get(name) ?? new Worker(new URL("./worker.ts", import.meta.url), { type: "module" });
  workers.set(name, worker);
  return new Promise((resolve, reject) => {
    worker.onmessage = ({ data }) => resolve(data as Answer);
    worker.onerror = ({ message }) => reject(new Error(message || "The worker did not start."));
    worker.postMessage(request);
  });
}

Object.assign(globalThis, { ask });
