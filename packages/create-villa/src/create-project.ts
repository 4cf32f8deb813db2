import { cp, mkdir, readdir, readFile, rename, writeFile } from "node:fs/promises";
import { basename, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { VillaError } from "@villa/data";
import { writeExampleData } from "./example-data.ts";

/** The kinds of projects. */
export const templates = ["node", "vite"] as const;
export type Template = (typeof templates)[number];

/** True for the name of a template. */
export function isTemplate(name: string): name is Template {
  return templates.some((template) => template === name);
}

/** What to create. */
export interface ProjectOptions {
  /** New or empty folder; its last part is the project's name. */
  readonly folder: string;
  readonly template: Template;
  /** Version of the `@villa/*` packages that the project depends on. */
  readonly version: string;
}

/** What was created. */
export interface Project {
  readonly name: string;
  readonly directory: string;
  /** Commands that lead to the first result, to be run in the folder. */
  readonly steps: readonly string[];
}

/**
 * Writes a project into a new or empty folder.
 *
 * @throws VillaError `InvalidArgument` when the folder's name cannot be a package's, `AlreadyExists` when the folder has
 * files in it or is a file, `FileSystem` when it cannot be written
 */
export async function createProject({ folder, template, version }: ProjectOptions): Promise<Project> {
  const directory = resolve(folder);
  const name = basename(directory);
  checkName(name);
  await checkEmpty(directory, folder);
  try {
    await mkdir(directory, { recursive: true });
    await cp(fileURLToPath(new URL(`../templates/${template}`, import.meta.url)), directory, { recursive: true });
    // npm leaves files of this name out of packages, so the template has it under another.
    await rename(join(directory, "_gitignore"), join(directory, ".gitignore"));
    for (const file of ["package.json", "README.md"]) await fill(join(directory, file), { name, version });
    if (template === "node") await writeExampleData(directory);
  } catch (cause) {
    throw new VillaError("FileSystem", `The project could not be written to ${folder}: ${(cause as Error).message}.`, {
      cause,
    });
  }
  return { name, directory, steps: ["npm install", template === "node" ? "npm start" : "npm run dev"] };
}

/** npm's rules for names of packages. @see https://docs.npmjs.com/cli/configuring-npm/package-json#name */
function checkName(name: string): void {
  if (/^[a-z0-9][a-z0-9._-]*$/.test(name) && name.length <= 214 && name !== "node_modules") return;
  const proposal = name
    .toLowerCase()
    .replace(/[^a-z0-9._-]+/g, "-")
    .replace(/^[._-]+|[._-]+$/g, "");
  throw new VillaError(
    "InvalidArgument",
    `A project cannot be named "${name}": use small letters, digits, "-", "." and "_", beginning with a letter or digit, such as ${proposal || "my-project"}.`,
  );
}

async function checkEmpty(directory: string, folder: string): Promise<void> {
  const files = await readdir(directory).catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT") return [];
    if (error.code === "ENOTDIR") {
      throw new VillaError("AlreadyExists", `${folder} is a file; choose another name for the project's folder.`);
    }
    throw new VillaError("FileSystem", `${folder} cannot be read: ${error.message}.`, { cause: error });
  });
  // A fresh repository is as good as empty.
  const others = files.filter((file) => file !== ".git");
  if (others.length === 0) return;
  throw new VillaError(
    "AlreadyExists",
    `${folder} has files in it already, such as ${others[0]}; choose another folder, or empty this one.`,
  );
}

async function fill(path: string, values: Readonly<Record<string, string>>): Promise<void> {
  const text = await readFile(path, "utf8");
  await writeFile(
    path,
    text.replace(/\{\{(\w+)\}\}/g, (whole, key: string) => values[key] ?? whole),
  );
}
