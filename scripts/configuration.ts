// Renews the tables of docs/configuration.md from the schemas of the two stages:
//   node --import tsx --conditions=@villa/source scripts/configuration.ts
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { type ConfigSchema, describeSettings } from "../packages/core/src/index.ts";
import { stage1Schema } from "../packages/mapping/src/config.ts";
import { stage2Schema } from "../packages/vlm/src/config.ts";

const path = join(import.meta.dirname, "../docs/configuration.md");
const schemas: Readonly<Record<string, ConfigSchema>> = { "stage 1": stage1Schema, "stage 2": stage2Schema };

/** The page as it should be: the text around the tables as it is, the tables from the schemas. */
export function renewedConfigurationPage(page: string): string {
  return Object.entries(schemas).reduce((text, [stage, schema]) => {
    const [start, end] = [`<!-- settings of ${stage} -->\n`, "<!-- end -->"];
    const from = text.indexOf(start) + start.length;
    const to = text.indexOf(end, from);
    if (from < start.length || to < 0)
      throw new Error(`docs/configuration.md has no place for the settings of ${stage}.`);
    return `${text.slice(0, from)}${table(schema)}${text.slice(to)}`;
  }, page);
}

function table(schema: ConfigSchema): string {
  const rows = describeSettings(schema).map(
    ({ key, fallback, help }) =>
      `| \`${key}\` | ${fallback === undefined ? "(required)" : `\`${fallback}\``} | ${help} |`,
  );
  return ["| key | default | meaning |", "|---|---|---|", ...rows, ""].join("\n");
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? "").href) {
  writeFileSync(path, renewedConfigurationPage(readFileSync(path, "utf8")));
}
