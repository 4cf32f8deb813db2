import { useNodeBackend } from "@villa/backend-node";
import { clipEncoder } from "@villa/preprocess";
import { loadClipFile, preprocessDataset } from "@villa/preprocess/node";

await useNodeBackend();
const t = performance.now();
const model = await loadClipFile("/tmp/pp/w/rn50_fp16.pth", { inference: true });
console.log("load", performance.now() - t, process.resourceUsage().maxRSS / 1e3, process.memoryUsage());
console.log(
  await preprocessDataset({
    dataDirectory: process.argv[2]!,
    encoder: clipEncoder(model),
    overwrite: true,
    progress: (u) => {
      if (u.done % 640 === 0) console.log(u.done, u.metrics, (process.memoryUsage().rss / 1e6).toFixed());
    },
  }),
);
console.log(process.resourceUsage().maxRSS / 1e3);
