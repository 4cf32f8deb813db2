// Every `villa` command in the documentation and in help texts is one that villa takes: flags, values and settings.
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { type CommandContext, normalizeArguments, overrideWords } from "@villa/command-kit";
import { resolveConfig } from "@villa/core";
import { stage1Experiments, stage1Schema } from "@villa/mapping";
import { stage2Experiments, stage2Schema } from "@villa/vlm";
import { Command } from "commander";
import { expect, test } from "vitest";
import { commands } from "../src/commands/index.ts";
import { runVilla } from "../src/main.ts";

const root = join(import.meta.dirname, "../../..");
/** The program with every command in place, none of which does anything. */
function idleProgram(): Command {
  const program = new Command("villa").helpCommand("help [command]");
  const context: CommandContext = {
    terminal: { out: () => {}, err: () => {}, interactive: false },
    signal: new AbortController().signal,
  };
  for (const register of commands) register(program, context);
  const quieten = (command: Command): void => {
    command.exitOverride().configureOutput({ writeErr: () => {} });
    // `merge` calls the command whose shards it joins.
    if (command.commands.length === 0) command.action(() => {});
    command.commands.forEach(quieten);
  };
  quieten(program);
  return program;
}

/** @throws what the user would be told */
function check(given: readonly string[]): void {
  if (given.includes("--help")) return;
  const words = given[0] === "merge" ? [...given.slice(1), "--merge"] : given;
  const program = idleProgram();
  program.parse(normalizeArguments(words, program), { from: "user" });
  const settings = overrideWords(words.filter((word, i) => i > 0 && !word.startsWith("--") && /^[\w.]+=/.test(word)));
  const readFile = () => "data_dir: data\n";
  if (words[0] === "stage1" || words[0] === "map") {
    resolveConfig({ schema: stage1Schema, experiments: stage1Experiments, overrides: settings, readFile });
  } else if (words[0] === "stage2") {
    const stage = { schema: stage2Schema, experiments: stage2Experiments };
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
    "villa evaluate --task detections --data-dir data",
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
  for (const name of names) {
    await runVilla([name, "--help"], terminal);
  }
  await runVilla(["--help"], terminal);
  const lines = helps.flatMap((help) => villaCommands(help.slice(help.search(/^Examples?:/m))));
  expect(lines.length).toBeGreaterThan(25);
  for (const line of lines) expect(() => check(wordsOf(line.split(/ {3,}/)[0]!)), line).not.toThrow();
});
