import type { Writable } from "node:stream";
import { VillaError } from "@villa/data";
import { printable, printableLines } from "./text.ts";

/** Where a command writes: results to `out`, progress and errors to `err`. Tests pass their own. */
export interface Terminal {
  /** Writes lines of a result. */
  readonly out: (text: string) => void;
  /** Writes lines about progress, or an error. */
  readonly err: (text: string) => void;
  /** Somebody watches: progress is a line that changes, not one line after the other. */
  readonly interactive: boolean;
  /** Characters of a line. Default 80. */
  readonly columns?: number | undefined;
  /** Shows a line below everything else, in place of the one before; "" takes it away. */
  readonly status?: ((line: string) => void) | undefined;
  /**
   * Waits until everything is written.
   *
   * @throws VillaError `FileSystem` when results could not be written
   */
  readonly flush?: (() => Promise<void>) | undefined;
}

let own: Terminal | undefined;

/** The terminal of this process. */
export function processTerminal(): Terminal {
  own ??= openTerminal(process.stdout, process.stderr);
  return own;
}

/** What {@link openTerminal} needs to know about a stream besides that it can be written to. */
type Stream = Writable & { readonly isTTY?: boolean | undefined; readonly columns?: number | undefined };

/** A terminal that writes to two streams. Lines appear above the status line, which never wraps. */
export function openTerminal(stdout: Stream, stderr: Stream): Terminal {
  const results = new Sink(stdout);
  const messages = new Sink(stderr);
  let shown = "";
  const aboveStatus = (write: () => void): void => {
    if (shown !== "") messages.write("\r\u001b[K");
    write();
    if (shown !== "") messages.write(shown);
  };
  return {
    out: (text) => aboveStatus(() => results.write(`${text}\n`)),
    err: (text) => aboveStatus(() => messages.write(`${text}\n`)),
    interactive: stderr.isTTY === true && process.env.TERM !== "dumb",
    get columns() {
      return stderr.columns;
    },
    status: (line) => {
      if (shown !== "" || line !== "") messages.write(`\r${line}\u001b[K`);
      shown = line;
    },
    flush: () => results.flush(),
  };
}

/** The terminal with everything that could command it escaped: names, ids and texts come from anywhere. */
export function escapingTerminal(terminal: Terminal): Terminal {
  const { out, err, interactive, status, flush } = terminal;
  return {
    out: (text) => out(printableLines(text)),
    err: (text) => err(printableLines(text)),
    interactive,
    get columns() {
      return terminal.columns;
    },
    status: status && ((line) => status(printable(line))),
    flush,
  };
}

/** A stream whose reader may go away (`villa --help | head -1`) or whose disk may be full. */
class Sink {
  readonly #stream: Writable;
  #error: NodeJS.ErrnoException | undefined;

  constructor(stream: Writable) {
    this.#stream = stream;
    stream.on("error", (error) => {
      this.#error ??= error;
    });
  }

  write(text: string): void {
    if (this.#error) return;
    try {
      this.#stream.write(text);
    } catch (error) {
      this.#error = error as NodeJS.ErrnoException; // files are written at once, and may throw
    }
  }

  async flush(): Promise<void> {
    // Only a stream that still holds bytes is waited for: a notebook's `write` takes them and never calls back.
    if (!this.#error && this.#stream.writableLength > 0) {
      await new Promise<void>((resolve) => this.#stream.write("", () => resolve()));
    }
    // An error reaches its listeners a little later than the callback.
    await new Promise((resolve) => setImmediate(resolve));
    // A reader that went away has seen what it wanted.
    if (!this.#error || this.#error.code === "EPIPE") return;
    const why = this.#error.code === "ENOSPC" ? "no space is left" : this.#error.message;
    throw new VillaError("FileSystem", `Cannot write to standard output: ${why}.`, { cause: this.#error });
  }
}
