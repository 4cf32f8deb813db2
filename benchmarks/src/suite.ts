/** One thing that is measured: our program and PyTorch's, doing the same work. */
export interface Benchmark {
  readonly name: string;
  readonly title: string;
  /** Unit of `seconds`, for the table. */
  readonly unit: string;
  /** Program under src/ours and its arguments. */
  readonly ours: readonly string[];
  /** Script under pytorch/ and its arguments. */
  readonly pytorch: readonly string[];
  /** Python modules that the script needs. Default: torch and torchvision. */
  readonly modules?: readonly string[] | undefined;
  /** PyTorch's time over ours that is asked for. */
  readonly target?: number | undefined;
  /** Runs on wasm too. */
  readonly onWasm: boolean;
  /** Rounds at most: long ones are run once. */
  readonly rounds?: number | undefined;
  /** PyTorch's script measures something else, by which this time of the original, in seconds, is scaled. */
  readonly scaled?: { readonly seconds: number; readonly pytorchMatmulGflops: number } | undefined;
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
  {
    name: "preprocess",
    title: "CLIP RN50 region embeddings: one image, 5 regions",
    unit: "s/image",
    ours: ["preprocess.ts", "image"],
    pytorch: ["preprocess.py", "image"],
    target: 2.5,
    onWasm: true,
  },
  {
    name: "text",
    title: "CLIP text embeddings: 20 prompts",
    unit: "s",
    ours: ["preprocess.ts", "text"],
    pytorch: ["preprocess.py", "text"],
    onWasm: true,
  },
  {
    name: "stage1Step",
    title: "Stage 1 step: 48 images, 5 regions each, 20 heads, d = 1024",
    unit: "s",
    ours: ["stage1.ts"],
    pytorch: ["stage1.py"],
    target: 2.8,
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
    target: 15,
    onWasm: true,
    rounds: 2,
  },
  {
    name: "stage2Step",
    title: "Stage 2 step: RN50, 8 images, 6 regions each",
    unit: "s",
    ours: ["stage2.ts"],
    pytorch: ["stage2.py"],
    target: 1.3,
    onWasm: true,
  },
  {
    name: "evaluate",
    title: "Retrieval metrics: 20 000 regions, 20 attributes",
    unit: "s",
    ours: ["evaluate.ts"],
    pytorch: ["evaluate.py"],
    onWasm: true,
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
