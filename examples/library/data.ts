// @villa/data: a table and an array that pandas, NumPy and torch read, and NumPy's random numbers.
import { loadStateDict, RandomState, readFeather, readNpz, saveTorch, writeFeather, writeNpz } from "@villa/data";
import { atomicWriteFile, readFileBytes } from "@villa/data/node";

const random = new RandomState(23); // the numbers of numpy.random.RandomState(23)
const weights = {
  dtype: "float32" as const,
  shape: [2, 3],
  data: Float32Array.from({ length: 6 }, () => random.normal()),
};

await atomicWriteFile("weights.npz", writeNpz({ w: weights })); // numpy.load("weights.npz")["w"]
await atomicWriteFile("model.pth", saveTorch({ state_dict: { "layer.weight": weights } })); // torch.load("model.pth")
await atomicWriteFile(
  "words.feather",
  await writeFeather([{ name: "word", type: "string", values: ["red", "seven"] }]),
);

console.log(readNpz(await readFileBytes("weights.npz")).get("w"));
console.log(loadStateDict(await readFileBytes("model.pth")).get("layer.weight")?.shape);
console.log((await readFeather(await readFileBytes("words.feather"))).rows());
