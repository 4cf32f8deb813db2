import { expect, test } from "vitest";
import { runVilla } from "../src/main.ts";
import { duration, type Terminal, table, terminalProgress } from "../src/terminal.ts";

function recorder(): Terminal & { stdout: string[]; stderr: string[] } {
  const stdout: string[] = [];
  const stderr: string[] = [];
  return { stdout, stderr, out: (line) => stdout.push(line), err: (line) => stderr.push(line), interactive: false };
}

test("tables align, numbers to the right", () => {
  expect(
    table([
      ["attribute", "F1"],
      ["red", 9.5],
      ["circle", 71.25],
    ]),
  ).toBe("attribute     F1\n─────────  ─────\nred          9.5\ncircle     71.25");
});

test("durations read naturally", () => {
  expect([0.2, 59, 75, 119.7, 3720].map(duration)).toEqual(["1 s", "59 s", "1 min 15 s", "2 min 0 s", "1 h 2 min"]);
});

test("without a terminal, progress is plain lines on stderr and ends with the last unit", () => {
  const terminal = recorder();
  const { listener, stop } = terminalProgress(terminal);
  for (let done = 0; done <= 3; done++)
    listener({ task: "work", done, total: 3, unit: "steps", metrics: { loss: 0.5 } });
  stop();
  expect(terminal.stderr.at(-1)).toMatch(/^work: 3\/3 steps .*loss 0\.5$/);
  expect(terminal.stdout).toEqual([]);
});

test("a heading stands above the progress that follows, which counts from anew", () => {
  const terminal = recorder();
  const { listener, heading } = terminalProgress(terminal);
  for (const name of ["first", "second"]) {
    heading(name);
    listener({ task: "work", done: 2, total: 2, unit: "steps" });
  }
  expect(terminal.stderr).toEqual(["first", "work: 2/2 steps", "second", "work: 2/2 steps"]);
});

test("a rate counts what was done since the first report, and from anew when a task begins again", async () => {
  const terminal = recorder();
  const { listener } = terminalProgress(terminal);
  const report = (done: number) => listener({ task: "work", done, total: 1000, unit: "steps" });
  report(1000);
  expect(terminal.stderr.at(-1)).toBe("work: 1000/1000 steps");
  for (const first of [990, 0]) {
    report(first);
    await new Promise((resolve) => setTimeout(resolve, 20));
    report(1000);
    const rate = Number(/ ([\d.]+) steps\/s/.exec(terminal.stderr.at(-1)!)?.[1]);
    expect(rate).toBeGreaterThan(0);
    expect(rate).toBeLessThanOrEqual((1000 - first) / 0.019);
  }
});

test("unknown commands and flags are bad usage: one sentence, exit code 2", async () => {
  for (const argv of [["stage9"], ["--nope"]]) {
    const terminal = recorder();
    expect(await runVilla(argv, terminal)).toBe(2);
    expect(terminal.stderr.join("\n")).toMatch(/unknown (command|option)/i);
  }
});

test("help and version succeed", async () => {
  for (const argv of [["--help"], ["--version"], []]) {
    const terminal = recorder();
    expect(await runVilla(argv, terminal)).toBe(0);
    expect(terminal.stdout.join("\n").length).toBeGreaterThan(4);
  }
});
