import type { ModifiedResNetConfig, WeightArray } from "../clip/parameters.ts";
import { TowerBuilder } from "./export-region-encoder.ts";
import { OnnxGraph } from "./graph.ts";

/**
 * Stem … layer3 of a tower as an ONNX file, BatchNorm folded in, for backends that run whole graphs.
 *
 * Input: `images` float32 [batch, height, width, 3]. Output: `features` float32 [batch, height / 16, width / 16, 16 × width].
 *
 * @param weights `visual.*` arrays in torch's names and layout
 */
export function backboneGraph(
  weights: ReadonlyMap<string, WeightArray>,
  config: ModifiedResNetConfig,
): Uint8Array<ArrayBuffer> {
  const graph = new OnnxGraph();
  const builder = new TowerBuilder(graph, weights);
  const images = graph.input("images", "float32", ["batch", "height", "width", 3]);
  const features = builder.backbone(graph.node("Transpose", [images], { perm: [0, 3, 1, 2] }), config);
  graph.node("Transpose", [features], { perm: [0, 2, 3, 1] }, "features");
  graph.output("features", "float32", ["batch", "rows", "columns", config.width * 16]);
  return graph.finish("villa-backbone") as Uint8Array<ArrayBuffer>;
}
