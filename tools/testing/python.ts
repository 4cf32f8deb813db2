import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** A Python that has the modules a test compares with. */
export interface Python {
  /** Runs a script with `sys.argv[1:]` = args; fails with its error output. Returns what it printed. */
  run(script: string, ...args: string[]): string;
  /** Like `run`, with the printed text parsed as JSON. */
  json<T>(script: string, ...args: string[]): T;
}

/**
 * A Python with the given modules, or undefined (said once, in a line) where there is none. `VILLA_PYTHON` names the
 * interpreter; else the system's own `/usr/bin/python3`, where distributions put their packages, then `python3`.
 *
 * @example const python = findPython("torch"); test.skipIf(!python)("torch reads it", () => python!.run(…));
 */
export function findPython(...modules: string[]): Python | undefined {
  // Looking for the modules, not importing them: importing torch takes seconds.
  const script = `import importlib.util, sys; sys.exit(any(importlib.util.find_spec(m) is None for m in sys.argv[1:]))`;
  const candidates = [process.env.VILLA_PYTHON, "/usr/bin/python3", "python3"].filter((name) => name !== undefined);
  const found = candidates.find((name) => spawnSync(name, ["-c", script, ...modules]).status === 0);
  if (!found) {
    console.warn(`No Python with ${modules.join(", ")} here: the tests that compare with it are skipped.`);
    return undefined;
  }
  const run = (code: string, ...args: string[]): string => runScript(found, code, args);
  return { run, json: (code, ...args) => JSON.parse(run(code, ...args)) };
}

/** From a file rather than the command line: torch.jit.script wants to see its source. */
function runScript(python: string, code: string, args: readonly string[]): string {
  const folder = mkdtempSync(join(tmpdir(), "villa-python-"));
  try {
    const script = join(folder, "script.py");
    writeFileSync(script, code);
    const { status, stdout, stderr } = spawnSync(python, [script, ...args], { encoding: "utf8", maxBuffer: 1 << 28 });
    if (status !== 0) throw new Error(`Python failed:\n${stderr}`);
    return stdout;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
