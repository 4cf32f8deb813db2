import { testNonsense } from "@villa/testing/nonsense";
import * as main from "../src/index.ts";

import * as node from "../src/node.ts";

testNonsense("@villa/data", main, {
  takesAnything: ["firstLine", "isVillaError", "isTensorData"],
  // Containers, which have nothing to say about what is put into them, and a class whose constructor takes nothing.
  skip: ["VillaError", "StateDict", "ProtobufWriter"],
});
testNonsense("@villa/data/node", node);
