import { createRequire } from "node:module";
import { availableParallelism } from "node:os";
import { pathToFileURL } from "node:url";
import { Worker } from "node:worker_threads";
import * as tf from "@tensorflow/tfjs-core";
import type { TaskPool, TaskReference } from "@villa/core";
import { checkArgument, VillaError, type VillaErrorCode } from "@villa/data";
import { isSource, ownUrl } from "../location.ts";
import type { FromWorker, PlainError, ToWorker, WorkerSetup } from "./protocol.ts";

/** How many workers a pool has, and what they compute with. */
export interface TaskPoolOptions {
  /** Workers. Default: one a core. */
  readonly threads?: number | undefined;
  /** Backend of each worker. Default: the current one if it runs on the CPU, else the fastest such one. */
  readonly backend?: string | undefined;
  /** Threads each worker's backend computes with. Default: the cores divided among the workers. */
  readonly threadsPerWorker?: number | undefined;
}

interface Job {
  readonly task: TaskReference;
  readonly payload: unknown;
  readonly onMessage: ((message: unknown) => void) | undefined;
  readonly signal: AbortSignal | undefined;
  resolve(result: unknown): void;
  reject(error: unknown): void;
}

/** Backends that several threads can use side by side. */
const cpuBackends = ["native", "wasm", "cpu"];

/**
 * Worker threads that each hold their own backend. They start with the first tasks and do not keep the process alive while
 * idle.
 *
 * @example
 * const pool = createTaskPool({ threads: 2 });
 * const sums = await Promise.all(parts.map((part) => pool.run<number>({ module, name: "sum" }, part)));
 * await pool.close();
 */
export function createTaskPool(options: TaskPoolOptions = {}): TaskPool {
  checkArgument("options?", options, { "threads?": "count", "backend?": "text", "threadsPerWorker?": "number" });

  const cores = availableParallelism();
  const size = Math.max(1, Math.floor(options.threads ?? cores));
  const threads = Math.max(1, Math.floor(options.threadsPerWorker ?? cores / size));
  const current = tf.engine().backendName;
  const backend = options.backend ?? (cpuBackends.includes(current) ? current : "auto");
  const queue: Job[] = [];
  const idle: PoolWorker[] = [];
  const all = new Set<PoolWorker>();
  let closed = false;

  function next(): void {
    while (queue.length > 0 && (idle.length > 0 || all.size < size)) {
      const job = queue.shift()!;
      if (job.signal?.aborted) {
        job.reject(aborted());
        continue;
      }
      const worker = idle.pop() ?? start(job);
      worker.run(job, (alive) => {
        if (alive && !closed) idle.push(worker);
        else all.delete(worker);
        next();
      });
    }
  }

  function start(job: Job): PoolWorker {
    const worker = new PoolWorker({ backend, threads }, isSource(job.task.module));
    all.add(worker);
    return worker;
  }

  return {
    size,
    run<T>(
      task: TaskReference,
      payload: unknown,
      { onMessage, signal } = {} as Parameters<TaskPool["run"]>[2] & object,
    ) {
      if (closed) return Promise.reject(new VillaError("InvalidArgument", "This task pool is closed."));
      return new Promise<T>((resolve, reject) => {
        queue.push({ task, payload, onMessage, signal, resolve: resolve as (result: unknown) => void, reject });
        next();
      });
    },
    async close() {
      closed = true;
      for (const job of queue.splice(0)) job.reject(aborted());
      await Promise.all([...all].map((worker) => worker.terminate()));
      all.clear();
    },
  };
}

/** One thread and the task it works on. */
class PoolWorker {
  readonly #worker: Worker;
  #job: { readonly id: number; readonly job: Job; finish(alive: boolean): void } | undefined;
  #ids = 0;

  constructor(setup: WorkerSetup, fromSource: boolean) {
    const own = ownUrl(import.meta.url);
    const entry = new URL(isSource(own) ? "./worker.ts" : "./worker.js", own);
    this.#worker =
      isSource(own) || fromSource
        ? new Worker(typescriptEntry(own, entry), { workerData: setup, execArgv: ["--conditions=@villa/source"] })
        : new Worker(entry, { workerData: setup });
    this.#worker.unref();
    this.#worker.on("message", (message: FromWorker) => this.#receive(message));
    this.#worker.on("error", (error) => this.#fail(error, false));
    this.#worker.on("exit", (code) => this.#fail(new Error(`A worker thread ended with exit code ${code}.`), false));
  }

  run(job: Job, finish: (alive: boolean) => void): void {
    const id = this.#ids++;
    const onAbort = () => this.#send({ kind: "abort", id });
    job.signal?.addEventListener("abort", onAbort, { once: true });
    this.#job = {
      id,
      job,
      finish: (alive) => {
        job.signal?.removeEventListener("abort", onAbort);
        this.#job = undefined;
        this.#worker.unref();
        finish(alive);
      },
    };
    this.#worker.ref();
    const { module, name } = job.task;
    try {
      this.#send({ kind: "run", id, module, name, payload: job.payload });
    } catch (error) {
      this.#fail(error, true); // a payload that cannot be cloned
    }
  }

  async terminate(): Promise<void> {
    await this.#worker.terminate();
  }

  #send(message: ToWorker): void {
    this.#worker.postMessage(message);
  }

  #receive(message: FromWorker): void {
    const current = this.#job;
    if (current?.id !== message.id) return;
    if (message.kind === "message") {
      current.job.onMessage?.(message.message);
    } else if (message.kind === "failed") {
      this.#fail(revive(message.error), true);
    } else {
      current.finish(true);
      current.job.resolve(message.result);
    }
  }

  #fail(error: unknown, alive: boolean): void {
    const current = this.#job;
    if (!current) return;
    current.finish(alive);
    current.job.reject(error);
  }
}

/** A worker that can load TypeScript sources, as tests do: Node 20 ignores `--import tsx` in threads. */
function typescriptEntry(own: string, entry: URL): URL {
  const api = pathToFileURL(createRequire(own).resolve("tsx/esm/api")).href;
  const source = `import { register } from ${JSON.stringify(api)}; register(); await import(${JSON.stringify(entry.href)});`;
  return new URL(`data:text/javascript,${encodeURIComponent(source)}`);
}

function revive({ name, message, stack, code }: PlainError): Error {
  const error = name === "VillaError" && code ? new VillaError(code as VillaErrorCode, message) : new Error(message);
  if (stack) error.stack = stack;
  return error;
}

function aborted(): VillaError {
  return new VillaError("Aborted", "The task was cancelled before it started.");
}
