import type { ProgressListener, ProgressUpdate } from "@villa/data";
import type { Terminal } from "./terminal.ts";
import { displayWidth, fitted } from "./text.ts";

/** Milliseconds between two plain lines, and between two redrawings of the status line. */
const lineInterval = 5000;
const drawInterval = 100;
/** Milliseconds after which a status line without news shows that time passes. */
const tickInterval = 1000;

/** Shows how work gets on. */
export interface Progress {
  readonly listener: ProgressListener;
  /** Writes a line above what follows. */
  readonly heading: (text: string) => void;
  readonly stop: () => void;
}

/** How progress is shown. */
export type ProgressForm = (typeof progressForms)[number];
/** One line that changes; one line after the other; not at all. */
export const progressForms = ["line", "lines", "none"] as const;

/**
 * Progress as one changing line with rate, time left and a bar where somebody watches, else as a line every few seconds.
 * Call `stop()` at the end.
 *
 * @param options `form`: "lines" where somebody watches too, or "none"; a changing line needs a terminal
 */
export function terminalProgress(
  terminal: Terminal,
  { form }: { readonly form?: ProgressForm | undefined } = {},
): Progress {
  if (form === "none") return { listener: () => {}, heading: () => {}, stop: () => {} };
  const isChanging = terminal.interactive && form !== "lines";
  let latest: ProgressUpdate | undefined;
  let started = performance.now();
  /** Units that were done before the clock started: a resumed run spends no time on its first ones. */
  let base = 0;
  let lastDrawn = Number.NEGATIVE_INFINITY;

  const seconds = (): number => (performance.now() - started) / 1000;
  const draw = (): void => {
    lastDrawn = performance.now();
    if (isChanging) terminal.status?.(progressLine(latest, { base, seconds: seconds() }, terminal.columns));
    else if (latest) {
      const { count, rate, time, figures } = facts(latest, { base, seconds: seconds() });
      terminal.err([count, rate, time, ...figures].filter((fact) => fact !== "").join("  "));
    }
  };
  const interval = isChanging ? drawInterval : lineInterval;
  const tick = setInterval(
    () => {
      // Without a listener's call there is no news, but the reader sees that the program is alive.
      if (isChanging || (latest && latest.done !== latest.total)) draw();
    },
    isChanging ? tickInterval : lineInterval,
  );
  tick.unref();

  const listener: ProgressListener = (update) => {
    // One that counts from the beginning again is another task of the same name, such as the mapping of the next split.
    const isNew = !latest || update.task !== latest.task || update.done < latest.done;
    if (isNew) {
      base = update.done;
      started = performance.now();
      lastDrawn = isChanging ? Number.NEGATIVE_INFINITY : started;
    }
    latest = update;
    const isLast = update.done === update.total;
    if (performance.now() - lastDrawn >= interval || isLast) {
      draw();
      tick.refresh();
    }
  };
  const heading = (text: string): void => {
    latest = undefined; // the same task under another heading starts anew
    started = performance.now();
    terminal.err(text);
    if (isChanging) draw();
  };
  if (isChanging) draw();
  return {
    listener,
    heading,
    stop: () => {
      clearInterval(tick);
      if (isChanging) terminal.status?.("");
    },
  };
}

interface Clock {
  readonly base: number;
  readonly seconds: number;
}

/** Columns of a bar: a shorter one shows nothing, a longer one no more than this. */
const smallestBar = 8;
const largestBar = 24;

/** The status line: what matters most comes first and stays when the terminal is narrow. */
export function progressLine(update: ProgressUpdate | undefined, clock: Clock, columns = 80): string {
  const width = columns - 1; // the last column is left free: a terminal would go to the next line
  if (!update) return fitted(clock.seconds < 1 ? "starting" : `starting, ${duration(clock.seconds)}`, width);
  const { count, rate, time, figures } = facts(update, clock);
  if (time !== "" && displayWidth(count) + 2 + displayWidth(time) > width) {
    // Too narrow for the task's name beside its numbers.
    const numbers = update.total === undefined ? `${update.done}` : `${update.done}/${update.total}`;
    return fitted(`${numbers}  ${time}  ${update.task}`, width);
  }
  let line = fitted(count, width);
  for (const fact of [time, ...figures, rate]) {
    if (fact !== "" && displayWidth(line) + 2 + displayWidth(fact) <= width) line += `  ${fact}`;
  }
  const room = Math.min(largestBar, width - displayWidth(line) - 2);
  if (update.total === undefined || update.total <= 0 || room < smallestBar) return line;
  const filled = Math.round(Math.min(1, update.done / update.total) * room);
  return `${line}  ${"█".repeat(filled)}${"░".repeat(room - filled)}`;
}

/** Rate and time left are worked out here, for every task in the same way. */
const shownElsewhere = new Set(["rate", "imagesPerSecond", "secondsLeft"]);

/** What an update says, in words: "training: 12/40 steps", "3.10 steps/s", "2 min left", "loss 0.42"; "" is not known. */
function facts({ task, done, total, unit, metrics }: ProgressUpdate, { base, seconds }: Clock) {
  const rate = seconds > 0 ? (done - base) / seconds : 0;
  const isUnderWay = total === undefined || done < total;
  let time = "";
  if (isUnderWay && rate > 0 && total !== undefined) time = `${duration((total - done) / rate)} left`;
  else if (isUnderWay && seconds >= 1) time = duration(seconds);
  return {
    count: `${task}: ${total === undefined ? done : `${done}/${total}`} ${unit}`,
    rate: rate > 0 ? `${rate >= 10 ? rate.toFixed(0) : rate.toFixed(2)} ${unit}/s` : "",
    time,
    figures: Object.entries(metrics ?? {})
      .filter(([name]) => !shownElsewhere.has(name))
      .map(([name, value]) => `${name} ${Number(value.toPrecision(4))}`),
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
