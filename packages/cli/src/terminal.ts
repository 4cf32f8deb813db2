import type { ProgressListener, ProgressUpdate } from "@villa/data";
import { SingleBar } from "cli-progress";

/** Where a command writes: results to `out`, progress and errors to `err`. Tests pass their own. */
export interface Terminal {
  /** Writes a line of a result. */
  readonly out: (line: string) => void;
  /** Writes a line of progress, or an error. */
  readonly err: (line: string) => void;
  /** Draw bars, not lines. */
  readonly interactive: boolean;
}

export const processTerminal: Terminal = {
  out: (line) => process.stdout.write(`${line}\n`),
  err: (line) => process.stderr.write(`${line}\n`),
  interactive: Boolean(process.stderr.isTTY),
};

/** Seconds between two plain progress lines, when no terminal is there to draw a bar on. */
const LINE_INTERVAL_S = 5;

/**
 * Progress as a bar with rate and time left on a terminal, else as a line every few seconds. `heading` writes a line
 * above what follows. Call `stop()` at the end.
 */
export function terminalProgress(terminal: Terminal): {
  readonly listener: ProgressListener;
  readonly heading: (text: string) => void;
  readonly stop: () => void;
} {
  let bar: SingleBar | undefined;
  let task = "";
  let started = 0;
  /** Units that were done before the clock started: a run that goes on has its first ones for nothing. */
  let base = 0;
  let last = 0;
  let lastLine = 0;

  const stop = (): void => {
    bar?.stop();
    bar = undefined;
  };
  const start = (update: ProgressUpdate): void => {
    stop();
    task = update.task;
    base = update.done;
    started = performance.now();
    lastLine = started;
    if (!terminal.interactive) return;
    bar = new SingleBar({
      format: "{task} {bar} {done}  {rate}  {left}  {metrics}",
      hideCursor: true,
      fps: 10,
      barsize: 24,
    });
    bar.start(update.total ?? 0, update.done, payload(update, base, 0));
  };
  const listener: ProgressListener = (update) => {
    // One that counts from the beginning again is another task of the same name, such as the mapping of the next split.
    if (update.task !== task || update.done < last || (!bar && terminal.interactive)) start(update);
    last = update.done;
    const now = performance.now();
    const seconds = (now - started) / 1000;
    if (bar) {
      bar.setTotal(update.total ?? update.done);
      bar.update(update.done, payload(update, base, seconds));
    } else if (now - lastLine >= LINE_INTERVAL_S * 1000 || update.done === update.total) {
      lastLine = now;
      const { done, rate, left, metrics } = payload(update, base, seconds);
      terminal.err([`${update.task}: ${done}`, rate, left, metrics].filter(Boolean).join("  "));
    }
  };
  const heading = (text: string): void => {
    stop();
    task = ""; // the same task under another heading starts anew
    terminal.err(text);
  };
  return { listener, heading, stop };
}

/** Rate and time left are worked out here, for every task in the same way. */
const shownElsewhere = new Set(["rate", "imagesPerSecond", "secondsLeft"]);

function payload({ task, done, total, unit, metrics }: ProgressUpdate, base: number, seconds: number) {
  const rate = seconds > 0 ? (done - base) / seconds : 0;
  return {
    task,
    done: total === undefined ? `${done} ${unit}` : `${done}/${total} ${unit}`,
    rate: rate > 0 ? `${rate >= 10 ? rate.toFixed(0) : rate.toFixed(2)} ${unit}/s` : "",
    left: rate > 0 && total !== undefined && total > done ? `${duration((total - done) / rate)} left` : "",
    metrics: Object.entries(metrics ?? {})
      .filter(([name]) => !shownElsewhere.has(name))
      .map(([name, value]) => `${name} ${Number(value.toPrecision(4))}`)
      .join(" "),
  };
}

/** 75 → "1 min 15 s". */
export function duration(seconds: number): string {
  const whole = Math.ceil(seconds);
  if (whole < 60) return `${whole} s`;
  const minutes = Math.floor(whole / 60);
  if (minutes < 60) return `${minutes} min ${whole % 60} s`;
  return `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}

/** A table with aligned columns; numbers to the right. The first row is the head. */
export function table(rows: readonly (readonly (string | number)[])[]): string {
  const texts = rows.map((row) => row.map(String));
  const widths = texts[0]!.map((_, column) => Math.max(...texts.map((row) => row[column]?.length ?? 0)));
  const numeric = texts[0]!.map((_, column) => texts.slice(1).every((row) => /^[-+\d.,%×]*$/.test(row[column] ?? "")));
  const line = (row: readonly string[]) =>
    row
      .map((cell, column) => (numeric[column] ? cell.padStart(widths[column]!) : cell.padEnd(widths[column]!)))
      .join("  ")
      .trimEnd();
  return [line(texts[0]!), widths.map((width) => "─".repeat(width)).join("  "), ...texts.slice(1).map(line)].join("\n");
}
