// Run by half-weights.test.ts in a process of its own: loads a file of halves and says how much memory that took at most.
import { readFileSync } from "node:fs";
import { activateNative } from "../../backend-node/src/native/register.ts";
import { openEncoder } from "../src/node.ts";

const megabytes = (field: string) =>
  Number(new RegExp(`${field}:\\s+(\\d+) kB`).exec(readFileSync("/proc/self/status", "utf8"))![1]) / 1024;

await activateNative();
const before = megabytes("VmRSS");
const { image } = await openEncoder(process.argv[2]!, { textEncoder: "none" });
console.log(JSON.stringify({ name: image.name, before, peak: megabytes("VmHWM") }));
