// Every `villa` command in the documentation and in help texts is one that villa takes: flags, values and settings.
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { resolveConfig } from "@villa/core";
import { stage1Defaults, stage1Experiments, stage1Schema } from "@villa/mapping";
import { stage2Defaults, stage2Experiments, stage2Schema } from "@villa/vlm";
import { Command } from "commander";
import { expect, test } from "vitest";
import { digestCommand } from "../../docmnist/src/command/digest.ts";
import { generateCommand } from "../../docmnist/src/command/generate.ts";
import { visualizeCommand } from "../../docmnist/src/command/visualize.ts";
import { normalizeArguments } from "../src/arguments.ts";
import type { CommandContext } from "../src/commands/context.ts";
import { commands } from "../src/commands/index.ts";
import { epsilonAlias } from "../src/commands/stage1.ts";
import { runVilla } from "../src/main.ts";

const root = join(import.meta.dirname, "../../..");
const signal = new AbortController().signal;
const silent = { out: () => {}, err: () => {} };

/** The program with every command in place, none of which does anything. */
function idleProgram(): Command {
  const program = new Command("villa").exitOverride().configureOutput({ writeErr: () => {} });
  const context: CommandContext = { terminal: { ...silent, interactive: false }, signal, setExitCode: () => {} };
  for (const register of commands) register(program, context);
  const io = { ...silent, isTerminal: false };
  const own = [generateCommand(io, signal), digestCommand(io, signal), visualizeCommand(io)];
  const others = program.commands.filter((command) => !["docmnist", "visualize", "merge"].includes(command.name()));
  const idle = new Command("villa").exitOverride().configureOutput({ writeErr: () => {} });
  idle.command("docmnist");
  for (const command of others) idle.addCommand(command);
  for (const command of own.slice(0, 2)) idle.commands[0]!.addCommand(command);
  idle.addCommand(own[2]!);
  const quieten = (command: Command): void => {
    command.exitOverride().configureOutput({ writeErr: () => {} });
    if (command.commands.length === 0) command.action(() => {});
    command.commands.forEach(quieten);
  };
  idle.commands.forEach(quieten);
  return idle;
}

/** @throws what the user would be told */
function check(given: readonly string[]): void {
  if (given.includes("--help")) return;
  const words = given[0] === "merge" ? [...given.slice(1), "--merge"] : given;
  const program = idleProgram();
  program.parse(normalizeArguments(words, program), { from: "user" });
  const settings = words.filter((word, i) => i > 0 && !word.startsWith("--") && /^[\w.]+=/.test(word));
  const readFile = () => "data_dir: data\n";
  if (words[0] === "stage1" || words[0] === "map") {
    const overrides = settings.map(epsilonAlias);
    resolveConfig({
      schema: stage1Schema,
      defaults: stage1Defaults,
      experiments: stage1Experiments,
      overrides,
      readFile,
    });
  } else if (words[0] === "stage2") {
    const stage = { schema: stage2Schema, defaults: stage2Defaults, experiments: stage2Experiments };
    resolveConfig({ ...stage, overrides: settings, readFile });
  }
}

/** The commands in lines of a shell. */
function villaCommands(shell: string): string[] {
  return shell
    .replace(/\\\n\s*/g, " ")
    .split(/\n|&&|;/)
    .map((line) => line.replace(/\s#.*$/, "").trim())
    .filter((line) => line.startsWith("villa ") && !line.includes("…"));
}

const wordsOf = (line: string): string[] =>
  [...line.matchAll(/"([^"]*)"|(\S+)/g)].slice(1).map(([, quoted, plain]) => quoted ?? plain!);

const pages = ["README.md", "docs", "packages", "examples", "benchmarks"].flatMap((path) =>
  path.endsWith(".md")
    ? [path]
    : readdirSync(join(root, path), { recursive: true })
        .map((name) => join(path, String(name)))
        .filter((name) => name.endsWith(".md") && !name.includes("node_modules")),
);

const documented = pages.flatMap((page) => {
  const blocks = [...readFileSync(join(root, page), "utf8").matchAll(/^ *```sh\n([\s\S]*?)```/gm)];
  return blocks.flatMap(([, shell]) => villaCommands(shell!).map((line) => [page, line] as const));
});

test.each(documented)("%s: %s", (_, line) => {
  expect(() => check(wordsOf(line))).not.toThrow();
});

test("mistakes would be seen", () => {
  expect(documented.length).toBeGreaterThan(40);
  for (const line of [
    "villa evaluate --data-dir data",
    "villa stage1 experiment=docmnist_stage1 epoch=3",
    "villa docmnist generate --attribute-budget 100",
    "villa visualize data --output a.png",
    "villa preprocess --data-dir data --regions vit",
  ]) {
    expect(() => check(wordsOf(line)), line).toThrow();
  }
});

test("examples of every help text", async () => {
  const names = idleProgram().commands.map((command) => command.name());
  const helps: string[] = [];
  const terminal = { out: (text: string) => helps.push(text), err: () => {}, interactive: false };
  for (const name of names.filter((each) => !["docmnist", "visualize"].includes(each))) {
    await runVilla([name, "--help"], terminal);
  }
  await runVilla(["--help"], terminal);
  const lines = helps.flatMap((help) => villaCommands(help.slice(help.search(/^Examples?:/m))));
  expect(lines.length).toBeGreaterThan(25);
  for (const line of lines) expect(() => check(wordsOf(line.split(/ {3,}/)[0]!)), line).not.toThrow();
});
