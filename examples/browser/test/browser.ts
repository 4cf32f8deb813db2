import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { unzipSync } from "fflate";
import { type Browser, chromium, type Download, type Page } from "playwright";
import { build, type PreviewServer, preview } from "vite";

export const executablePath = process.env.CHROMIUM_PATH ?? "/usr/bin/chromium";
export const hasChromium = existsSync(executablePath);

const root = join(import.meta.dirname, "..");

/** The built page, served, and a Chromium to open it in. */
export interface Laboratory {
  readonly browser: Browser;
  readonly url: string;
  /** Gzipped size of every built file. */
  readonly files: Readonly<Record<string, number>>;
  /** A folder for what tests write. */
  readonly folder: string;
  close(): Promise<void>;
}

/** Builds the page, from the packages' sources unless told otherwise, into a temporary folder and serves it. */
export async function openLaboratory(): Promise<Laboratory> {
  const folder = mkdtempSync(join(tmpdir(), "villa-laboratory-"));
  // "production": the packages as they were built.
  const mode = process.env.VILLA_LABORATORY_MODE ?? "source";
  const common = { root, mode, logLevel: "error" as const, build: { outDir: join(folder, "dist") } };
  // Vitest's NODE_ENV would make it a development build, without a service worker.
  const environment = process.env.NODE_ENV;
  process.env.NODE_ENV = "production";
  await build({ ...common, build: { ...common.build, emptyOutDir: true } });
  process.env.NODE_ENV = environment;
  const server: PreviewServer = await preview({ ...common, preview: { port: 0, host: "127.0.0.1" } });
  // SwiftShader, which is part of Chromium, stands in for a graphics card.
  const args = ["--no-sandbox", "--use-angle=swiftshader", "--enable-unsafe-webgpu"];
  const browser = await chromium.launch({ executablePath, args });
  return {
    browser,
    url: server.resolvedUrls!.local[0]!,
    files: JSON.parse(readFileSync(join(folder, "dist/files.json"), "utf8")) as Record<string, number>,
    folder,
    async close() {
      await browser.close();
      await server.close();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

/** What a page has asked for, and what it has complained of. */
export interface PageLog {
  readonly requests: string[];
  readonly problems: string[];
}

export function watchPage(page: Page): PageLog {
  const log: PageLog = { requests: [], problems: [] };
  // Requests of workers too: those are the context's.
  page.context().on("request", (request) => log.requests.push(request.url()));
  page.on("console", (message) => {
    if (["error", "warning"].includes(message.type())) log.problems.push(message.text());
  });
  page.on("requestfailed", (request) => {
    const reason = request.failure()?.errorText;
    // A page that is left drops what it was fetching, such as the files that it keeps after a training.
    if (reason !== "net::ERR_ABORTED") log.problems.push(`${request.url()} ${reason}`);
  });
  page.on("pageerror", (error) => log.problems.push(error.message));
  return log;
}

/** Drops a file or a folder, somewhere on the page. */
export async function drop(page: Page, path: string): Promise<void> {
  const session = await page.context().newCDPSession(page);
  const data = { items: [], files: [path], dragOperationsMask: 1 };
  const drag = (type: "dragEnter" | "dragOver" | "drop") =>
    session.send("Input.dispatchDragEvent", { type, x: 200, y: 300, data });
  await drag("dragEnter");
  await drag("dragOver");
  await page.getByText("Drop to open").waitFor();
  await drag("drop");
  await session.detach();
}

/** Presses a button that offers a file. */
export async function download(page: Page, button: string): Promise<Download> {
  const [started] = await Promise.all([
    page.waitForEvent("download"),
    page.getByRole("button", { name: button }).click(),
  ]);
  return started;
}

/** Unpacks an archive of the page. @returns the dataset's folder */
export async function unpack(archive: Download, folder: string): Promise<string> {
  const members = Object.entries(unzipSync(readFileSync(await archive.path())));
  for (const [name, contents] of members) {
    mkdirSync(dirname(join(folder, name)), { recursive: true });
    writeFileSync(join(folder, name), contents);
  }
  return join(folder, archive.suggestedFilename().replace(/\.zip$/, ""));
}
