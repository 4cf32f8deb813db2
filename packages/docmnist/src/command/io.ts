import type { ProgressListener } from "@villa/data";

/** Where a command writes. Results go to `out`, progress and errors to `err`. */
export interface CommandIo {
  /** Writes a line of a result. */
  readonly out: (text: string) => void;
  /** Writes a line of progress, or an error. */
  readonly err: (text: string) => void;
  /** Redraw one progress line in place. */
  readonly isTerminal: boolean;
}

/** The streams of this process. */
export function processIo(): CommandIo {
  return {
    out: (text) => void process.stdout.write(text),
    err: (text) => void process.stderr.write(text),
    isTerminal: process.stderr.isTTY === true,
  };
}

const barWidth = 24;
/** Milliseconds between two updates: of the bar on a terminal, of plain lines elsewhere. */
const barInterval = 80;
const lineInterval = 2000;

/** Draws progress as a bar on a terminal, else as a line now and then. `stop` clears the bar. */
export function progressDisplay(io: CommandIo): { readonly listener: ProgressListener; readonly stop: () => void } {
  let last = performance.now();
  let isDrawn = false;
  const listener: ProgressListener = ({ task, done, total, unit }) => {
    const now = performance.now();
    if (now - last < (io.isTerminal ? barInterval : lineInterval)) return;
    last = now;
    const share = total ? Math.min(1, done / total) : 0;
    const amount = total ? `${Math.floor(100 * share)} % of ${total} ${unit}` : `${done} ${unit}`;
    if (!io.isTerminal) return io.err(`${task}: ${amount}\n`);
    const filled = Math.round(share * barWidth);
    io.err(`\r${task} [${"=".repeat(filled)}${" ".repeat(barWidth - filled)}] ${amount}\u001b[K`);
    isDrawn = true;
  };
  return { listener, stop: () => isDrawn && io.err("\r\u001b[K") };
}
