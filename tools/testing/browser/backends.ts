import { browserBackends } from "../../../packages/backend-browser/src/index.ts";
import type { TestBackend } from "../backends.ts";

const reports = await Promise.all(
  browserBackends().map(async (candidate) => ({
    candidate,
    // Headless browsers render in software; their results count all the same.
    runs: (await candidate.probe({ forced: true })).available,
  })),
);

/** Every backend of this browser, for `describe.each`. */
export function testBackends(): TestBackend[] {
  return reports
    .filter(({ runs }) => runs)
    .map(({ candidate }) => ({ name: candidate.name, activate: () => candidate.activate() }));
}
