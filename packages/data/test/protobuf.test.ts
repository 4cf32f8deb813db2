import { expect, test } from "vitest";
import { ProtobufWriter } from "../src/index.ts";

test("fields are written as the specification's examples have them", () => {
  // https://protobuf.dev/programming-guides/encoding/
  expect([...new ProtobufWriter().int(1, 150).finish()]).toEqual([0x08, 0x96, 0x01]);
  expect([...new ProtobufWriter().text(2, "testing").finish()]).toEqual([0x12, 7, ...Buffer.from("testing")]);
  expect([...new ProtobufWriter().bytes(3, new ProtobufWriter().int(1, 150)).finish()]).toEqual([0x1a, 3, 8, 0x96, 1]);
  expect([...new ProtobufWriter().int(1, -2).finish()]).toEqual([8, 0xfe, ...new Array(8).fill(0xff), 1]);
  expect([...new ProtobufWriter().float(1, 0.5).finish()]).toEqual([0x0d, 0, 0, 0, 0x3f]);
  expect([...new ProtobufWriter().finish()]).toEqual([]);
});
