// @villa/preprocess: a dataset folder in, embedding files out; killed, the same call goes on where it stopped.
import { useNodeBackend } from "@villa/backend-node";
import { readAttributeEmbeddings } from "@villa/data/node";
import { glyphDigits } from "@villa/docmnist";
import { writeDataset } from "@villa/docmnist/node";
import { pixelsEncoder } from "@villa/encoders";
import { preprocessDataset } from "@villa/preprocess";

const backend = await useNodeBackend();
const digits = { train: glyphDigits(1, 500) };
const { directory } = await writeDataset({
  digits,
  attributeBudget: 200,
  targetSampleComplexity: 16,
  valAttributeBudget: 0,
  name: "docmnist",
});

const { images, regions } = await preprocessDataset({
  dataDir: directory,
  encoder: pixelsEncoder({ dimension: 256 }),
});
console.log(`${images} images, ${regions} regions`);

const { attributes, dimension } = await readAttributeEmbeddings(directory);
console.log(`${attributes.length} attributes of ${dimension} dimensions`);
await backend.dispose();
