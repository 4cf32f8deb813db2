import { checkArgument, VillaError } from "@villa/data";

/** What a probe found: the backend can run here, or the sentence that says why it cannot. */
export type BackendProbe =
  | { readonly available: true; readonly detail?: string | undefined }
  | { readonly available: false; readonly reason: string };

/** A way to run TensorFlow.js here. Adapters (`@villa/backend-node`, `@villa/backend-browser`) offer them in order. */
export interface BackendCandidate {
  readonly name: string;
  readonly device: "gpu" | "cpu";
  /**
   * Looks whether the backend can run, without changing the current TF.js backend. Never throws for an expected absence.
   * `forced` is true when the user asked for this backend by name: a software adapter may then count as available.
   */
  probe(request?: { readonly forced: boolean }): Promise<BackendProbe>;
  /** Makes it the current TF.js backend. */
  activate(): Promise<void>;
  /**
   * Asked after `activate`: resolves with the reason when the device goes away, as after a driver's reset. Absent where
   * the device cannot go away.
   */
  lost?(): Promise<string>;
  /** Releases what would keep the process alive or memory occupied. */
  dispose?(): void | Promise<void>;
}

/** The backend that was made current. */
export interface ActiveBackend {
  readonly name: string;
  readonly device: "gpu" | "cpu";
  readonly detail?: string | undefined;
  /**
   * Resolves with the reason when the device goes away: what was computed since is void, and choosing a backend again
   * starts anew. Absent where that cannot happen.
   */
  readonly lost?: Promise<string> | undefined;
  /** Releases the backend; the process can then exit. */
  dispose(): Promise<void>;
}

/** The backends to choose from. */
export interface UseBackendOptions {
  /** Candidates, the preferred one first. */
  readonly candidates: readonly BackendCandidate[];
  /** Forces one candidate. Default: the environment variable `VILLA_BACKEND`, else "auto". */
  readonly name?: string | undefined;
}

/**
 * Makes the first available candidate the current TF.js backend; a forced one is used or refused, never replaced.
 *
 * @throws VillaError `InvalidArgument` when no candidate has the forced name; `BackendUnavailable` with the reason when
 * the forced one, or every one, cannot run.
 */
export async function useBackend(options: UseBackendOptions): Promise<ActiveBackend> {
  checkArgument("options", options, { candidates: ["object"], "name?": "text" });
  const { candidates, name } = options;

  const wanted = name ?? requestedByEnvironment();
  if (wanted === undefined || wanted === "auto") return firstAvailable(candidates);
  const candidate = candidates.find((each) => each.name === wanted);
  if (!candidate) {
    const names = candidates.map((each) => each.name).join(", ");
    throw new VillaError("InvalidArgument", `There is no backend "${wanted}"; choose one of: auto, ${names}.`);
  }
  const result = await attempt(candidate, true);
  if (typeof result === "string") {
    throw new VillaError("BackendUnavailable", `The backend "${wanted}" cannot run here: ${result}`);
  }
  return result;
}

/** One line of a backend report. */
export interface BackendReport {
  readonly name: string;
  readonly device: "gpu" | "cpu";
  readonly probe: BackendProbe;
}

/**
 * Probes every candidate, in order, without activating any. A probe that throws counts as a reason.
 *
 * @param options `forced`: name of the one that is probed as if it were forced
 */
export async function probeBackends(
  candidates: readonly BackendCandidate[],
  options: { readonly forced?: string | undefined } = {},
): Promise<BackendReport[]> {
  checkArgument("candidates", candidates, [
    {
      name: "text",
      device: "'gpu' | 'cpu'",
      probe: "function",
      activate: "function",
      "lost?": "function",
      "dispose?": "function",
    },
  ]);
  checkArgument("options?", options, { "forced?": "text" });
  const { forced } = options;

  const reports: BackendReport[] = [];
  for (const candidate of candidates) {
    const { name, device } = candidate;
    reports.push({ name, device, probe: await safeProbe(candidate, name === forced) });
  }
  return reports;
}

async function firstAvailable(candidates: readonly BackendCandidate[]): Promise<ActiveBackend> {
  const reasons: string[] = [];
  for (const candidate of candidates) {
    const result = await attempt(candidate, false);
    if (typeof result !== "string") return result;
    reasons.push(`${candidate.name}: ${result}`);
  }
  throw new VillaError("BackendUnavailable", `No backend can run here. ${reasons.join(" ")}`);
}

/** The active backend, or the reason why it cannot run. */
async function attempt(candidate: BackendCandidate, forced: boolean): Promise<ActiveBackend | string> {
  const probe = await safeProbe(candidate, forced);
  if (!probe.available) return probe.reason;
  try {
    await candidate.activate();
  } catch (error) {
    return `it was found but did not start (${messageOf(error)}).`;
  }
  return {
    name: candidate.name,
    device: candidate.device,
    detail: probe.detail,
    lost: candidate.lost ? candidate.lost() : undefined,
    dispose: async () => candidate.dispose?.(),
  };
}

async function safeProbe(candidate: BackendCandidate, forced: boolean): Promise<BackendProbe> {
  try {
    return await candidate.probe({ forced });
  } catch (error) {
    return { available: false, reason: `probing it failed (${messageOf(error)}).` };
  }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

function requestedByEnvironment(): string | undefined {
  const value = typeof process === "undefined" ? undefined : process.env?.VILLA_BACKEND;
  return value === "" ? undefined : value;
}
