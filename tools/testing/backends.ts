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
    const wanted = flag === undefined || process.env[flag] === "1";
    return { candidate, runs: wanted && (await candidate.probe({ forced: flag !== undefined })).available };
  }),
);

/** Every backend that numeric suites run on here, for `describe.each`. */
export function testBackends(): TestBackend[] {
  return reports
    .filter(({ runs }) => runs)
    .map(({ candidate }) => ({ name: candidate.name, activate: () => candidate.activate() }));
}
