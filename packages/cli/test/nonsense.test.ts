import { testNonsense } from "@villa/testing/nonsense";
import * as main from "../src/index.ts";

testNonsense("@villa/cli", main);
