// @villa/encoders: regions and attributes as embeddings. Here with an encoder that needs no weights; with CLIP's:
//   const encoder = clipEncoder(await loadClipFile(await downloadClipWeights(), { inference: true }));
import { useNodeBackend } from "@villa/backend-node";
import { attributeVocabulary, generateDocMnist, glyphDigits } from "@villa/docmnist";
import { attributeEmbeddings, ClipTokenizer, pixelsEncoder } from "@villa/encoders";

const backend = await useNodeBackend();
const digits = { train: glyphDigits(1, 500) };
const { train } = generateDocMnist({ digits, attributeBudget: 200, targetSampleComplexity: 16, valAttributeBudget: 0 });

const encoder = pixelsEncoder({ dimension: 256 });
const images = train.map(({ width, height, image }) => ({ width, height, channels: 3 as const, data: image }));
const regions = await encoder.encodeRegions(
  images,
  train.map((sample) => sample.regions.map(({ box }) => box)),
);
const attributes = await attributeEmbeddings(encoder, attributeVocabulary());
console.log(`${regions.length / 256} regions of ${train.length} images, ${attributes.size} attributes`);

console.log(new ClipTokenizer().encode("a photo of a red seven"));
encoder.dispose();
await backend.dispose();
