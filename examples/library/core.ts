// @villa/core: vision-language operations and optimisers with the semantics of PyTorch, on any TensorFlow.js backend.

import * as tf from "@tensorflow/tfjs-core";
import {
  Adam,
  infoNCE,
  l2Normalize,
  linear,
  lossAndGradients,
  plainCpuBackend,
  roiAlign,
  useBackend,
} from "@villa/core";
import type {} from "@villa/core/tensorflow"; // types: tensors are TensorFlow.js's own

const backend = await useBackend({ candidates: [plainCpuBackend()], name: "cpu" });
console.log("backend", backend.name);

const features = tf.randomNormal<tf.Rank.R4>([1, 16, 16, 3], 0, 1, "float32", 1);
const aligned = roiAlign(features, [2, 2, 10, 12], [0], { outputSize: 4, spatialScale: 1 });
console.log("a region of 8 × 10 pixels as", aligned.shape);

// Learn the projection that matches 16 "images" to their "texts".
const images = tf.randomNormal([16, 8], 0, 1, "float32", 2);
const texts = tf.eye(16) as tf.Tensor2D;
const weight = tf.variable(tf.randomNormal<tf.Rank.R2>([16, 8], 0, 0.1, "float32", 3));
const optimizer = new Adam({ parameters: new Map([["weight", weight]]), learningRate: 0.05 });
const loss = () => infoNCE(l2Normalize(linear(images, weight)) as tf.Tensor2D, texts, { temperature: 0.07 });
for (let step = 0; step < 50; step++) {
  const { loss: value, gradients } = await lossAndGradients(loss, new Map([["weight", weight]]));
  optimizer.step(gradients);
  tf.dispose(gradients);
  if (step % 49 === 0) console.log(`step ${step}: loss ${value.toFixed(3)}`);
}
