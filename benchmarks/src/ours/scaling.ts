// Cost against size, one size a run: `scaling.ts images|attributes|regions|dimension --size N`. Prints one line of JSON.
import { glyphDigits, streamDocMnist } from "@villa/docmnist";
import { ownPeakKiB, settings, startBackend } from "./common.ts";
import { stage1StepSeconds } from "./stage1-step.ts";

/** One size. */
export interface ScalingPoint {
  /** Images, attributes, regions of an image, or dimension. */
  readonly size: number;
  /** Of all images, or of one Stage 1 step. */
  readonly seconds: number;
  readonly peakMemoryMiB: number;
}

const at = settings({ size: 0 });
const seconds = at.what === "images" ? generate() : await stage1();
const point: ScalingPoint = { size: at.size, seconds, peakMemoryMiB: ownPeakKiB() / 1024 };
console.log(JSON.stringify(point));

/** Images made in memory, one after another. */
function generate(): number {
  const samples = streamDocMnist({
    digits: { train: glyphDigits(23, 2_000) },
    attributeBudget: at.size * 16,
    valAttributeBudget: 16,
    targetSampleComplexity: 16,
    reuseImage: true,
  });
  const start = performance.now();
  let images = 0;
  for (const _ of samples) if (++images === at.size) break;
  return (performance.now() - start) / 1000;
}

/** One step of Stage 1 in which one size differs from the usual; many attributes go with a smaller dimension. */
async function stage1(): Promise<number> {
  const usual = { attributes: 20, regions: 5, dimension: at.what === "attributes" ? 256 : 1024 };
  const backend = await startBackend(at);
  const sizes = { ...usual, [at.what!]: at.size, steps: 4, batch: 48 };
  const seconds = await stage1StepSeconds(sizes, { backend, threads: at.threads });
  await backend.dispose();
  return seconds;
}
