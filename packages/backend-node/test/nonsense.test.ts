import { testNonsense } from "@villa/testing/nonsense";
import * as main from "../src/index.ts";

testNonsense("@villa/backend-node", main, {
  // These take nothing.
  takesAnything: ["wasmBackend", "webgpuBackend"],
  acts: ["activateNative", "createTaskPool", "doctor", "removeTensorFlow", "setupTensorFlow", "useNodeBackend"],
});
