import { relative } from "node:path";
import { parseArgs } from "node:util";
import { isVillaError, VillaError } from "@villa/data";
import packageJson from "../package.json" with { type: "json" };
import { createProject, isTemplate, templates } from "./create-project.ts";

/** Where the command writes. */
export interface Output {
  readonly out: (text: string) => void;
  readonly err: (text: string) => void;
}

const help = `Usage: npm create villa@latest FOLDER [-- --template node|vite]

Makes a small project that works at once.
  node  a table, a folder of pictures, settings and scripts: from your own data to a search by words (default)
  vite  a page that learns which word speaks of which part of a picture, in the visitor's browser

Options:
  --template NAME  node or vite
  --version        show the version, which is also that of the packages in the project
  --help           show this help`;

/**
 * The `create-villa` command.
 *
 * @param argv arguments after the program's name
 * @returns the exit code: 0 done, 1 failed, 2 called wrongly
 */
export async function createVilla(argv: readonly string[], { out, err }: Output): Promise<0 | 1 | 2> {
  try {
    const { folder, template, wantsHelp, wantsVersion } = parse(argv);
    if (wantsHelp || wantsVersion) {
      out(wantsHelp ? help : packageJson.version);
      return 0;
    }
    const project = await createProject({ folder, template, version: packageJson.version });
    const path = relative("", project.directory);
    const steps = [...(path ? [`cd ${/\s/.test(path) ? JSON.stringify(path) : path}`] : []), ...project.steps];
    out(
      `Created ${project.name} from the ${template} template. Next:\n\n${steps.map((line) => `  ${line}`).join("\n")}`,
    );
    return 0;
  } catch (error) {
    err(`create-villa: ${error instanceof Error ? error.message : String(error)}`);
    return isVillaError(error, "InvalidArgument") ? 2 : 1;
  }
}

function parse(argv: readonly string[]) {
  const { values, positionals } = parsed(argv);
  const { template = "node", help: wantsHelp = false, version: wantsVersion = false } = values;
  if (!isTemplate(template)) {
    throw new VillaError("InvalidArgument", `There is no template ${template}; choose ${templates.join(" or ")}.`);
  }
  const [folder = "", ...rest] = positionals;
  if (!(folder || wantsHelp || wantsVersion)) {
    throw new VillaError("InvalidArgument", "Say which folder to create: npm create villa@latest my-project.");
  }
  if (rest.length > 0) {
    throw new VillaError(
      "InvalidArgument",
      `Give one folder, not ${positionals.length} (${positionals.join(", ")}); a name with spaces needs quotes, and options need -- before them: npm create villa@latest my-page -- --template vite.`,
    );
  }
  return { folder, template, wantsHelp, wantsVersion };
}

function parsed(argv: readonly string[]) {
  try {
    return parseArgs({
      args: [...argv],
      allowPositionals: true,
      options: {
        template: { type: "string", short: "t" },
        help: { type: "boolean", short: "h" },
        version: { type: "boolean", short: "v" },
      },
    });
  } catch (error) {
    const [sentence = ""] = (error as Error).message.split(". ");
    throw new VillaError("InvalidArgument", `${sentence}; --help lists the options.`, { cause: error });
  }
}
