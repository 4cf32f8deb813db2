import { createHash } from "node:crypto";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { ProgressUpdate } from "@villa/data";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { type DownloadModelOptions, downloadModel } from "../src/node/hub.ts";
import { hubCacheDirectory, parseHubReference } from "../src/node/hub-cache.ts";

const commit = "0123456789abcdef0123456789abcdef01234567";
const config = Buffer.from('{"model_type":"bert"}');
const weights = Buffer.from(Uint8Array.from({ length: 200_000 }, (_, i) => (i * 2654435761) >>> 24));
const sha256 = createHash("sha256").update(weights).digest("hex");
const gitId = (bytes: Buffer) => createHash("sha1").update(`blob ${bytes.length}\0`).update(bytes).digest("hex");

/** What the hub holds: repository → file → contents. Files of weights lie on the other server. */
const models: Record<string, Record<string, Buffer>> = {
  "acme/tiny": { "config.json": config, "1_Pooling/config.json": Buffer.from("{}"), "model.safetensors": weights },
  "acme/sharded": {
    "model.safetensors.index.json": Buffer.from('{"weight_map":{"a":"a-1.safetensors","b":"a-2.safetensors"}}'),
    "a-1.safetensors": weights,
    "a-2.safetensors": weights.subarray(0, 1000),
  },
  "acme/incomplete": {
    "model.safetensors.index.json": Buffer.from('{"weight_map":{"a":"a-1.safetensors","b":"a-2.safetensors"}}'),
    "a-1.safetensors": weights,
  },
  "acme/empty": { "config.json": config },
};

type Handler = (request: IncomingMessage, response: ServerResponse) => unknown;
interface Seen {
  readonly server: "hub" | "store";
  readonly method: string;
  readonly url: string;
  readonly range: string | undefined;
  readonly authorization: string | undefined;
}
let seen: Seen[] = [];
/** How the second server answers the next requests; the usual way when empty. */
let misbehaviour: Handler[] = [];

function start(name: Seen["server"], handler: Handler): Promise<Server> {
  const server = createServer((request, response) => {
    const { method, url, headers } = request;
    seen.push({ server: name, method: method!, url: url!, range: headers.range, authorization: headers.authorization });
    handler(request, response);
  });
  return new Promise((resolve) => server.listen(0, "127.0.0.1", () => resolve(server)));
}
const addressOf = (server: Server) => `http://127.0.0.1:${(server.address() as AddressInfo).port}`;

function onHub({ url }: IncomingMessage, response: ServerResponse): unknown {
  const [, repository, revision, file] = /^\/([^/]+\/[^/]+)\/resolve\/([^/]+)\/(.+)$/.exec(url!) ?? [];
  const refuse = (status: number, code?: string) =>
    response.writeHead(status, code ? { "x-error-code": code, "x-repo-commit": commit } : {}).end();
  if (repository === "acme/gated") return refuse(401, "GatedRepo");
  if (repository === "acme/forbidden") return refuse(403, "GatedRepo");
  if (repository === "acme/old") return response.writeHead(307, { location: url!.replace("old", "tiny") }).end();
  const model = models[repository!];
  if (!model) return refuse(404, "RepoNotFound");
  if (revision !== "main" && revision !== commit) return refuse(404, "RevisionNotFound");
  const bytes = model[file!];
  if (!bytes) return refuse(404, "EntryNotFound");
  const common = { "x-repo-commit": commit };
  if (!file!.endsWith(".safetensors")) {
    response.writeHead(200, { ...common, etag: `"${gitId(bytes)}"`, "content-length": bytes.length }).end(bytes);
    return;
  }
  const hash = createHash("sha256").update(bytes).digest("hex");
  const linked = { "x-linked-etag": `"${hash}"`, "x-linked-size": bytes.length, etag: '"something-else"' };
  response.writeHead(302, { ...common, ...linked, location: `${store}/${repository}/${file}` }).end();
}

