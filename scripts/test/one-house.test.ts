// What keeps the packages one house: an idea stands once, and a folder is more than one file with a longer path.
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join, relative } from "node:path";
import ts from "typescript";
import { expect, test } from "vitest";
import { sourceFiles } from "./source-files.ts";

const root = join(import.meta.dirname, "../..");
const sources = readdirSync(join(root, "packages")).map((name) => join(root, "packages", name, "src"));

const generated = "simd-module.ts";
/** Lines that two places may share at most, blank ones not counted. */
const mostEqualLines = 12;

test(`no two places share more than ${mostEqualLines} equal lines`, () => {
  const places = new Map<string, string>();
  const repeated: string[] = [];
  for (const file of sources.flatMap(sourceFiles).filter((path) => !path.endsWith(generated))) {
    const lines = readFileSync(file, "utf8")
      .split("\n")
      .map((line, i) => ({ text: line.trim(), number: i + 1 }))
      .filter(({ text }) => text !== "");
    for (let i = 0; i + mostEqualLines < lines.length; i++) {
      const run = lines
        .slice(i, i + mostEqualLines + 1)
        .map(({ text }) => text)
        .join("\n");
      const place = `${relative(root, file)}:${lines[i]!.number}`;
      const earlier = places.get(run);
      if (earlier === undefined) places.set(run, place);
      else repeated.push(`${earlier} and ${place}`);
    }
  }
  expect(places.size).toBeGreaterThan(10_000);
  expect(repeated).toEqual([]);
});

/** The lines of a file that spread an object under a condition, or an object written out at its place. */
function spreadNoise(path: string, text: string): string[] {
  const source = ts.createSourceFile(path, text, ts.ScriptTarget.ESNext, true);
  const lines: string[] = [];
  const isObject = (node: ts.Expression): boolean =>
    ts.isParenthesizedExpression(node) ? isObject(node.expression) : ts.isObjectLiteralExpression(node);
  const isNoise = (node: ts.Expression): boolean => {
    if (ts.isParenthesizedExpression(node)) return isNoise(node.expression);
    if (ts.isConditionalExpression(node)) return isObject(node.whenTrue) || isObject(node.whenFalse);
    return (
      isObject(node) || (ts.isBinaryExpression(node) && node.operatorToken.kind !== ts.SyntaxKind.QuestionQuestionToken)
    );
  };
  const visit = (node: ts.Node): void => {
    // JSX has no shorthand: {...{ a, b }} stands for a={a} b={b}.
    const isShorthand = ts.isJsxSpreadAttribute(node) && ts.isObjectLiteralExpression(node.expression);
    if ((ts.isSpreadAssignment(node) || ts.isJsxSpreadAttribute(node)) && !isShorthand && isNoise(node.expression)) {
      const { line } = source.getLineAndCharacterOfPosition(node.getStart());
      lines.push(`${relative(root, path)}:${line + 1} ${node.getText()}`);
    }
    ts.forEachChild(node, visit);
  };
  visit(source);
  return lines;
}

test("an optional member is undefined, not spread under a condition", () => {
  expect(spreadNoise("a.ts", "f({ ...(x ? { a } : {}) })")).toHaveLength(1);
  expect(spreadNoise("a.ts", "f({ ...(x && y) })\ng({ ...{ a, b } })")).toHaveLength(2);
  expect(spreadNoise("a.ts", "f({ ...a, ...(b ?? c), ...d() })\ng([...(x ? [{ a }] : [])])")).toEqual([]);
  const folders = ["packages", "tools", "benchmarks", "scripts", "site", "examples"].map((name) => join(root, name));
  const found = folders.flatMap(sourceFiles).flatMap((path) => spreadNoise(path, readFileSync(path, "utf8")));
  expect(found).toEqual([]);
});

test("a folder has at least three files or folders", () => {
  const folders = (folder: string): string[] => {
    const entries = readdirSync(folder, { withFileTypes: true });
    const inner = entries.filter((entry) => entry.isDirectory()).flatMap(({ name }) => folders(join(folder, name)));
    return entries.length > 0 && entries.length < 3 ? [relative(root, folder), ...inner] : inner;
  };
  const small = sources.flatMap((source) =>
    readdirSync(source, { withFileTypes: true })
      .filter((entry) => entry.isDirectory())
      .flatMap(({ name }) => folders(join(source, name))),
  );
  expect(small).toEqual([]);
});

test("what the original computed stands once, in tools/testing/fixtures", () => {
  const tests = sources.map((source) => join(source, "../test")).filter((folder) => existsSync(folder));
  expect(tests.length).toBeGreaterThan(10);
  expect(tests.flatMap((folder) => readdirSync(folder)).filter((name) => name === "fixtures")).toEqual([]);
});
