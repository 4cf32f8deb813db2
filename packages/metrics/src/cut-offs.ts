import { VillaError } from "@villa/data";

/** @throws VillaError `InvalidArgument` for a cut-off of a ranking that is not a whole number of at least 1 */
export function checkCutOffs(ks: readonly number[]): void {
  for (const k of ks) {
    if (!(Number.isInteger(k) && k > 0)) throw new VillaError("InvalidArgument", `Top-${k} needs a whole k above 0.`);
  }
}
