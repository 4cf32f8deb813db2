import { testNonsense } from "@villa/testing/nonsense";
import * as main from "../src/index.ts";

import * as node from "../src/node.ts";

testNonsense("@villa/data", main, {
  takesAnything: ["isVillaError", "isTensorData"],
  // Containers, which have nothing to say about what is put into them.
  skip: ["VillaError", "StateDict"],
});
testNonsense("@villa/data/node", node, { takesAnything: ["fileError"] });
