import { checkArgument, saveTorch, type TensorData, VillaError } from "@villa/data";
import { atomicWriteFile } from "@villa/data/node";
import {
  exportRegionEncoder,
  exportVisionRegionEncoder,
  type ImageTower,
  ModifiedResNet,
  VisionTransformer,
} from "@villa/encoders";
import { openModel } from "./model.ts";

/** What {@link exportModel} has written. */
export interface ExportedTower {
  /** Side in pixels of the square to which images have to be scaled; undefined where they may have any size. */
  readonly imageSize: number | undefined;
  /** Side of the square to which each region is cut out first, to be an image of its own; undefined for maps of pictures. */
  readonly cropSide: number | undefined;
}

/**
 * Writes a trained image tower for use elsewhere: `.onnx` (images and boxes in, embeddings out), or `.pth`: a torch state
 * dict with the original's names.
 *
 * @throws VillaError `InvalidArgument` for another ending; `Unsupported`; as the file readers
 */
export async function exportModel(checkpoint: string, path: string): Promise<ExportedTower> {
  checkArgument("checkpoint", checkpoint, "text");
  checkArgument("path", path, "text");
  if (!/\.(onnx|pth|pt|pkl)$/i.test(path)) {
    throw new VillaError("InvalidArgument", `The exported file must end in .onnx or .pth, not "${path}".`);
  }
  const model = await openModel(checkpoint);
  try {
    const { tower } = model.image;
    const isOnnx = /\.onnx$/i.test(path);
    if (isOnnx && model.image.options.regions === "mask") {
      throw new VillaError(
        "Unsupported",
        `${checkpoint} was trained on masks (model.regions=mask), and the ONNX file takes boxes; give a name that ends in .pth, or export it with --format hf.`,
      );
    }
    if (!tower) throw new VillaError("InvalidArgument", `${checkpoint} holds no image tower that can be exported.`);
    const stateDict = await tower.stateDict();
    await atomicWriteFile(path, isOnnx ? regionEncoder(tower, stateDict) : saveTorch(stateDict));
    const { size, cropSide } = tower.input.regions;
    return { imageSize: size, cropSide };
  } finally {
    model.dispose();
  }
}

function regionEncoder(tower: ImageTower, stateDict: ReadonlyMap<string, TensorData>): Uint8Array {
  if (tower instanceof ModifiedResNet) return exportRegionEncoder(stateDict, tower.config);
  if (tower instanceof VisionTransformer) {
    return exportVisionRegionEncoder(stateDict, { ...tower.config, input: tower.input });
  }
  throw new VillaError(
    "Unsupported",
    `An image tower of the family "${tower.description.family}" cannot be exported to ONNX; give a name that ends in .pth.`,
  );
}
