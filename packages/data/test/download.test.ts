import { createHash } from "node:crypto";
import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import type { ProgressUpdate } from "../src/index.ts";
import { downloadFile, hashFile } from "../src/node.ts";
import { temporaryFolder } from "./temporary.ts";

const folder = temporaryFolder();
const content = Uint8Array.from({ length: 300_000 }, (_, i) => (i * 2654435761) >>> 24);
const sha256 = createHash("sha256").update(content).digest("hex");
const md5 = createHash("md5").update(content).digest("hex");

/** What each path of the test server does. */
const routes: Record<string, (request: IncomingMessage, response: ServerResponse) => void> = {
  "/good": (request, response) => {
    const from = Number(/^bytes=(\d+)-$/.exec(request.headers.range ?? "")?.[1] ?? 0);
    const headers = { "content-length": content.length - from };
    if (from >= content.length) response.writeHead(416).end();
    else if (from > 0) {
      response.writeHead(206, { ...headers, "content-range": `bytes ${from}-${content.length - 1}/${content.length}` });
      response.end(content.subarray(from));
    } else response.writeHead(200, headers).end(content);
  },
  "/no-ranges": (_, response) => void response.writeHead(200, { "content-length": content.length }).end(content),
  "/missing": (_, response) => void response.writeHead(404).end(),
  "/other": (_, response) => void response.writeHead(200).end("something else"),
  "/breaks": (_, response) => {
    response.writeHead(200, { "content-length": content.length });
    response.write(content.subarray(0, 100_000), () => setTimeout(() => response.destroy(), 20));
  },
  "/stalls": (_, response) => {
    response.writeHead(200, { "content-length": content.length });
    response.write(content.subarray(0, 10));
  },
};
let requests: { url: string; range: string | undefined }[] = [];
const server = createServer((request, response) => {
  requests.push({ url: request.url!, range: request.headers.range });
  routes[request.url!]!(request, response);
});
let base = "";
let path = "";
let serial = 0;
beforeAll(async () => {
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  base = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});
afterAll(() => {
  server.closeAllConnections();
  server.close();
});
beforeEach(() => {
  requests = [];
  path = join(folder, `${serial++}`, "file.bin");
});
const get = (routesInOrder: string[], options: Partial<Parameters<typeof downloadFile>[0]> = {}) =>
  downloadFile({ urls: routesInOrder.map((route) => base + route), path, sha256, ...options });
const left = (): string[] => (existsSync(join(path, "..")) ? readdirSync(join(path, "..")) : []);

test("downloads, reports onProgress, and does nothing the second time", async () => {
  const updates: ProgressUpdate[] = [];
  expect(await get(["/good"], { onProgress: (update) => updates.push(update) })).toBe(path);
  expect(readFileSync(path).equals(content)).toBe(true);
  expect(updates.at(-1)).toEqual({
    task: "downloading file.bin",
    done: content.length,
    total: content.length,
    unit: "bytes",
  });
  expect(left()).toEqual(["file.bin"]);
  await get(["/good"]);
  expect(requests).toHaveLength(1);
  expect(await hashFile(path, "md5")).toBe(md5);
});

test("a file with the wrong contents is replaced", async () => {
  await get(["/good"]);
  writeFileSync(path, "damaged");
  await get(["/good"], { sha256: undefined as never, md5: md5.toUpperCase() });
  expect(await hashFile(path, "sha256")).toBe(sha256);
});

describe("interrupted downloads", () => {
  test("are continued at the next mirror", async () => {
    await get(["/breaks", "/good"]);
    expect(requests[1]!.range).toMatch(/^bytes=[1-9]\d*-$/);
    expect(await hashFile(path, "sha256")).toBe(sha256);
  });

  test("are continued the next time", async () => {
    await expect(get(["/breaks"])).rejects.toMatchObject({ code: "Network" });
    expect(left()).toEqual(["file.bin.part"]);
    await get(["/good"]);
    expect(requests[1]!.range).toMatch(/^bytes=[1-9]\d*-$/);
    expect(left()).toEqual(["file.bin"]);
  });

  test("start again where a server knows no ranges", async () => {
    await get(["/breaks", "/no-ranges"]);
    expect(await hashFile(path, "sha256")).toBe(sha256);
  });

  test("start again when what was there belongs to another file", async () => {
    await expect(get(["/stalls"], { idleTimeout: 100 })).rejects.toMatchObject({ code: "Network" });
    writeFileSync(`${path}.part`, "not the beginning of it");
    await get(["/good"]);
    expect(requests.map(({ range }) => range !== undefined)).toEqual([false, true, false]);
    expect(await hashFile(path, "sha256")).toBe(sha256);
  });

  test("without a checksum are not trusted", async () => {
    await expect(get(["/breaks"], { sha256: undefined as never })).rejects.toMatchObject({ code: "Network" });
    await get(["/good"], { sha256: undefined as never });
    expect(requests[1]!.range).toBeUndefined();
  });
});

describe("failures", () => {
  test("of every mirror are told together, with what to do", async () => {
    await expect(get(["/missing", "/stalls"], { idleTimeout: 100 })).rejects.toMatchObject({
      code: "Network",
      message: expect.stringMatching(/404.*stopped sending.*put the file at .*file\.bin yourself/),
    });
  });

  test("no server at all", async () => {
    const nowhere = downloadFile({ urls: ["http://127.0.0.1:1/x"], path, sha256 });
    await expect(nowhere).rejects.toMatchObject({ code: "Network", message: expect.stringContaining("127.0.0.1:1") });
  });

  test("a wrong checksum leaves nothing behind", async () => {
    await expect(get(["/other"])).rejects.toMatchObject({
      code: "ChecksumMismatch",
      message: expect.stringContaining(sha256),
    });
    expect(left()).toEqual([]);
    await get(["/other", "/good"]);
    expect(await hashFile(path, "sha256")).toBe(sha256);
  });

  test("stopping on request keeps what is there", async () => {
    const stop = new AbortController();
    const stopped = get(["/stalls"], { signal: stop.signal, onProgress: () => stop.abort() });
    await expect(stopped).rejects.toMatchObject({ code: "Aborted" });
    expect(left()).toEqual(["file.bin.part"]);
    await expect(get(["/good"], { signal: AbortSignal.abort() })).rejects.toMatchObject({ code: "Aborted" });
  });

  test("a folder that cannot be made", async () => {
    const file = join(folder, "plain");
    writeFileSync(file, "");
    const nowhere = downloadFile({ urls: [`${base}/good`], path: join(file, "below", "x"), sha256 });
    await expect(nowhere).rejects.toMatchObject({ name: "VillaError", code: "FileSystem" });
  });
});
