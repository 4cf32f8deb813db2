// Time of mapping a split: every region scored against its image's attributes, and assigned. The other side: pytorch/mapping.py.
import { initialHead, makeModel, mapRegions } from "@villa/mapping";
import { coin, normals, ownPeakKiB, report, settings, startBackend, timed } from "./common.ts";
import { profileKernels } from "./kernels.ts";

const at = settings({ images: 655, regions: 5, attributes: 20, dimension: 1024, repeats: 3 });
const { images, regions, attributes, dimension } = at;
const backend = await startBackend(at);
const names = Array.from({ length: attributes }, (_, a) => String(a));
const heads = names.map((_, head) => initialHead(head, { dimension, seed: 23 }));
const model = makeModel({ dimension, oneProj: false, adapter: false, attributes: names }, heads);
const labels = Uint8Array.from({ length: images * attributes }, coin);
const data = {
  regions: normals(images * regions * dimension),
  counts: new Int32Array(images).fill(regions),
  labels,
};
const attributeEmbeddings = normals(attributes * dimension, dimension);
const times = await timed(at.repeats, () => mapRegions({ ...data, model, attributeEmbeddings }));
const wanted = labels.reduce((sum, label) => sum + label, 0);
const peakKiB = ownPeakKiB();
const kernels = await profileKernels(() => mapRegions({ ...data, model, attributeEmbeddings }));
report(at, backend.name, times, { flops: 4 * wanted * regions * dimension ** 2, kernels, peakKiB });
await backend.dispose();
