// Renews the lists of docs/public-api.md from the entries of every package:
//   node --import tsx scripts/public-api.ts
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import ts from "typescript";

const root = join(import.meta.dirname, "..");
const path = join(root, "docs/public-api.md");

/** What can be imported from an entry of a package. */
export interface Entry {
  /** "@villa/data/node" */
  readonly name: string;
  readonly values: readonly string[];
  readonly types: readonly string[];
  /** The code of its `@example`. */
  readonly example: string;
}

/** Every entry that a package.json of packages/ names, by its sources. */
export function publicEntries(): Entry[] {
  return readdirSync(join(root, "packages"))
    .sort()
    .flatMap((folder) => {
      const manifest = JSON.parse(readFileSync(join(root, "packages", folder, "package.json"), "utf8")) as {
        name: string;
        exports?: Record<string, string | { "@villa/source": string }> | undefined;
      };
      return Object.entries(manifest.exports ?? {}).flatMap(([entry, target]) =>
        typeof target === "string"
          ? []
          : [
              {
                name: manifest.name + entry.slice(1),
                ...exportsOf(join(root, "packages", folder, target["@villa/source"])),
              },
            ],
      );
    });
}

/**
 * The names that a module exports, by its text: entries do nothing but re-export by name.
 *
 * @throws Error when it exports in another way
 */
function exportsOf(file: string): Omit<Entry, "name"> {
  const source = ts.createSourceFile(file, readFileSync(file, "utf8"), ts.ScriptTarget.ESNext);
  const values: string[] = [];
  const types: string[] = [];
  for (const statement of source.statements) {
    if (ts.isImportDeclaration(statement)) continue; // for its side effect
    if (ts.isModuleDeclaration(statement)) continue; // `declare global` adds to what is exported elsewhere
    if (!(ts.isExportDeclaration(statement) && statement.exportClause && ts.isNamedExports(statement.exportClause))) {
      throw new Error(`${file} has something other than "export { names } from": ${statement.getText(source)}`);
    }
    for (const { isTypeOnly, name } of statement.exportClause.elements) {
      (isTypeOnly || statement.isTypeOnly ? types : values).push(name.text);
    }
  }
  return { values: values.sort(), types: types.sort(), example: exampleOf(source.text) };
}

/** The example that a module opens with; nothing where it opens with none. */
function exampleOf(text: string): string {
  const lines =
    /^\/\*\*\n(?:(?! \*\/).*\n)*? \* @example\n((?: \*.*\n)*?) \*\n \* @module\n \*\//.exec(text)?.[1] ?? "";
  return lines.replace(/^ \* ?/gm, "");
}

/** The page as it should be: the text around the lists as it is, the lists from the sources. */
export function renewedPublicApiPage(page: string, entries: readonly Entry[] = publicEntries()): string {
  const [start, end] = ["<!-- lists -->\n", "<!-- end -->"];
  const from = page.indexOf(start) + start.length;
  const to = page.indexOf(end, from);
  if (from < start.length || to < 0) throw new Error("docs/public-api.md has no place for the lists.");
  const lists = entries.map(({ name, values, types }) =>
    [`### ${name}`, "", ...listed("Values", values), ...listed("Types", types)].join("\n"),
  );
  return `${page.slice(0, from)}\n${lists.join("\n")}\n${page.slice(to)}`;
}

/** A line for each initial letter, so that a change shows as a short difference. */
function listed(title: string, names: readonly string[]): string[] {
  if (names.length === 0) return [];
  const byInitial = groupedByInitial(names);
  const lines = [...byInitial]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([, own]) => own.map((name) => `\`${name}\``).join(" "));
  return [`${title}:`, ...lines, ""];
}

function groupedByInitial(names: readonly string[]): Map<string, string[]> {
  const groups = new Map<string, string[]>();
  for (const name of names) {
    const initial = name[0]!.toLowerCase();
    groups.set(initial, [...(groups.get(initial) ?? []), name]);
  }
  return groups;
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? "").href) {
  writeFileSync(path, renewedPublicApiPage(readFileSync(path, "utf8")));
}
