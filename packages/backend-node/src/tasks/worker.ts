import { parentPort, workerData } from "node:worker_threads";
import type { TaskContext } from "@villa/core";
import { useNodeBackend } from "../use-backend.ts";
import type { FromWorker, PlainError, ToWorker, WorkerSetup } from "./protocol.ts";

const { backend, threads } = workerData as WorkerSetup;
const port = parentPort;
if (!port) throw new Error("This file runs in a worker thread of a task pool.");

const ready = useNodeBackend({ name: backend, threads });
// Without a handler a failure before the first task would end the worker without a reason.
ready.catch(() => {});
const running = new Map<number, AbortController>();

port.on("message", (message: ToWorker) => {
  if (message.kind === "abort") running.get(message.id)?.abort();
  else void run(message);
});

async function run({ id, module, name, payload }: Extract<ToWorker, { kind: "run" }>): Promise<void> {
  const controller = new AbortController();
  running.set(id, controller);
  const send = (message: FromWorker, moved: ArrayBuffer[] = []) => port?.postMessage(message, moved);
  try {
    await ready;
    const task = (await import(/* @vite-ignore */ module))[name] as unknown;
    if (typeof task !== "function") throw new Error(`${module} exports no function "${name}".`);
    const context: TaskContext = {
      post: (message) => send({ kind: "message", id, message }),
      signal: controller.signal,
    };
    const result: unknown = await task(payload, context);
    send({ kind: "done", id, result }, [...ownBuffers(result)]);
  } catch (error) {
    send({ kind: "failed", id, error: plain(error) });
  } finally {
    running.delete(id);
  }
}

/** Buffers that a result's typed arrays have to themselves; views of a larger memory, such as a heap, are copied instead. */
function ownBuffers(result: unknown): Set<ArrayBuffer> {
  const buffers = new Set<ArrayBuffer>();
  const visited = new Set<unknown>();
  const visit = (value: unknown): void => {
    if (typeof value !== "object" || value === null || visited.has(value)) return;
    visited.add(value);
    if (ArrayBuffer.isView(value)) {
      const { buffer, byteLength } = value;
      if (buffer instanceof ArrayBuffer && buffer.byteLength === byteLength) buffers.add(buffer);
    } else {
      for (const entry of value instanceof Map ? value.values() : Object.values(value)) visit(entry);
    }
  };
  visit(result);
  return buffers;
}

function plain(error: unknown): PlainError {
  if (!(error instanceof Error)) return { name: "Error", message: String(error) };
  const { code } = error as Error & { code?: unknown };
  return {
    name: error.name,
    message: error.message,
    stack: error.stack,
    code: typeof code === "string" ? code : undefined,
  };
}
