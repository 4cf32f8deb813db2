import { testNonsense } from "@villa/testing/nonsense";
import * as main from "../src/index.ts";
import * as node from "../src/node.ts";

testNonsense("@villa/encoders", main);
testNonsense("@villa/encoders/node", node);
