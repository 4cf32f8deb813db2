import { Writable } from "node:stream";
import { VillaError } from "@villa/data";
import { Command } from "commander";
import { expect, test } from "vitest";
import {
  type CommonFlags,
  impliedCommand,
  openTerminal,
  overrideWords,
  present,
  type RegisterCommand,
  runProgram,
  seedNumber,
  type Terminal,
  wholeNumber,
  withCommonFlags,
} from "../src/index.ts";

/** A program whose one group of commands says what it was called with, or fails as it is told. */
const commands: RegisterCommand[] = [
  (program, context) => {
    const group = program.command("group").description("a group");
    impliedCommand(group, "say");
    const say = group
      .command("say")
      .argument("[words...]")
      .option("--two-words <n>", "a number", wholeNumber)
      .option("--seed <n>", "a seed", seedNumber);
    withCommonFlags(say).action((words: string[], { json, verbose, ...flags }: CommonFlags) =>
      present(
        context,
        { json, verbose },
        async () => ({ words, ...flags }),
        ({ words: said }) => `said ${said}`,
      ),
    );
    withCommonFlags(group.command("fail").argument("<how>")).action((how: string) => {
      if (how === "usage") throw new VillaError("InvalidArgument", "That is wrong.");
      if (how === "file") throw new VillaError("NotFound", "There is no file a\u001b[31m\nb.");
      throw new TypeError("x is not a function");
    });
    group.command("stop").action(async () => {
      process.emit("SIGINT");
      if (context.signal.aborted) throw new VillaError("Aborted", "Stopped.");
    });
  },
];

async function run(...argv: string[]) {
  const lines = { out: [] as string[], err: [] as string[] };
  const terminal: Terminal = {
    out: (line) => lines.out.push(line),
    err: (line) => lines.err.push(line),
    interactive: false,
  };
  return { code: await runProgram(new Command("prog"), argv, { commands, terminal }), ...lines };
}

test("flags in either spelling, an implied command, and JSON as the last line", async () => {
  const expected = { code: 0, out: ['{"words":[],"twoWords":3}'], err: [] };
  expect(await run("group", "say", "--two-words", "3", "--json")).toEqual(expected);
  expect(await run("group", "--two_words=3", "--json")).toEqual(expected);
  expect(await run("group", "say", "a_b", "--", "--two_words")).toMatchObject({ out: ["said a_b,--two_words"] });
});

test("help is asked for in either way, and a mistake before it is seen", async () => {
  const [before, after] = [await run("help", "group", "say"), await run("group", "say", "--help")];
  expect(before).toEqual(after);
  expect(before).toMatchObject({ code: 0, err: [] });
  for (const argv of [
    ["grup", "--help"],
    ["help", "grup"],
    ["group", "sai", "--help"],
  ]) {
    const { code, out, err } = await run(...argv);
    expect([code, out]).toEqual([2, []]);
    expect(err.join("\n")).toMatch(/^prog: Unknown command '(grup|sai)'\n\(Did you mean (group|say)\?\)/);
  }
  expect(await run("group")).toMatchObject({ code: 2, out: [] });
});

test("an error is one sentence and an exit code; a stack only when asked for", async () => {
  expect(await run("group", "fail", "usage")).toEqual({ code: 2, out: [], err: ["prog: That is wrong."] });
  expect(await run("group", "fail", "file")).toEqual({
    code: 1,
    out: [],
    err: ["prog: There is no file a\\u001b[31m\\u000ab."],
  });
  expect(await run("group", "fail", "bug")).toEqual({
    code: 1,
    out: [],
    err: ["prog: x is not a function (--verbose shows where)"],
  });
  expect((await run("group", "fail", "bug", "--verbose")).err.join("\n")).toContain("    at ");
});

test.each(["0", "-1", "1.5", "x", "", "0x10", "1e3"])("--two-words %j is refused", async (text) => {
  const { code, err } = await run("group", "say", `--two-words=${text}`);
  expect(code).toBe(2);
  expect(err[0]).toContain("Give a whole number of at least 1.");
});

test("a seed may be 0 but not empty", async () => {
  expect((await run("group", "say", "--seed", "0")).code).toBe(0);
  expect((await run("group", "say", "--seed=")).code).toBe(2);
});

test("Ctrl-C says what it does and ends the command with its own sentence", async () => {
  expect(await run("group", "stop")).toEqual({
    code: 130,
    out: [],
    err: ["Stopping at the next safe point; press Ctrl-C again to stop at once.", "prog: Stopped."],
  });
});

test("settings in either spelling", () => {
  expect(overrideWords(["a=1", "--data-dir", "x y", "--loss.temp=0.1", "b.c=2", "--epochs"])).toEqual([
    "a=1",
    "data_dir=x y",
    "loss.temp=0.1",
    "b.c=2",
    "epochs=",
  ]);
});

/** A stream that keeps what is written, or fails with a code. */
function stream(code?: string): Writable & { text: string } {
  const sink = Object.assign(
    new Writable({
      write(chunk, _, done) {
        if (code) return done(Object.assign(new Error(code), { code }));
        sink.text += String(chunk);
        done();
      },
    }),
    { text: "" },
  );
  return sink;
}

test("a reader that goes away is no error, a full disk is one", async () => {
  for (const [code, exit, sentence] of [
    ["EPIPE", 0, ""],
    ["ENOSPC", 1, "prog: Cannot write to standard output: no space is left.\n"],
  ] as const) {
    for (const argv of [["--help"], ["group", "say", "--json"]]) {
      const stderr = stream();
      const terminal = openTerminal(stream(code), stderr);
      expect([await runProgram(new Command("prog"), argv, { commands, terminal }), stderr.text]).toEqual([
        exit,
        sentence,
      ]);
    }
  }
});

test("a stream whose `write` never calls back, as in a notebook, ends the command", async () => {
  const stdout = stream();
  const seen: string[] = [];
  stdout.write = (chunk: unknown) => seen.push(String(chunk)) > 0;
  const terminal = openTerminal(stdout, stream());
  const exit = await runProgram(new Command("prog").version("1.2.3"), ["--version"], { commands, terminal });
  expect([exit, seen]).toEqual([0, ["1.2.3\n"]]);
});

test("a slow reader is waited for", async () => {
  let text = "";
  const stdout = new Writable({
    write(chunk, _, done) {
      setTimeout(() => {
        text += String(chunk);
        done();
      }, 5);
    },
  });
  const terminal = openTerminal(stdout, stream());
  terminal.out("one");
  terminal.out("two");
  await terminal.flush!();
  expect(text).toBe("one\ntwo\n");
});

test("lines appear above the status line, which is drawn again below them", () => {
  const [stdout, stderr] = [stream(), stream()];
  const terminal = openTerminal(stdout, stderr);
  terminal.status!("1/2");
  terminal.err("note");
  terminal.out("result");
  terminal.status!("");
  expect(stderr.text).toBe("\r1/2\u001b[K\r\u001b[Knote\n1/2\r\u001b[K1/2\r\u001b[K");
  expect(stdout.text).toBe("result\n");
});
