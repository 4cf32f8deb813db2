import { nodeBackends } from "../../packages/backend-node/src/index.ts";

export interface TestBackend {
  readonly name: string;
  activate(): Promise<void>;
}

/** Backends whose numbers differ from the others' by more than rounding, or that take too long: only when asked for. */
const onRequest: Record<string, string> = { webgpu: "VILLA_TEST_WEBGPU", cuda: "VILLA_TEST_CUDA" };

const reports = await Promise.all(
  nodeBackends().map(async (candidate) => {
    const flag = onRequest[candidate.name];
    if (flag !== undefined && process.env[flag] !== "1") return { candidate, runs: false };
    const probe = await candidate.probe({ forced: flag !== undefined });
    // A backend that was asked for and is missing must not look like a pass.
    if (flag !== undefined && !probe.available) throw new Error(`${flag}=1, but ${candidate.name}: ${probe.reason}`);
    return { candidate, runs: probe.available };
  }),
);

/** Every backend that numeric suites run on here, for `describe.each`. */
export function testBackends(): TestBackend[] {
  return reports
    .filter(({ runs }) => runs)
    .map(({ candidate }) => ({ name: candidate.name, activate: () => candidate.activate() }));
}
