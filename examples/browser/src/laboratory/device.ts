import { VillaError } from "@villa/data";
import { breathe } from "./breathe.ts";

/**
 * The outcome of work on a device, or an error when the device goes away meanwhile: what was computed since is void.
 *
 * @param lost resolves with the reason when the device goes away
 * @param work should end on the signal, which fires then
 * @throws VillaError `BackendUnavailable`, and as `work` does
 */
export async function whileDeviceLasts<T>(
  lost: Promise<string> | undefined,
  signal: AbortSignal,
  work: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const loss = new AbortController();
  lost?.then((reason) =>
    loss.abort(new VillaError("BackendUnavailable", `Computing stopped: ${reason} Try again, or compute on wasm.`)),
  );
  try {
    return await work(AbortSignal.any([signal, loss.signal]));
  } finally {
    // The news may still be on its way.
    await breathe();
    loss.signal.throwIfAborted();
  }
}