function inStore(request: IncomingMessage, response: ServerResponse): unknown {
  const odd = misbehaviour.shift();
  if (odd) return odd(request, response);
  const [, repository, file] = /^\/([^/]+\/[^/]+)\/(.+)$/.exec(request.url!)!;
  const bytes = models[repository!]![file!]!;
  const from = Number(/^bytes=(\d+)-$/.exec(request.headers.range ?? "")?.[1] ?? 0);
  const headers = { "content-length": bytes.length - from };
  if (from === 0) return response.writeHead(200, headers).end(bytes);
  const range = `bytes ${from}-${bytes.length - 1}/${bytes.length}`;
  response.writeHead(206, { ...headers, "content-range": range }).end(bytes.subarray(from));
}

const cutAfter =
  (count: number): Handler =>
  (request, response) => {
    const from = Number(/^bytes=(\d+)-$/.exec(request.headers.range ?? "")?.[1] ?? 0);
    const range = from > 0 ? { "content-range": `bytes ${from}-${weights.length - 1}/${weights.length}` } : {};
    response.writeHead(from > 0 ? 206 : 200, { ...range, "content-length": weights.length - from });
    response.write(weights.subarray(from, from + count), () => setTimeout(() => response.destroy(), 20));
  };
const answer =
  (bytes: Buffer): Handler =>
  (_, response) =>
    response.writeHead(200, { "content-length": bytes.length }).end(bytes);

let hub: Server;
let other: Server;
let store = "";
let cache = "";
beforeAll(async () => {
  other = await start("store", inStore);
  store = addressOf(other);
  hub = await start("hub", onHub);
});
afterAll(() => {
  for (const server of [hub, other]) {
    server.closeAllConnections();
    server.close();
  }
});
beforeEach(async () => {
  cache = await mkdtemp(join(tmpdir(), "villa-hub-"));
  seen = [];
  misbehaviour = [];
});
afterEach(() => rm(cache, { recursive: true, force: true }));

const get = (name: string, options: DownloadModelOptions = {}) =>
  downloadModel(name, { endpoint: addressOf(hub), cache, token: "", ...options });
const nowhere = { endpoint: "http://127.0.0.1:1" };

test("downloads a model, reports progress, and needs no network afterwards", async () => {
  const updates: ProgressUpdate[] = [];
  const { path, revision } = await get("hf:acme/tiny", { onProgress: (update) => updates.push(update) });
  expect(revision).toBe(commit);
  expect(readFileSync(join(path, "model.safetensors")).equals(weights)).toBe(true);
  expect(readFileSync(join(path, "1_Pooling/config.json"), "utf8")).toBe("{}");
  expect(existsSync(join(path, "tokenizer.json"))).toBe(false);
  expect(updates.at(-1)).toEqual({
    task: "downloading model.safetensors of acme/tiny",
    done: weights.length,
    total: weights.length,
    unit: "bytes",
  });
  expect(await get("hf:acme/tiny", nowhere)).toEqual({ path, revision });
  expect(await get(`hf:acme/tiny@${commit}`, nowhere)).toEqual({ path, revision });
});

test("lays the cache out as the Python library does", async () => {
  await get("hf:acme/tiny");
  const folder = join(cache, "models--acme--tiny");
  expect(readFileSync(join(folder, "refs/main"), "utf8")).toBe(commit);
  expect(readdirSync(join(folder, "blobs")).sort()).toEqual([gitId(config), gitId(Buffer.from("{}")), sha256].sort());
  expect(readdirSync(join(folder, ".no_exist", commit))).toContain("tokenizer.json");
});

test("the token goes to the hub and to nobody else", async () => {
  await get("hf:acme/tiny", { token: "secret" });
  expect(seen.filter(({ server }) => server === "hub").every((each) => each.authorization === "Bearer secret")).toBe(
    true,
  );
  const stored = seen.filter(({ server }) => server === "store");
  expect(stored.length).toBeGreaterThan(0);
  expect(stored.every((each) => each.authorization === undefined)).toBe(true);
});

test("all files are of one commit, and a renamed model is found", async () => {
  await get("hf:acme/tiny");
  const asked = seen.filter(({ server }) => server === "hub").map(({ url }) => url);
  expect(asked[0]).toContain("/resolve/main/");
  expect(asked.slice(1).every((url) => url.includes(`/resolve/${commit}/`))).toBe(true);
  const { path } = await get("hf:acme/old");
  expect(readFileSync(join(path, "model.safetensors")).equals(weights)).toBe(true);
});

