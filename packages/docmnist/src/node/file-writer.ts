import { Worker } from "node:worker_threads";

/** A file to be created. */
export interface PendingFile {
  readonly path: string;
  readonly bytes: Uint8Array;
}

// Thousands of small files: creating them takes as long as making their contents, so a second thread does it. Its whole
// program is this text, because a file of its own would have to be found again by every bundler and from TypeScript.
const program = `
const { parentPort } = require("node:worker_threads");
const { writeFileSync } = require("node:fs");
parentPort.on("message", ({ paths, ends, bytes }) => {
  try {
    for (let i = 0; i < paths.length; i++) {
      writeFileSync(paths[i], bytes.subarray(i > 0 ? ends[i - 1] : 0, ends[i]), { flag: "wx" });
    }
    parentPort.postMessage({});
  } catch ({ code, message }) {
    parentPort.postMessage({ code, message });
  }
});
`;

const filesPerBatch = 64;
/** Batches under way: enough to keep the thread busy, few enough to keep memory flat. */
const batchesUnderWay = 8;

/** Creates files on another thread. Errors surface at the next call, as Node's own errors. */
export class FileWriter {
  readonly #worker = new Worker(program, { eval: true, execArgv: [] });
  #batch: PendingFile[] = [];
  #underWay = 0;
  #error: unknown;
  #wake: (() => void) | undefined;

  constructor() {
    this.#worker.on("message", ({ code, message }: { code?: string | undefined; message?: string | undefined }) => {
      if (message !== undefined) this.#error ??= Object.assign(new Error(message), { code });
      this.#underWay--;
      this.#wake?.();
    });
    this.#worker.on("error", (error) => {
      this.#error ??= error;
      this.#wake?.();
    });
  }

  /** Takes a file; it may be written later. A promise is returned when the caller should wait for it. */
  add(file: PendingFile): Promise<void> | undefined {
    this.#batch.push(file);
    if (this.#batch.length < filesPerBatch) return undefined;
    this.#send();
    return this.#until(batchesUnderWay - 1);
  }

  /** Waits until every file is written. */
  async finish(): Promise<void> {
    if (this.#batch.length > 0) this.#send();
    await this.#until(0);
  }

  /** Ends the thread; nothing is written afterwards. */
  async close(): Promise<void> {
    await this.#worker.terminate();
  }

  #send(): void {
    const paths = this.#batch.map((file) => file.path);
    const bytes = new Uint8Array(this.#batch.reduce((size, file) => size + file.bytes.length, 0));
    let end = 0;
    const ends = this.#batch.map((file) => {
      bytes.set(file.bytes, end);
      end += file.bytes.length;
      return end;
    });
    this.#worker.postMessage({ paths, ends, bytes }, [bytes.buffer]);
    this.#underWay++;
    this.#batch = [];
  }

  async #until(limit: number): Promise<void> {
    for (;;) {
      if (this.#error !== undefined) throw this.#error;
      if (this.#underWay <= limit) return;
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }
}
