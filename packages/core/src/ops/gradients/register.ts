import * as tf from "@tensorflow/tfjs-core";
import { elementwiseGradients } from "./elementwise.ts";
import { productGradients } from "./products.ts";
import { reductionGradients } from "./reduction.ts";
import { shapeGradients } from "./shape.ts";

// Registers the gradients of the TF.js kernels that models of this repository use, where none is registered yet.
//
// `@tensorflow/tfjs-core` alone has none: its own live in a file that Node cannot import (extensionless imports in a
// CommonJS package) and that only the `@tensorflow/tfjs` bundle loads. Those here also avoid the holes of some backends
// (segmented sums, reductions of leading axes by transposition).
for (const config of [...elementwiseGradients, ...shapeGradients, ...reductionGradients, ...productGradients]) {
  if (!tf.getGradient(config.kernelName)) tf.registerGradient(config);
}
