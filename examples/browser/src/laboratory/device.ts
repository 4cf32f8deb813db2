import { VillaError } from "@villa/data";
import { breathe } from "./breathe.ts";

/** For the news of a loss, in ms. */
const patience = 1000;

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
    const result = await work(AbortSignal.any([signal, loss.signal]));
    await breathe();
    loss.signal.throwIfAborted();
    return result;
  } catch (error) {
    // Work on a lost device may fail before the news of the loss is here, and say less than it.
    if (lost && !signal.aborted) await Promise.race([lost, new Promise((resolve) => setTimeout(resolve, patience))]);
    loss.signal.throwIfAborted();
    throw error;
  }
}
