// Time of one Stage 1 training step, or of an epoch: `stage1.ts [--epoch 41]`. The other side: pytorch/stage1.py.
import { ownPeakKiB, report, settings, startBackend } from "./common.ts";
import { profileKernels } from "./kernels.ts";
import { stage1StepSeconds } from "./stage1-step.ts";

const at = settings({ steps: 20, batch: 48, regions: 5, attributes: 20, dimension: 1024, epoch: 1 });
const { batch, regions, attributes, dimension, epoch } = at;
const backend = await startBackend(at);
const seconds = await stage1StepSeconds(at, { backend, threads: at.threads });
const peakKiB = ownPeakKiB();
// Forward over all rows; backward over the best row of each image, which takes three products of its two layers.
const flops = attributes * 2 * dimension ** 2 * (2 * batch * regions + 3 * batch);
const few = { ...at, steps: 2 };
// In this thread, for two epochs: what workers compute is not seen from here.
const kernels = await profileKernels(() => stage1StepSeconds(few, { backend, threads: 0 }), epoch / (2 * few.steps));
report(at, backend.name, [seconds], { scale: epoch, flops: flops * epoch, kernels, peakKiB });
await backend.dispose();
