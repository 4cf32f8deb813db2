import { checkArgument, VillaError } from "@villa/data";
import { snakeCaseKeys } from "../config/spelling.ts";

/** What decides a run's numbers, by the name that a message gives it. Members that are undefined decide nothing. */
export type Fingerprint = Readonly<Record<string, string | undefined>>;

/** A group of settings as a fingerprint holds it. Files compare these texts, so their form must not change. */
export function fingerprintText(settings: object): string {
  checkArgument("settings", settings, "object");

  return JSON.stringify(snakeCaseKeys(settings));
}

/** Names of the members in which two runs differ. */
export function fingerprintDifferences(one: Fingerprint, other: Fingerprint): string[] {
  checkArgument("one", one, "object");
  checkArgument("other", other, "object");

  return Object.keys({ ...one, ...other }).filter((key) => one[key] !== other[key]);
}

/**
 * Refuses to go on from the checkpoints of another run: its model would pass for this one's.
 *
 * @param folder where the checkpoints are, for the message
 * @param runs `found`: what made the checkpoints; `own`: the run that would go on
 * @throws VillaError `Mismatch` naming what differs
 */
export function requireSameRun(folder: string, runs: { readonly found: Fingerprint; readonly own: Fingerprint }): void {
  checkArgument("folder", folder, "text");
  checkArgument("runs", runs, { found: "object", own: "object" });
  const { found, own } = runs;

  const differences = fingerprintDifferences(found, own);
  if (differences.length === 0) return;
  const verb = differences.length === 1 ? "differs" : "differ";
  throw new VillaError(
    "Mismatch",
    `${folder} holds the checkpoints of another run (${differences.join(", ")} ${verb}); give resume=never to replace them, or another checkpoint_dir or task_name.`,
  );
}
