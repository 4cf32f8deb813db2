import { spawnSync } from "node:child_process";

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
  const script = `import ${modules.join(", ")}`;
  const candidates = [process.env.VILLA_PYTHON, "/usr/bin/python3", "python3"].filter((name) => name !== undefined);
  const found = candidates.find((name) => spawnSync(name, ["-c", script]).status === 0);
  if (!found) {
    console.warn(`No Python with ${modules.join(", ")} here: the tests that compare with it are skipped.`);
    return undefined;
  }
  const run = (code: string, ...args: string[]): string => {
    const { status, stdout, stderr } = spawnSync(found, ["-c", code, ...args], {
      encoding: "utf8",
      maxBuffer: 1 << 28,
    });
    if (status !== 0) throw new Error(`Python failed:\n${stderr}`);
    return stdout;
  };
  return { run, json: (code, ...args) => JSON.parse(run(code, ...args)) };
}
