import "@tensorflow/tfjs-backend-cpu";
import * as tf from "@tensorflow/tfjs-core";
export const testBackends = () => [
  {
    name: "cpu",
    activate: async () => {
      await tf.setBackend("cpu");
      await tf.ready();
    },
  },
];