test("shards come with their index", async () => {
  const { path } = await get("hf:acme/sharded");
  expect(readFileSync(join(path, "a-2.safetensors"))).toHaveLength(1000);
  await expect(get("hf:acme/incomplete")).rejects.toMatchObject({
    code: "NotFound",
    message: expect.stringContaining("a-2.safetensors"),
  });
});

describe("a server that", () => {
  test("cuts off is asked for the rest, at once and the next time", async () => {
    misbehaviour = [cutAfter(50_000), cutAfter(50_000), cutAfter(50_000)];
    await expect(get("hf:acme/tiny")).rejects.toMatchObject({
      code: "Network",
      message: expect.stringMatching(/model\.safetensors of acme\/tiny.*goes on where it stopped/),
    });
    const { path } = await get("hf:acme/tiny");
    expect(readFileSync(join(path, "model.safetensors")).equals(weights)).toBe(true);
    const ranges = seen.filter(({ server }) => server === "store").map(({ range }) => range);
    expect(ranges).toEqual([undefined, "bytes=50000-", "bytes=100000-", "bytes=150000-"]);
  });

  test("sends other contents than it announced is not believed", async () => {
    const lie = Buffer.from(weights);
    lie[1000]! ^= 1;
    misbehaviour = [answer(lie), answer(lie), answer(lie)];
    await expect(get("hf:acme/tiny")).rejects.toMatchObject({
      code: "ChecksumMismatch",
      message: expect.stringContaining(sha256),
    });
    expect(existsSync(join(cache, "models--acme--tiny/snapshots", commit, "model.safetensors"))).toBe(false);
    await get("hf:acme/tiny");
  });

  test("sends another size than it announced is not believed", async () => {
    const short = answer(weights.subarray(0, 10));
    misbehaviour = [short, short, short];
    await expect(get("hf:acme/tiny")).rejects.toMatchObject({
      code: "ChecksumMismatch",
      message: expect.stringContaining("10 bytes, not 200000"),
    });
  });

  test("sends nothing is given up", async () => {
    const silent: Handler = (_, response) => void response.writeHead(200, { "content-length": weights.length });
    misbehaviour = [silent, silent, silent];
    await expect(get("hf:acme/tiny", { idleTimeout: 100 })).rejects.toMatchObject({
      code: "Network",
      message: expect.stringContaining("stopped sending"),
    });
  });
});

describe("what cannot be had says what to do", () => {
  test.each([
    ["hf:acme/gated", "Network", /401.*accept its terms at http.*acme\/gated.*HF_TOKEN/],
    ["hf:acme/forbidden", "Network", /403.*accept its terms/],
    ["hf:acme/none", "NotFound", /no model acme\/none/],
    ["hf:acme/tiny@v9", "NotFound", /no revision "v9"/],
    ["hf:acme/empty", "NotFound", /no weights.*model\.safetensors/],
    ["hf:", "InvalidArgument", /hf:ORG\/NAME/],
    ["hf:../up", "InvalidArgument", /hf:ORG\/NAME/],
    ["hf:acme/../up", "InvalidArgument", /hf:ORG\/NAME/],
    ["hf:acme/tiny@../up", "InvalidArgument", /hf:ORG\/NAME/],
  ])("%s", async (name, code, message) => {
    await expect(get(name)).rejects.toMatchObject({ code, message: expect.stringMatching(message) });
  });

  test("no network", async () => {
    await expect(get("hf:acme/tiny", nowhere)).rejects.toMatchObject({
      code: "Network",
      message: expect.stringMatching(/Cannot reach http:\/\/127\.0\.0\.1:1 .*HF_ENDPOINT/),
    });
  });

  test("stopped on request", async () => {
    await expect(get("hf:acme/tiny", { signal: AbortSignal.abort() })).rejects.toMatchObject({ code: "Aborted" });
  });
});

test("the environment says where models are kept", () => {
  expect(hubCacheDirectory({ HF_HUB_CACHE: "/a" })).toBe("/a");
  expect(hubCacheDirectory({ HF_HOME: "/b" })).toBe(join("/b", "hub"));
  expect(hubCacheDirectory({ XDG_CACHE_HOME: "/c" })).toBe(join("/c", "huggingface", "hub"));
  expect(parseHubReference("hf:a/b@refs/pr/1")).toEqual({ repository: "a/b", revision: "refs/pr/1" });
});
