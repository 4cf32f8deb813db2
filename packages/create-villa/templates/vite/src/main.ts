import { useBrowserBackend } from "@villa/backend-browser";
import { montage } from "@villa/docmnist";
import { learn } from "./learn.ts";

const button = document.querySelector<HTMLButtonElement>("#train")!;
const status = document.querySelector<HTMLElement>("#status")!;
const canvas = document.querySelector<HTMLCanvasElement>("#pictures")!;

button.addEventListener("click", async () => {
  button.disabled = true;
  try {
    await run();
  } catch (error) {
    status.textContent = error instanceof Error ? error.message : String(error);
  }
  button.disabled = false;
});

async function run(): Promise<void> {
  status.textContent = "Preparing";
  const backend = await useBrowserBackend();
  const start = performance.now();
  const { samples, precision, recall } = await learn((fraction) => {
    status.textContent = `Training on ${backend.name}: ${percent(fraction)}`;
  });
  const seconds = ((performance.now() - start) / 1000).toFixed(1);
  status.textContent = `${samples.length} pictures in ${seconds} s on ${backend.name}: precision ${percent(precision)}, recall ${percent(recall)}.`;
  draw(montage(samples.slice(0, 6), { columns: 3 }));
}

/** 0.61 → "61 %" */
function percent(fraction: number): string {
  return `${(100 * fraction).toFixed(0)} %`;
}

/** Puts a picture onto the canvas. */
function draw({ width, height, data }: ReturnType<typeof montage>): void {
  canvas.width = width;
  canvas.height = height;
  canvas.hidden = false;
  canvas.getContext("2d")!.putImageData(new ImageData(new Uint8ClampedArray(data), width, height), 0, 0);
}
