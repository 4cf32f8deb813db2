import { expect, test } from "vitest";
import { duration, type Terminal, terminalProgress } from "../src/index.ts";
import { progressLine } from "../src/progress.ts";
import { displayWidth } from "../src/text.ts";

function recorder(): Terminal & { stdout: string[]; stderr: string[] } {
  const stdout: string[] = [];
  const stderr: string[] = [];
  return { stdout, stderr, out: (line) => stdout.push(line), err: (line) => stderr.push(line), interactive: false };
}

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

test.each([
  ["line", true],
  ["lines", false],
  ["none", false],
] as const)("--progress %s in a terminal", (form, changes) => {
  const drawn: string[] = [];
  const terminal = { ...recorder(), interactive: true, status: (line: string) => drawn.push(line) };
  const { listener, heading, stop } = terminalProgress(terminal, { form });
  heading("first");
  listener({ task: "work", done: 2, total: 2, unit: "steps" });
  stop();
  expect(drawn.length > 0).toBe(changes);
  expect(terminal.stderr).toEqual({ line: ["first"], lines: ["first", "work: 2/2 steps"], none: [] }[form]);
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

const training = { task: "training", done: 1200, total: 4000, unit: "steps", metrics: { loss: 0.4213, rate: 3 } };
const clock = { base: 0, seconds: 400 };

test("the status line fits any terminal; count and time left stay, the bar goes first", () => {
  expect(progressLine(training, clock, 100)).toBe(
    "training: 1200/4000 steps  15 min 34 s left  loss 0.4213  3.00 steps/s  ███████░░░░░░░░░░░░░░░░░",
  );
  expect(progressLine(training, clock, 80)).toBe(
    "training: 1200/4000 steps  15 min 34 s left  loss 0.4213  3.00 steps/s",
  );
  expect(progressLine(training, clock, 48)).toBe("training: 1200/4000 steps  15 min 34 s left");
  expect(progressLine({ ...training, task: "generating train images" }, clock, 40)).toBe(
    "1200/4000  15 min 34 s left  generatin…",
  );
  for (let columns = 1; columns < 140; columns++) {
    expect(displayWidth(progressLine(training, clock, columns))).toBeLessThan(columns);
  }
});

test("the status line shows that time passes before the first unit is done", () => {
  expect(progressLine(undefined, { base: 0, seconds: 0 })).toBe("starting");
  expect(progressLine(undefined, { base: 0, seconds: 7.2 })).toBe("starting, 8 s");
  const first = { task: "epoch 1", done: 0, total: 10, unit: "steps" };
  expect(progressLine(first, { base: 0, seconds: 8 })).toMatch(/^epoch 1: 0\/10 steps {2}8 s {2}░+$/);
});

test("on a terminal something is shown at once, and nothing stays behind", () => {
  const shown: string[] = [];
  const terminal = { ...recorder(), interactive: true, columns: 60, status: (line: string) => shown.push(line) };
  const { listener, stop } = terminalProgress(terminal);
  expect(shown).toEqual(["starting"]);
  listener({ task: "work", done: 1, total: 2, unit: "steps" });
  expect(shown.at(-1)).toMatch(/^work: 1\/2 steps/);
  stop();
  expect(shown.at(-1)).toBe("");
  expect(terminal.stderr).toEqual([]);
});
