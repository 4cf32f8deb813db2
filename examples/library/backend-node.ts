// @villa/backend-node: the fastest backend of this machine, and worker threads that have one each.
import * as tf from "@tensorflow/tfjs-core";
import { doctor, formatDiagnosis, useNodeBackend } from "@villa/backend-node";

const backend = await useNodeBackend(); // { name: "wasm" } or VILLA_BACKEND=wasm forces one
console.log(backend.name, "runs on the", backend.device);

const product = tf.matMul(tf.ones([256, 512]), tf.ones([512, 128]));
console.log("product", product.shape, "of", (await product.data())[0]);

console.log(formatDiagnosis(await doctor({ seconds: 0 }))); // what can run here, and why the others cannot
await backend.dispose();
