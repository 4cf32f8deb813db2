/** One thing that is measured: our program and another side's, mostly PyTorch's, doing the same work. */
export interface Benchmark {
  readonly name: string;
  readonly title: string;
  /** Unit of `seconds`, for the table. */
  readonly unit: string;
  /** Program under src/ours and its arguments. */
  readonly ours: readonly string[];
  /** Script under pytorch/ and its arguments. */
  readonly pytorch?: readonly string[] | undefined;
  /** Program under src/ and its arguments that is the other side where PyTorch is not. */
  readonly beside?: readonly string[] | undefined;
  /** Backend of ours, whatever the command line says. */
  readonly backend?: string | undefined;
  /** Python modules that the script needs. Default: torch and torchvision. */
  readonly modules?: readonly string[] | undefined;
  /** Further arguments under which the other side may be faster: the fastest one counts. */
  readonly variants?: readonly (readonly string[])[] | undefined;
  /** PyTorch's time over ours that is asked for. */
  readonly target?: number | undefined;
  /** Runs on wasm too. */
  readonly onWasm: boolean;
  /** Rounds at most: long ones are run once. */
  readonly rounds?: number | undefined;
  /** PyTorch's script measures something else, by which this time of the original, in seconds, is scaled. */
  readonly scaled?: { readonly seconds: number; readonly pytorchMatmulGflops: number } | undefined;
}

interface RegionSizes {
  readonly name: string;
  readonly width: number;
  readonly height: number;
  readonly regions: number;
  /** Encoded in one call. */
  readonly images: number;
  readonly target: number;
}

function regions({ name, width, height, regions, images, target }: RegionSizes): Benchmark {
  const sizes = { width, height, regions, images };
  const args = Object.entries(sizes).flatMap(([option, value]) => [`--${option}`, `${value}`]);
  return {
    name,
    title: `CLIP RN50 region embeddings: one image of ${width} × ${height}, ${regions} regions`,
    unit: "s/image",
    ours: ["preprocess.ts", "image", ...args],
    pytorch: ["preprocess.py", "image", ...args],
    variants: [["--channels-last"], ...(images > 1 ? [["--batched"], ["--batched", "--channels-last"]] : [])],
    target,
    onWasm: name === "regions84", // the larger ones take minutes there
  };
}

