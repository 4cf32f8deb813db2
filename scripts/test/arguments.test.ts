// A call with many values in a row makes its reader count: two may stand in a row, the rest are named.
import { readdirSync, readFileSync } from "node:fs";
import { join, relative } from "node:path";
import ts from "typescript";
import { describe, expect, test } from "vitest";
import { publicEntries } from "../public-api.ts";
import { sourceFiles } from "./source-files.ts";

const packages = join(import.meta.dirname, "../../packages");

/** Arguments in a row that a function may take, options not counted. */
const most = 2;

/** Functions of the public entries that take more, and why. */
const publicExceptions: Readonly<Record<string, string>> = {
  "HeapBackend.move": "the interface of TensorFlow.js",
  "HeapBackend.tensor": "as TensorFlow.js has it",
  "HeapBackend.write": "the interface of TensorFlow.js",
  "OnnxRuntime.Tensor": "the interface of ONNX Runtime",
  "OnnxRuntime.run": "a call of a kernel",
  "RowMultiplier.rowProducts": "a kernel",
  "TextArchitecture.forward": "a model's layers: weights, their sizes and what goes in",
  attention: "operands in the order of the formula and of PyTorch",
  forEachRun: "its callback is called for every run of a mask's pixels",
  frozenWeight: "values, shape and type in the order of `tf.tensor`",
  layerNorm: "operands in the order of PyTorch",
  linear: "operands in the order of PyTorch",
  prepareRoiAlign: "operands in the order of torchvision",
  roiAlign: "operands in the order of torchvision",
  roiAxisWeights: "called for every region and axis",
  rowProducts: "a kernel",
};

/** Places whose functions take more, and why. */
const placesOfKernels: readonly (readonly [place: string, reason: string])[] = [
  ["backend-node/src/native/", "kernels, and the interface of ONNX Runtime"],
  ["backend-node/src/tensorflow/", "the interface of TensorFlow's backend"],
  ["cli/src/retrieval/open-retrieval.ts dot", "an inner loop"],
  ["core/src/backend/", "kernels, and the interface of TensorFlow.js's backends"],
  ["core/src/ops/", "operands of operations, in the order of TensorFlow.js and PyTorch"],
  ["data/src/formats/", "readers of bytes, which hand the allowance on, and their inner loops"],
  ["docmnist/src/canvas.ts", "x, y, width and height, in the order of a browser's canvas"],
  ["docmnist/src/paint.ts", "x, y, width and height, in the order of a browser's canvas"],
  ["encoders/src/clip/layers.ts", "layers: operands in the order of PyTorch"],
  ["encoders/src/onnx/", "layers: operands in the order of PyTorch; the interface of ONNX Runtime"],
  ["encoders/src/text/", "layers: operands in the order of PyTorch"],
  ["encoders/src/vit/positions.ts", "a layer"],
  ["mapping/src/assign/assign.ts forEachImage", "called back for every image"],
  ["mapping/src/data/", "inner loops of training"],
  ["mapping/src/model/", "inner loops of training"],
  ["metrics/src/", "inner loops over scores"],
];

interface Found {
  /** "data/src/tensor.ts" */
  readonly file: string;
  /** "Type.method" */
  readonly name: string;
}

/** An object is an argument with names: destructured, written out as a type, or called options. */
function isOptions({ name, type }: ts.ParameterDeclaration): boolean {
  if (ts.isObjectBindingPattern(name) || (type !== undefined && ts.isTypeLiteralNode(type))) return true;
  const isNamed = type !== undefined && /(Options|Rules?|Objective)$/.test(type.getText());
  return isNamed || name.getText() === "options";
}

/** Exported functions, and methods of what is exported, with more than {@link most} arguments in a row. */
function longCalls(file: string, text: string): Found[] {
  const source = ts.createSourceFile(file, text, ts.ScriptTarget.ESNext, true);
  const found: Found[] = [];
  const visit = (node: ts.Node, path: readonly string[]): void => {
    const name = (node as ts.NamedDeclaration).name?.getText();
    const within = name === undefined || ts.isParameter(node) ? path : [...path, name];
    const modifiers = ts.canHaveModifiers(node) ? ts.getModifiers(node) : undefined;
    if (name?.startsWith("#") || modifiers?.some(({ kind }) => kind === ts.SyntaxKind.PrivateKeyword)) return;
    if (ts.isFunctionLike(node)) {
      const last = node.parameters.at(-1);
      const inRow = node.parameters.length - (last !== undefined && isOptions(last) ? 1 : 0);
      if (inRow > most) found.push({ file, name: within.join(".") });
    }
    if (ts.isBlock(node)) return;
    ts.forEachChild(node, (child) => visit(child, within));
  };
  for (const statement of source.statements) {
    const modifiers = ts.canHaveModifiers(statement) ? ts.getModifiers(statement) : undefined;
    if (modifiers?.some(({ kind }) => kind === ts.SyntaxKind.ExportKeyword)) visit(statement, []);
  }
  return found;
}

const found = readdirSync(packages)
  .flatMap((name) => sourceFiles(join(packages, name, "src")))
  .filter((path) => !path.endsWith("simd-module.ts")) // generated
  .flatMap((path) => longCalls(relative(packages, path), readFileSync(path, "utf8")));
const publicNames = new Set(publicEntries().flatMap(({ values, types }) => [...values, ...types]));
const isPublic = ({ name }: Found): boolean => publicNames.has(name.split(".")[0]!);
const isKernel = ({ file, name }: Found): boolean =>
  placesOfKernels.some(([place]) => `${file} ${name}`.startsWith(place));

describe("two arguments in a row, the rest by name", () => {
  test("in functions that users call", () => {
    const names = found.filter(isPublic).map(({ name }) => name);
    expect([...new Set(names)].sort()).toEqual(Object.keys(publicExceptions).sort());
  });

  test("in functions that files share", () => {
    expect(found.filter((each) => !isPublic(each) && !isKernel(each))).toEqual([]);
    const idle = placesOfKernels.filter(
      ([place]) => !found.some(({ file, name }) => `${file} ${name}`.startsWith(place)),
    );
    expect(idle).toEqual([]);
  });

  test("is told apart", () => {
    const names = (text: string) => longCalls("a.ts", text).map(({ name }) => name);
    expect(names("export function f(a: number, b: number, c: number) {}")).toEqual(["f"]);
    expect(names("export const f = (a: number, b: number, { c }: { c: number }) => a + b + c;")).toEqual([]);
    expect(names("export function f(a: A, b: B, options: FOptions, c: C) {}\nfunction g(a: A, b: B, c: C) {}")).toEqual(
      ["f"],
    );
    expect(names("export class A {\n  m(a: B, b: B, c: B) {}\n  #m(a: B, b: B, c: B) {}\n}")).toEqual(["A.m"]);
    expect(names("export function f() {\n  return (a: B, b: B, c: B) => a;\n}")).toEqual([]);
  });
});
