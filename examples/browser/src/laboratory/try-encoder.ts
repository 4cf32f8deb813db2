import { chooseBackend } from "./backend.ts";
import type { Dataset } from "./dataset.ts";
import { whileDeviceLasts } from "./device.ts";
import { isKept } from "./embed.ts";
import { canKeepEmbeddings } from "./kept-embeddings.ts";
import type { OwnEncoder } from "./own-encoder.ts";
import type { BackendName, EncoderTrial } from "./protocol.ts";

/** Loads an encoder and embeds one image of the dataset, to tell what all of them will take. */
export async function tryEncoder(own: OwnEncoder, dataset: Dataset, backend: BackendName): Promise<EncoderTrial> {
  const { lost } = await chooseBackend(backend);
  return whileDeviceLasts(lost, new AbortController().signal, async () => {
    const started = performance.now();
    const encoder = await own.open();
    try {
      const loadSeconds = (performance.now() - started) / 1000;
      const image = await dataset.readImage(0);
      const boxes = dataset.rows[0]!.regionCoord;
      let secondsPerImage = Number.POSITIVE_INFINITY;
      // The first time includes what a backend prepares.
      for (let i = 0; i < 2; i++) {
        const from = performance.now();
        await encoder.encodeRegions([image], [boxes]);
        secondsPerImage = Math.min(secondsPerImage, (performance.now() - from) / 1000);
      }
      const { dimension } = encoder;
      const canKeep = await canKeepEmbeddings();
      const kept = canKeep && (await isKept(dataset, own.key, dimension));
      const crops = encoder.options.regions === "crop";
      return { dimension, loadSeconds, secondsPerImage, images: dataset.rows.length, crops, canKeep, kept };
    } finally {
      encoder.dispose();
    }
  });
}
