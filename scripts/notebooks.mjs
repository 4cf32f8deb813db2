// Executes every notebook of examples/notebooks headless, as a user's Jupyter would, against the built packages; fails
// when a cell fails or complains, or gives outputs of other kinds than those that are committed.
// Needs `npm run build` before it, and `jupyter nbconvert`.
// Options: names of notebooks (default: all); --write puts the new outputs into the notebooks.
import { spawnSync } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

const folder = join(import.meta.dirname, "../examples/notebooks");
const names = process.argv.slice(2).filter((argument) => !argument.startsWith("--"));
const write = process.argv.includes("--write");

if (spawnSync("jupyter", ["nbconvert", "--version"]).status !== 0) {
  console.log("notebooks: skipped, there is no `jupyter nbconvert` (Debian: jupyter-nbconvert)");
  process.exit(0);
}

const text = (lines) => (Array.isArray(lines) ? lines.join("") : lines);
const readNotebook = (path) => JSON.parse(readFileSync(path, "utf8"));
const writeNotebook = (path, notebook) => writeFileSync(path, `${JSON.stringify(notebook, null, 1)}\n`);

const work = mkdtempSync(join(tmpdir(), "villa-notebooks-"));
const failed = [];
try {
  for (const file of readdirSync(folder).filter((name) => name.endsWith(".ipynb") && !name.startsWith("zz"))) {
    const name = file.replace(/\.ipynb$/, "");
    if (names.length > 0 && !names.includes(name)) continue;
    const start = performance.now();
    const faults = check(file);
    if (faults.length > 0) failed.push(name);
    console.log(
      `  ${faults.length > 0 ? "FAIL" : "ok  "}  ${name} (${((performance.now() - start) / 1000).toFixed(1)} s)`,
    );
    for (const fault of faults) console.log(fault);
  }
} finally {
  rmSync(work, { recursive: true, force: true });
}
if (failed.length > 0) {
  console.error(`notebooks: ${failed.join(", ")} failed`);
  process.exit(1);
}

/** Runs one notebook; what is wrong with it, nothing when all is well. */
function check(file) {
  const path = join(folder, file);
  // Without --allow-errors the kernel's messages, which say what is wrong with a cell, would be lost.
  const { status, stderr } = spawnSync(
    "jupyter",
    [
      ...["nbconvert", "--to", "notebook", "--execute", "--allow-errors"],
      ...["--ExecutePreprocessor.kernel_name=tslab", "--ExecutePreprocessor.timeout=900"],
      ...["--ExecutePreprocessor.record_timing=False", "--output-dir", work, path],
    ],
    { cwd: folder, encoding: "utf8", env: { ...process.env, JUPYTER_PATH: join(folder, ".jupyter"), TMPDIR: work } },
  );
  if (status !== 0) return [stderr];
  const committed = readNotebook(path);
  const executed = readNotebook(join(work, file));
  const faults = executed.cells.flatMap((cell, i) => complaints(cell).map((text) => `cell ${i + 1}:\n${text}`));
  if (write) {
    if (faults.length === 0) writeNotebook(path, { ...committed, cells: executed.cells.map(tidy) });
  } else {
    const stale = executed.cells.flatMap((cell, i) => (kinds(cell) === kinds(committed.cells[i]) ? [] : [i + 1]));
    if (stale.length > 0)
      faults.push(`cells ${stale.join(", ")} give other outputs than those committed: scripts/notebooks.mjs --write`);
  }
  return faults;
}

/** What a cell wrote to stderr; the kernel reports type errors and exceptions there. */
function complaints({ outputs = [] }) {
  return outputs.flatMap((output) => {
    if (output.output_type === "error") return [output.traceback?.join("\n") ?? output.ename];
    return output.name === "stderr" ? [text(output.text)] : [];
  });
}

/** "stream image/png" */
function kinds({ outputs = [] }) {
  return mergeStreams(outputs)
    .map((output) => (output.data ? Object.keys(output.data).sort().join("+") : output.name))
    .join(" ");
}

/** A cell without what changes from run to run for no reason. */
function tidy(cell) {
  if (cell.cell_type !== "code") return cell;
  return { ...cell, metadata: {}, outputs: mergeStreams(cell.outputs) };
}

/** The kernel's lines arrive as one output each, or several together: joins them. */
function mergeStreams(outputs) {
  const merged = [];
  for (const output of outputs) {
    const last = merged.at(-1);
    if (output.output_type === "stream" && last?.name === output.name) last.text = text(last.text) + text(output.text);
    else merged.push({ ...output });
  }
  return merged;
}
