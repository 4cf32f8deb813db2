import { testNonsense } from "@villa/testing/nonsense";
import * as main from "../src/index.ts";
import * as node from "../src/node.ts";

testNonsense("@villa/vlm", main);
testNonsense("@villa/vlm/node", node);