export const suite: readonly Benchmark[] = [
  {
    name: "generate",
    title: "DocMNIST 30000/16: whole command, 2 600 files",
    unit: "s",
    ours: ["generate.ts"],
    pytorch: ["matmul.py"],
    target: 15,
    onWasm: false,
    rounds: 1, // of five runs in one process: see the program
    // The original was timed where PyTorch's large products reach 150 to 200 GFLOP/s.
    scaled: { seconds: 13.9, pytorchMatmulGflops: 175 },
  },
  regions({ name: "regions84", width: 84, height: 84, regions: 5, images: 16, target: 4 }),
  regions({ name: "regions224", width: 224, height: 224, regions: 10, images: 4, target: 2 }),
  regions({ name: "regions640", width: 640, height: 480, regions: 30, images: 1, target: 1.6 }),
  regions({ name: "regions1024", width: 1024, height: 1024, regions: 20, images: 1, target: 2 }),
  {
    name: "text",
    title: "CLIP text embeddings: 20 prompts",
    unit: "s",
    ours: ["preprocess.ts", "text"],
    pytorch: ["preprocess.py", "text"],
    target: 1.5,
    onWasm: true,
  },
  {
    name: "stage1Step",
    title: "Stage 1 step: 48 images, 5 regions each, 20 heads, d = 1024",
    unit: "s",
    ours: ["stage1.ts"],
    pytorch: ["stage1.py"],
    target: 4,
    onWasm: true,
  },
  {
    name: "stage1Epoch",
    title: "Stage 1 epoch: 41 such steps",
    unit: "s",
    ours: ["stage1.ts", "--steps", "41", "--epoch", "41"],
    pytorch: ["stage1.py", "--steps", "41", "--epoch", "41"],
    onWasm: true,
    rounds: 1,
  },
  {
    name: "mapping",
    title: "Mapping 655 images of 5 regions",
    unit: "s",
    ours: ["mapping.ts"],
    pytorch: ["mapping.py"],
    target: 20,
    onWasm: true,
    rounds: 2,
  },
  {
    name: "stage2Step",
    title: "Stage 2 step: RN50, 8 images of 84 × 84, 6 regions each",
    unit: "s",
    ours: ["stage2.ts"],
    pytorch: ["stage2.py"],
    variants: [["--channels-last"]],
    target: 1.8,
    onWasm: true,
  },
  {
    name: "stage2Step224",
    title: "Stage 2 step: RN50, 4 images of 224 × 224, 6 regions each",
    unit: "s",
    ours: ["stage2.ts", "--side", "224", "--images", "4"],
    pytorch: ["stage2.py", "--side", "224", "--images", "4"],
    variants: [["--channels-last"]],
    target: 1.5,
    onWasm: false,
  },
  {
    name: "vitImage",
    title: "CLIP ViT-B/16 image features: 8 images of 224 × 224",
    unit: "s/image",
    ours: ["vit.ts", "image"],
    pytorch: ["vit.py", "image"],
    modules: ["torch"],
    variants: [["--batched"]],
    target: 1,
    onWasm: false,
  },
  {
    name: "vitText",
    title: "CLIP ViT-B/16 text features: 20 prompts",
    unit: "s",
    ours: ["vit.ts", "text"],
    pytorch: ["vit.py", "text"],
    modules: ["torch"],
    target: 1.5,
    onWasm: false,
  },
  {
    name: "vitStage2Step",
    title: "Stage 2 step: ViT-B/16, all weights, 8 images of 224 × 224, 6 regions each",
    unit: "s",
    ours: ["vit.ts", "step"],
    pytorch: ["vit.py", "step"],
    modules: ["torch"],
    target: 1,
    onWasm: false,
  },
  {
    name: "wasmRegions",
    title: "wasm beside onnxruntime-web: RN50, one image of 84 × 84, 5 regions",
    unit: "s/image",
    ours: ["preprocess.ts", "image", "--images", "4"],
    beside: ["beside/onnx-web.ts", "--images", "4"],
    variants: [["--batched"]],
    backend: "wasm",
    target: 1,
    onWasm: false, // it is nothing else
  },
  {
    name: "wasmStage2Step",
    title: "wasm beside TF.js's own: Stage 2 step, RN50, 2 images of 84 × 84, 6 regions each",
    unit: "s",
    ours: ["stage2.ts", "--images", "2", "--steps", "1"],
    beside: ["ours/stage2.ts", "--images", "2", "--steps", "1", "--backend", "tfjs-wasm"],
    backend: "wasm",
    target: 3,
    onWasm: false,
    rounds: 1, // of two steps; TF.js's take a minute each
  },
  {
    name: "evaluate",
    title: "Retrieval metrics: 20 000 regions, 20 attributes",
    unit: "s",
    ours: ["evaluate.ts"],
    pytorch: ["evaluate.py"],
    modules: ["torch"],
    target: 3,
    onWasm: true,
  },
  {
    name: "ingest",
    title: "Own data beside a PIL and pandas loop: 48 pictures of 640 × 480, PNG to PNG",
    unit: "s/image",
    ours: ["ingest.ts"],
    pytorch: ["ingest.py"],
    modules: ["PIL", "pandas"],
    target: 1,
    onWasm: false,
    rounds: 2,
  },
  {
    name: "detection",
    title: "COCO evaluation beside pycocotools: 5 000 images, 80 categories, 500 000 detections",
    unit: "s",
    ours: ["detection.ts"],
    pytorch: ["detection.py", "pycocotools"],
    modules: ["pycocotools"],
    target: 2,
    onWasm: false,
    rounds: 2,
  },
  {
    name: "detectionFaster",
    title: "The same beside faster-coco-eval",
    unit: "s",
    ours: ["detection.ts"],
    pytorch: ["detection.py", "faster-coco-eval"],
    modules: ["faster_coco_eval"],
    target: 1,
    onWasm: false,
    rounds: 2,
  },
];
