import { fork } from "node:child_process";
import { closeSync, constants, mkdtempSync, openSync, readSync, rmSync, writeSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { bounds } from "./judge.ts";

/** The inputs [from, to) of a format. */
export interface FuzzJob {
  readonly format: string;
  readonly from: number;
  readonly to: number;
}

/** What a process is to do. */
export interface WorkerTask {
  readonly jobs: readonly FuzzJob[];
  readonly seed: number;
  /** File of a {@link Clock}. */
  readonly clock: string;
}

/**
 * Which input is in work, and since when: in a file, since a process that a reader has crashed or hung cannot report
 * it.
 */
export class Clock {
  readonly #file: number;
  readonly #numbers = new Float64Array(3);

  constructor(path: string) {
    this.#file = openSync(path, constants.O_RDWR | constants.O_CREAT);
  }

  /** Notes that an input is begun. */
  begin(job: number, index: number): void {
    this.#numbers.set([Date.now(), job, index]);
    writeSync(this.#file, this.#numbers, 0, 24, 0);
  }

  /** Notes that none is in work. */
  stop(): void {
    this.#numbers[0] = 0;
    writeSync(this.#file, this.#numbers, 0, 24, 0);
  }

  /** `begun` is 0 where no input is in work. */
  read(): { begun: number; job: number; index: number } {
    this.#numbers.fill(0);
    readSync(this.#file, this.#numbers, 0, 24, 0);
    const [begun, job, index] = this.#numbers as unknown as [number, number, number];
    return { begun, job, index };
  }

  close(): void {
    closeSync(this.#file);
  }
}

/** Something that a reader did and must not do. */
export interface FuzzFind {
  readonly format: string;
  readonly index: number;
  /** "TypeError", "slow", "memory", "hang", "silent damage", … */
  readonly kind: string;
  readonly detail: string;
}

export type WorkerMessage =
  | { readonly find: FuzzFind; readonly done?: undefined }
  | { readonly done: FormatResult; readonly find?: undefined };

/** What came of the inputs of a format. */
export interface FormatResult {
  readonly format: string;
  /** How many were read as values, and how many were refused. */
  readonly read: number;
  readonly refused: number;
  readonly seconds: number;
}

/** What came of all inputs. */
export interface CampaignResult {
  readonly results: readonly FormatResult[];
  readonly finds: readonly FuzzFind[];
}

/** No input is waited for longer than this; the machine may be busy, so it is more than an input may take. */
const patience = 15_000;

/**
 * Reads inputs in a process that is watched: an input at which it hangs or dies is a find, and the work goes on
 * behind it.
 *
 * @param onResult is told when a format is done
 */
export async function runCampaign(
  jobs: readonly FuzzJob[],
  seed: number,
  onResult?: (result: FormatResult, finds: readonly FuzzFind[]) => void,
): Promise<CampaignResult> {
  const finds: FuzzFind[] = [];
  const results: FormatResult[] = [];
  const onMessage = ({ find, done }: WorkerMessage): void => {
    if (find) finds.push(find);
    if (!done) return;
    results.push(done);
    const own = finds.filter(({ format }) => format === done.format);
    onResult?.(done, own);
  };
  let left = jobs;
  while (left.length > 0) {
    const stopped = await watch(left, seed, onMessage);
    if (!stopped) break;
    const { job, index, kind, detail } = stopped;
    const { format, to } = left[job]!;
    // Alone and once more: a busy machine may have let the process wait.
    const again = await watch([{ format, from: index, to: index + 1 }], seed, ({ find }) => find && finds.push(find));
    if (again) finds.push({ format, index, kind, detail });
    left = [{ format, from: index + 1, to }, ...left.slice(job + 1)];
  }
  return { results, finds };
}

interface Stop extends Omit<FuzzFind, "format"> {
  readonly job: number;
}

/** Runs a process to its end; undefined when it got there by itself. */
function watch(
  jobs: readonly FuzzJob[],
  seed: number,
  onMessage: (message: WorkerMessage) => void,
): Promise<Stop | undefined> {
  const folder = mkdtempSync(join(tmpdir(), "villa-fuzz-"));
  const task: WorkerTask = { jobs, seed, clock: join(folder, "clock") };
  const clock = new Clock(task.clock);
  // Inputs that grow beyond their bound are finds; this limit only keeps the machine alive.
  const heap = Math.ceil((2 * bounds.usual.growth) / 2 ** 20);
  const child = fork(fileURLToPath(new URL("./start-worker.mjs", import.meta.url)), [JSON.stringify(task)], {
    execArgv: ["--conditions=@villa/source", `--max-old-space-size=${heap}`],
    stdio: ["ignore", "inherit", "pipe", "ipc"],
  });
  let words = "";
  child.stderr?.on("data", (piece: Buffer) => {
    words = `${words}${piece}`.slice(-4000);
  });
  child.on("message", onMessage);
  return new Promise((resolve, reject) => {
    let isHanging = false;
    const timer = setInterval(() => {
      const { begun } = clock.read();
      if (begun === 0 || Date.now() - begun < patience) return;
      isHanging = true;
      child.kill("SIGKILL");
    }, 500);
    child.on("close", (code) => {
      clearInterval(timer);
      const { begun, job, index } = clock.read();
      clock.close();
      rmSync(folder, { recursive: true, force: true });
      if (code === 0) resolve(undefined);
      else if (isHanging) resolve({ job, index, kind: "hang", detail: `no end after ${patience / 1000} s` });
      else if (begun !== 0) resolve({ job, index, kind: "crash", detail: words });
      // Between inputs it is the fuzzer itself that does not work.
      else reject(new Error(words));
    });
  });
}
