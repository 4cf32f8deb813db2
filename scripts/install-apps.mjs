// For install-test.mjs: the two projects that take the packages in other ways than Node does, a Vite app and a notebook.
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import { extname, join } from "node:path";

/** The first ```ts block of a README, or undefined. A missing README is release-dry's complaint. */
export function readmeExample(folder) {
  const path = join(folder, "README.md");
  return existsSync(path) ? /```ts\n([\s\S]*?)```/.exec(readFileSync(path, "utf8"))?.[1] : undefined;
}

const needsNode = /from "(?:@villa\/[\w-]+\/node|@villa\/backend-node|@villa\/cli|node:\w+)"/;

/**
 * A Vite app whose page runs the README example of every package that has one for browsers.
 *
 * @returns how large the page is, and how many examples ran in Chromium
 */
export async function viteApp({ project, packages, install, run }) {
  const examples = packages.flatMap(({ folder, manifest }) => {
    const code = readmeExample(folder);
    return code && !needsNode.test(code) ? [{ name: manifest.name.replace("@villa/", ""), code }] : [];
  });
  mkdirSync(project);
  writeFileSync(join(project, "package.json"), JSON.stringify({ private: true, type: "module" }));
  writeFileSync(join(project, "index.html"), `<!doctype html><script type="module" src="/main.js"></script>`);
  for (const { name, code } of examples) writeFileSync(join(project, `${name}.ts`), code);
  writeFileSync(
    join(project, "main.js"),
    `const failed = [];\n${examples
      .map(({ name }) => `await import("./${name}.ts").catch((error) => failed.push("${name}: " + error));\n`)
      .join("")}document.title = failed.join("; ") || "done";\n`,
  );
  await install(project, [
    "vite@8.3.8",
    "@tensorflow/tfjs-core@4.22.0",
    ...packages.map(({ manifest }) => manifest.name),
  ]);
  await run(process.execPath, ["node_modules/vite/bin/vite.js", "build", "--target", "es2022"], { cwd: project });
  const files = readdirSync(join(project, "dist/assets"));
  const bytes = files.reduce((sum, name) => sum + readFileSync(join(project, "dist/assets", name)).length, 0);
  const title = await inBrowser(join(project, "dist"), async (page) => {
    await page.waitForFunction(() => document.title !== "", undefined, { timeout: 120_000 });
    return await page.title();
  });
  if (title !== undefined && title !== "done") throw new Error(title);
  const where = title === undefined ? "built (no Chromium to run it in)" : "run in Chromium";
  return `${examples.map(({ name }) => name).join(", ")} ${where}, ${(bytes / 1e6).toFixed(1)} MB of assets`;
}

/** What `look` finds out about the page of a folder in Chromium; undefined where there is no browser. */
export async function inBrowser(folder, look) {
  const executablePath = process.env.CHROMIUM_PATH ?? "/usr/bin/chromium";
  if (!existsSync(executablePath)) return undefined;
  const types = { ".html": "text/html", ".js": "text/javascript", ".wasm": "application/wasm" };
  const server = createServer((request, response) => {
    const path = join(folder, request.url === "/" ? "index.html" : request.url.split("?")[0]);
    if (!existsSync(path)) return response.writeHead(404).end();
    response.writeHead(200, { "content-type": types[extname(path)] ?? "application/octet-stream" });
    return response.end(readFileSync(path));
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { chromium } = await import("playwright");
  const browser = await chromium.launch({ executablePath, args: ["--no-sandbox"] });
  try {
    const page = await browser.newPage();
    await page.goto(`http://127.0.0.1:${server.address().port}/`);
    return await look(page);
  } finally {
    await browser.close();
    server.close();
  }
}

/**
 * A notebook with the README example of every package in a cell of its own, executed by the tslab kernel of the project.
 *
 * @returns how many cells ran; a reason when there is no Jupyter
 */
export async function notebook({ project, packages, install, run }) {
  try {
    await run("jupyter", ["nbconvert", "--version"]);
  } catch {
    return "skipped: no jupyter nbconvert";
  }
  const examples = packages.flatMap(({ folder, manifest }) => {
    const code = readmeExample(folder);
    return code && manifest.name !== "@villa/backend-browser" ? [{ name: manifest.name, code }] : [];
  });
  const kernel = join(project, "jupyter/kernels/tslab");
  mkdirSync(kernel, { recursive: true });
  const tslab = join(project, "node_modules/tslab/bin/tslab");
  writeFileSync(
    join(kernel, "kernel.json"),
    JSON.stringify({
      argv: [process.execPath, tslab, "kernel", "--config-path", "{connection_file}"],
      display_name: "TypeScript",
      language: "typescript",
    }),
  );
  writeFileSync(join(project, "package.json"), JSON.stringify({ private: true }));
  await install(project, [
    "tslab@1.0.22",
    "@types/node@20",
    "@tensorflow/tfjs-core@4.22.0",
    ...packages.map(({ manifest }) => manifest.name),
  ]);
  writeFileSync(join(project, "readmes.ipynb"), JSON.stringify(notebookOf(examples.map(({ code }) => code))));
  await run(
    "jupyter",
    [
      ...["nbconvert", "--to", "notebook", "--execute", "--allow-errors", "--ExecutePreprocessor.kernel_name=tslab"],
      ...["--ExecutePreprocessor.timeout=200", "--output", "executed", "readmes.ipynb"],
    ],
    { cwd: project, env: { JUPYTER_PATH: join(project, "jupyter") } },
  );
  const { cells } = JSON.parse(readFileSync(join(project, "executed.ipynb"), "utf8"));
  const faults = cells.flatMap(({ outputs }, i) => {
    const complaints = outputs.filter((output) => output.name === "stderr" || output.output_type === "error");
    return complaints.length > 0 ? [`${examples[i].name}: ${JSON.stringify(complaints)}`] : [];
  });
  if (faults.length > 0) throw new Error(faults.join("\n"));
  return `${examples.length} README examples`;
}

const notebookOf = (sources) => ({
  cells: sources.map((source) => ({ cell_type: "code", execution_count: null, metadata: {}, outputs: [], source })),
  metadata: { kernelspec: { display_name: "TypeScript", language: "typescript", name: "tslab" } },
  nbformat: 4,
  nbformat_minor: 4,
});
