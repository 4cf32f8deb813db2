// Looks at the built site (`npm run site`) in Chromium: axe-core on pages in light and dark, wide and as a phone, and
// whether a page is wider than its window. `npm run site:check`; minutes, so not part of `npm test`.
// Options: parts of addresses to look at (default: every page but the API reference, of which the first few);
// --pictures FOLDER keeps a screenshot of each view.
import { createReadStream, existsSync, mkdirSync, readdirSync, readFileSync, statSync } from "node:fs";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { extname, join } from "node:path";
import { parseArgs } from "node:util";
import { type Browser, chromium, type Page } from "playwright";

const dist = join(import.meta.dirname, "dist");
/** Where the site was built to lie, as for build.ts. */
const base = process.env.SITE_BASE ?? "/";
const executablePath = process.env.CHROMIUM_PATH ?? "/usr/bin/chromium";
const { values, positionals } = parseArgs({ allowPositionals: true, options: { pictures: { type: "string" } } });

const views = [
  { name: "wide-light", width: 1280, height: 800, colorScheme: "light" },
  { name: "wide-dark", width: 1280, height: 800, colorScheme: "dark" },
  { name: "phone-light", width: 390, height: 844, colorScheme: "light" },
  { name: "phone-dark", width: 390, height: 844, colorScheme: "dark" },
] as const;

/** Addresses of the pages to look at. */
function addresses(): string[] {
  const all = readdirSync(dist, { recursive: true, encoding: "utf8" })
    .map((path) => path.replaceAll("\\", "/"))
    .filter((path) => path.endsWith(".html") && path !== "404.html")
    .sort();
  const api = all.filter((path) => path.startsWith("api/"));
  // Pages of the reference are made alike, so a few stand for all.
  const some = all.filter((path) => !path.startsWith("api/")).concat(api.slice(0, 3));
  const chosen =
    positionals.length === 0 ? some : all.filter((path) => positionals.some((part) => path.includes(part)));
  return chosen.map((path) => `${base}${path}`);
}

async function serve(): Promise<{ server: Server; origin: string }> {
  const types: Record<string, string> = {
    ".html": "text/html",
    ".js": "text/javascript",
    ".css": "text/css",
    ".json": "application/json",
    ".svg": "image/svg+xml",
    ".png": "image/png",
    ".woff2": "font/woff2",
    ".wasm": "application/wasm",
  };
  const server = createServer((request, response) => {
    const address = decodeURI(request.url!.split("?")[0]!);
    const path = join(dist, address.startsWith(base) ? address.slice(base.length) : address);
    const file = [path, `${path}.html`, join(path, "index.html")].find(
      (each) => existsSync(each) && statSync(each).isFile(),
    );
    response.writeHead(file ? 200 : 404, { "content-type": types[extname(file ?? "")] ?? "application/octet-stream" });
    if (file) createReadStream(file).pipe(response);
    else response.end();
  });
  await new Promise<void>((done) => server.listen(0, "127.0.0.1", done));
  return { server, origin: `http://127.0.0.1:${(server.address() as AddressInfo).port}` };
}

const axe = readFileSync(new URL(import.meta.resolve("axe-core/axe.min.js")), "utf8");

interface Finding {
  readonly id: string;
  readonly help: string;
  readonly nodes: readonly { readonly target: readonly unknown[]; readonly failureSummary?: string | undefined }[];
}

/** What is wrong with a page as it is shown now, one line each. */
async function findings(page: Page): Promise<string[]> {
  await page.evaluate(axe);
  const violations = await page.evaluate(async (): Promise<Finding[]> => {
    const { axe } = globalThis as unknown as {
      axe: { run: (...args: unknown[]) => Promise<{ violations: Finding[] }> };
    };
    // Frames hold pages that are looked at by themselves.
    return (await axe.run(document, { iframes: false, resultTypes: ["violations"] })).violations;
  });
  const [content, window] = await page.evaluate(() => [document.documentElement.scrollWidth, innerWidth] as const);
  return [
    ...violations.map(({ id, help, nodes }) => {
      const [first] = nodes;
      return `${id}: ${help}; ${nodes.length} times, first ${first?.target.join(" ")} (${first?.failureSummary?.split("\n").at(-1)?.trim()})`;
    }),
    ...(content > window ? [`the page is ${content} pixels wide in a window of ${window}`] : []),
  ];
}

async function lookAt(browser: Browser, origin: string): Promise<number> {
  let faults = 0;
  for (const { name, width, height, colorScheme } of views) {
    const context = await browser.newContext({ viewport: { width, height }, colorScheme, reducedMotion: "reduce" });
    const page = await context.newPage();
    for (const address of addresses()) {
      await page.goto(origin + address, { waitUntil: "load" });
      // What the theme does once its scripts run.
      await page.waitForSelector("main, [role=main]", { timeout: 5000 }).catch(() => undefined);
      if (values.pictures) {
        mkdirSync(values.pictures, { recursive: true });
        const file = `${address.slice(base.length).replaceAll("/", "_").replace(".html", "")}-${name}.png`;
        await page.screenshot({ path: join(values.pictures, file) });
      }
      for (const line of await findings(page)) {
        faults++;
        console.log(`${address} ${name}: ${line}`);
      }
    }
    await context.close();
  }
  return faults;
}

const { server, origin } = await serve();
const browser = await chromium.launch({ executablePath, args: ["--no-sandbox"] });
try {
  const faults = await lookAt(browser, origin);
  console.log(`${addresses().length} pages in ${views.length} views: ${faults} findings`);
  process.exitCode = faults > 0 ? 1 : 0;
} finally {
  await browser.close();
  server.close();
}
