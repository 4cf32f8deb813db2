// For install-test.mjs: `npm create villa`, as a newcomer would call it, up to the first result.
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { inBrowser } from "./install-apps.mjs";

/** A table and pictures, then a search by words. Says after how many seconds from `npm create` its page is there. */
export async function nodeStarter({ folder, npm, env, run, check }) {
  const project = join(folder, "my-project");
  const start = Date.now();
  await check("create", () => create({ folder, npm, env, run }, "my-project"));
  await check("npm install", () => run(npm, ["install"], { cwd: project, env }).then(() => ""));
  await check("npm start", () => run(npm, ["start"], { cwd: project, env }).then(() => ""));
  await check("first result", () => {
    const seconds = (Date.now() - start) / 1000;
    const hits = readFileSync(join(project, "hits.html"), "utf8");
    if (!hits.includes("there is a circle")) throw new Error("hits.html does not show the search");
    return `after ${seconds.toFixed(0)} s`;
  });
}

/** A page, then what its button trains. */
export async function viteStarter({ folder, npm, env, run, check }) {
  const project = join(folder, "my-page");
  await check("create", () => create({ folder, npm, env, run }, "my-page", "--template", "vite"));
  await check("npm install", () => run(npm, ["install"], { cwd: project, env }).then(() => ""));
  await check("npm run build", () => run(npm, ["run", "build"], { cwd: project, env }).then(() => ""));
  await check("Train, in Chromium", async () => {
    const status = await inBrowser(join(project, "dist"), async (page) => {
      const text = () => page.locator("#status").textContent();
      await page.click("#train");
      await page.waitForSelector("#train:enabled", { timeout: 120_000 });
      if (!(await page.isVisible("#pictures"))) throw new Error(await text());
      return text();
    });
    return status ?? "skipped: no Chromium";
  });
}

async function create({ folder, npm, env, run }, name, ...options) {
  // `npm create` asks before it downloads; --yes is the newcomer's Enter.
  const extra = options.length > 0 ? ["--", ...options] : [];
  await run(npm, ["create", "--yes", "villa@latest", name, ...extra], { cwd: folder, env });
  if (!existsSync(join(folder, name, "package.json"))) throw new Error("no project was made");
}
