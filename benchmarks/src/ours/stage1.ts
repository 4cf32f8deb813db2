// Time of one Stage 1 training step, or of an epoch: `stage1.ts [--epoch 41]`. The other side: pytorch/stage1.py.
import { report, settings, startBackend } from "./common.ts";
import { stage1StepSeconds } from "./stage1-step.ts";

const at = settings({ steps: 20, batch: 48, regions: 5, attributes: 20, dimension: 1024, epoch: 1 });
const { batch, regions, attributes, dimension, epoch } = at;
const backend = await startBackend(at);
const seconds = await stage1StepSeconds(at, backend, at.threads);
// Forward over all rows; backward over the best row of each image, which takes three products of its two layers.
const flops = attributes * 2 * dimension ** 2 * (2 * batch * regions + 3 * batch);
report(at, backend.name, [seconds], { scale: epoch, flops: flops * epoch });
await backend.dispose();
