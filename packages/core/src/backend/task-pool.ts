/** Names a function to run elsewhere: an exported `async (payload, context: TaskContext) => result` of a module. */
export interface TaskReference {
  /** URL of the module, e.g. `new URL("./heads.task.js", import.meta.url).href`. */
  readonly module: string;
  /** Name of the exported function. */
  readonly name: string;
}

/** What a task gets besides its payload. */
export interface TaskContext {
  /** Sends a message to the caller's `onMessage`. */
  post(message: unknown): void;
  /** Fires when the caller cancels. */
  readonly signal: AbortSignal;
}

/**
 * Workers that run tasks side by side, each with its own backend. Payloads are structured clones; typed arrays over a
 * SharedArrayBuffer are shared instead of copied. A result's typed arrays are moved to the caller: a task must not keep
 * those it returns. `@villa/backend-node` makes one with `createTaskPool`.
 */
export interface TaskPool {
  /** How many tasks run at once. */
  readonly size: number;
  /** Runs a task on the next free worker. */
  run<T>(
    task: TaskReference,
    payload: unknown,
    options?: {
      readonly onMessage?: ((message: unknown) => void) | undefined;
      readonly signal?: AbortSignal | undefined;
    },
  ): Promise<T>;
  /** Ends the workers; tasks that still wait are refused. */
  close(): Promise<void>;
}
