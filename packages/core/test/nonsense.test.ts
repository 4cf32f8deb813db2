import { testNonsense } from "@villa/testing/nonsense";
import { beforeAll } from "vitest";
import * as main from "../src/index.ts";
import * as node from "../src/node.ts";

beforeAll(() => main.useBackend({ candidates: [main.plainCpuBackend()] }));

testNonsense("@villa/core", main, {
  takesAnything: [
    // These take nothing, and the last one every value.
    ...["plainCpuBackend", "graphCompiler", "filledText", "notNegative", "positive"],
    "snakeCaseKeys",
  ],
  // Takes nothing, and needs the WebAssembly backend.
});
testNonsense("@villa/core/node", node);
