import * as tf from "@tensorflow/tfjs-core";
import type { BackendCandidate } from "./registry.ts";

/** TF.js's plain JavaScript backend: slow, but it runs everywhere and is what other backends are checked against. */
export function plainCpuBackend(): BackendCandidate {
  return {
    name: "cpu",
    device: "cpu",
    probe: async () => ({ available: true, detail: "plain JavaScript" }),
    activate: async () => {
      await import("@tensorflow/tfjs-backend-cpu");
      await tf.setBackend("cpu");
      await tf.ready();
      // Its first tensor prints an advertisement for tfjs-node; the choice of backend is reported elsewhere.
      (tf.backend() as { firstUse?: boolean | undefined }).firstUse = false;
    },
  };
}
