// Time of region-text retrieval metrics in both directions. The other side: pytorch/evaluate.py.
import { RandomState } from "@villa/data";
import { retrievalMetrics } from "@villa/metrics";
import { backendScores } from "@villa/vlm";
import { normals, report, settings, startBackend, timed } from "./common.ts";

const at = settings({ regions: 20_000, attributes: 20, dimension: 1024, repeats: 3 });
const backend = await startBackend(at);
const random = new RandomState(5);
const input = {
  regions: normals(at.regions * at.dimension, at.dimension),
  attributes: normals(at.attributes * at.dimension, at.dimension),
  labels: Uint8Array.from({ length: at.regions * at.attributes }, () => (random.randint(0, 5) === 0 ? 1 : 0)),
  dimension: at.dimension,
};
const scores = backendScores(input);
const times = await timed(at.repeats, () => retrievalMetrics({ ...input, scores }));
const flops = 2 * at.regions * at.attributes * at.dimension;
const everything = [
  { start: 0, count: at.attributes },
  { start: 0, count: at.regions },
] as const;
const [seconds = 0] = await timed(1, async () => scores(...everything));
report(at, backend.name, times, { flops, kernels: [{ kernel: "scores of all pairs", calls: 1, seconds, flops }] });
await backend.dispose();
