import * as tf from "@tensorflow/tfjs-core";
import { l2Normalize } from "@villa/core";
import { bytes, expectAllClose } from "@villa/testing";
import { testBackends } from "@villa/testing/backends";
import { InferenceSession, Tensor } from "onnxruntime-node";
import { expect, test } from "vitest";
import { exportRegionEncoder, imageTensor, initModifiedResNet, visionStateDict } from "../src/index.ts";

test("the exported ONNX model gives the same embeddings, for images of other sizes too", async () => {
  await testBackends()[0]!.activate();
  const tower = initModifiedResNet({ layers: [1, 2, 1, 1], width: 8, embedDim: 32, seed: 5 });
  const session = await InferenceSession.create(
    exportRegionEncoder(await visionStateDict(tower.parameters), tower.config),
  );
  for (const side of [84, 112]) {
    const plane = 3 * side * side;
    const pictures = [0, 1].map((i) => ({ width: side, height: side, data: bytes(`onnx:${side}:${i}`, plane) }));
    const boxes = [0, 0, 28, 28, 28, 56, 84, 84, 0, 0, side - 1, side - 1];
    const images = imageTensor(pictures);
    const regions = { boxes, imageIndex: [0, 1, 1], imageWidth: side };
    const ours = tf.tidy(() => l2Normalize(tower.regionEmbeddings(tower.features(images), regions)));
    const pixels = Float32Array.from(
      pictures.flatMap(({ data }) => [...data]),
      (byte) => byte / 255,
    );
    const { embeddings } = await session.run({
      images: new Tensor("float32", pixels, [2, 3, side, side]),
      boxes: new Tensor("float32", Float32Array.from(boxes), [3, 4]),
      image_index: new Tensor("int64", BigInt64Array.of(0n, 1n, 1n), [3]),
    });
    expect(embeddings!.dims).toEqual([3, 32]);
    expectAllClose(embeddings!.data as Float32Array, ours.dataSync(), {
      rtol: 1e-3,
      atol: 1e-4,
      label: `side ${side}`,
    });
    tf.dispose([ours, images]);
  }
  tower.dispose();
});
