import { testNonsense } from "@villa/testing/nonsense";
import * as main from "../src/index.ts";
import * as node from "../src/node.ts";

testNonsense("@villa/mapping", main);
testNonsense("@villa/mapping/node", node);
