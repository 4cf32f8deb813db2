// What the packages export, against the lists that users can read.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { publicEntries, renewedPublicApiPage } from "../public-api.ts";

const entries = publicEntries();

test("docs/public-api.md lists what every package exports; node --import tsx scripts/public-api.ts renews it", () => {
  const page = readFileSync(join(import.meta.dirname, "../../docs/public-api.md"), "utf8");
  expect(renewedPublicApiPage(page, entries)).toBe(page);
});

test("there are entries of every kind", () => {
  const names = entries.map(({ name }) => name);
  expect(names).toEqual(expect.arrayContaining(["@villa/data", "@villa/data/node", "@villa/cli", "@villa/core"]));
  const typesAlone = ["@villa/core/tensors", "@villa/core/tensorflow"];
  for (const { name, values } of entries.filter((entry) => !typesAlone.includes(entry.name)))
    expect(values.length, name).toBeGreaterThan(0);
});

test.each(entries)("$name opens with an example, which imports what there is", ({ name, example }) => {
  const imports = [...example.matchAll(/import (?:type )?(?:\* as \w+|\{([^}]*)\}) from "(@villa\/[^"]+)"/g)].flatMap(
    ([, names = "", from]) => names.split(",").map((each) => ({ from, name: each.replace("type ", "").trim() })),
  );
  expect(imports.map(({ from }) => from)).toContain(name);
  for (const { from, name } of imports.filter((each) => each.name !== "")) {
    const entry = entries.find((each) => each.name === from);
    expect([...(entry?.values ?? []), ...(entry?.types ?? [])], from).toContain(name);
  }
});

describe("a list that is out of date", () => {
  const page = (lists: string) => `before\n<!-- lists -->\n${lists}<!-- end -->\nafter`;
  test("is another text", () => {
    const [one, two] = [["a", "b"], ["a"]].map((values) =>
      renewedPublicApiPage(page(""), [{ name: "@villa/x", values, types: ["T"], example: "" }]),
    );
    expect(one).toBe(page("\n### @villa/x\n\nValues:\n`a`\n`b`\n\nTypes:\n`T`\n\n"));
    expect(two).not.toBe(one);
    expect(renewedPublicApiPage(two!, [{ name: "@villa/x", values: ["a", "b"], types: ["T"], example: "" }])).toBe(one);
  });
  test("needs its place", () => {
    expect(() => renewedPublicApiPage("nothing", [])).toThrow("no place for the lists");
  });
});
