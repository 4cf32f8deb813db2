// Usage: node --import tsx --conditions=@villa/source make-encoder.ts FOLDER
import { makeEncoder } from "./src/encoder.ts";

const [folder = "encoder"] = process.argv.slice(2);
makeEncoder(folder);
console.log(`a small CLIP with random weights in ${folder}`);
