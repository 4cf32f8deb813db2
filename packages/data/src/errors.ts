/**
 * What went wrong, as a stable word that programs can branch on. The sentence in `message` is for people and may change.
 */
export type VillaErrorCode =
  /** A file or folder that should be there is not. */
  | "NotFound"
  /** A file or folder that would be overwritten is there already. */
  | "AlreadyExists"
  /** A file is not of the format it claims, is truncated, or holds values outside its format. */
  | "InvalidFile"
  /** A file asks for something that is refused on purpose: code in a pickle, an absurd size. */
  | "UnsafeFile"
  /** A well-formed file uses a feature that is not implemented. */
  | "Unsupported"
  /** A downloaded or cached file does not have the expected checksum. */
  | "ChecksumMismatch"
  /** A download failed. */
  | "Network"
  /** An argument, flag or configuration key is unknown or out of range. */
  | "InvalidArgument"
  /** Data that should fit together does not: shapes, dimensions, names, manifests. */
  | "Mismatch"
  /** A computation produced NaN or infinity. */
  | "NotFinite"
  /** The requested backend cannot run here. */
  | "BackendUnavailable"
  /** The file system refused: no space, no permission. */
  | "FileSystem"
  /** The caller's AbortSignal fired. */
  | "Aborted";

/**
 * Every error that a `@villa/*` package raises on purpose. `message` is one sentence: what was wrong and what to do.
 *
 * ESM and CJS copies of a class differ, so recognise these with {@link isVillaError}, not `instanceof`.
 *
 * @example
 * try { readNpy(bytes) } catch (error) {
 *   if (isVillaError(error, "InvalidFile")) console.error(error.message); else throw error;
 * }
 */
export class VillaError extends Error {
  override readonly name = "VillaError";
  readonly code: VillaErrorCode;

  constructor(code: VillaErrorCode, message: string, options?: { cause?: unknown }) {
    super(message, options);
    this.code = code;
  }
}

/** True for a {@link VillaError} of any copy of this package, optionally only with the given code. */
export function isVillaError(error: unknown, code?: VillaErrorCode): error is VillaError {
  return error instanceof Error && error.name === "VillaError" && "code" in error && (!code || error.code === code);
}

/** What an error says first: other libraries' go on with traces and advice. */
export function firstLine(error: unknown): string {
  return (error instanceof Error ? error.message : String(error)).split("\n", 1)[0]!;
}

/**
 * Ends work whose caller has asked to stop: the one way in which everything here stops.
 *
 * @param sentence what was stopped, and what is kept
 * @throws VillaError `Aborted` when the signal has fired; its cause is the signal's reason
 */
export function throwIfAborted(signal: AbortSignal | undefined, sentence = "Stopped on request."): void {
  if (signal !== undefined && (typeof signal !== "object" || signal === null)) {
    throw new VillaError("InvalidArgument", "A signal must be an AbortSignal.");
  }
  if (signal?.aborted) throw new VillaError("Aborted", sentence, { cause: signal.reason });
}
