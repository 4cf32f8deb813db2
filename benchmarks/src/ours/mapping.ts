// Time of scoring every region of a split against its image's attributes. The other side: pytorch/mapping.py.
import { createTaskPool } from "@villa/backend-node";
import { initialHead, makeModel, scoreSplit } from "@villa/mapping";
import { mappingTasks } from "@villa/mapping/node";
import { coin, normals, report, settings, startBackend, timed } from "./common.ts";

const at = settings({ images: 655, regions: 5, attributes: 20, dimension: 1024, repeats: 3 });
const { images, regions, attributes, dimension } = at;
const backend = await startBackend(at);
const names = Array.from({ length: attributes }, (_, a) => String(a));
const heads = names.map((_, head) => initialHead(head, dimension, 23));
const model = makeModel({ dimension, oneProj: false, adapter: false, attributes: names }, heads);
const labels = Uint8Array.from({ length: images * attributes }, coin);
const data = {
  regions: normals(images * regions * dimension),
  counts: new Int32Array(images).fill(regions),
  labels,
};
const attributeEmbeddings = normals(attributes * dimension, dimension);
const pool = backend.device === "cpu" ? createTaskPool({ threads: at.threads, threadsPerWorker: 1 }) : undefined;
const parallel = pool && { pool, tasks: mappingTasks };
const times = await timed(at.repeats, () =>
  scoreSplit({ model, data, attributeEmbeddings, ...(parallel && { parallel }) }),
);
const wanted = labels.reduce((sum, label) => sum + label, 0);
report(at, backend.name, times, { flops: 4 * wanted * regions * dimension ** 2 });
await pool?.close();
await backend.dispose();
