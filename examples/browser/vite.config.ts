import { gzipSync } from "node:zlib";
import { defaultClientConditions, defineConfig, type Plugin } from "vite";
import { isolationHeaders } from "./src/isolation.ts";

/** What the page may load: nothing from elsewhere. The wasm backend's threads start from blobs. */
const policy = [
  "default-src 'self'",
  "script-src 'self' 'wasm-unsafe-eval'",
  "worker-src 'self' blob:",
  "style-src 'self' 'unsafe-inline'",
  "img-src 'self' blob: data:",
].join("; ");

/** Writes `files.json`, the list of files with their gzipped sizes, and the policy into the built page. */
function pageFiles(): Plugin {
  return {
    name: "page-files",
    apply: "build",
    transformIndexHtml: (html) => ({
      html,
      tags: [
        { tag: "meta", attrs: { "http-equiv": "Content-Security-Policy", content: policy }, injectTo: "head-prepend" },
      ],
    }),
    generateBundle: {
      order: "post",
      handler(_, bundle) {
        const sizes = Object.values(bundle).map((file): [string, number] => {
          const contents = file.type === "chunk" ? file.code : file.source;
          return [file.fileName, gzipSync(contents).length];
        });
        const source = JSON.stringify(Object.fromEntries(sizes), null, 1);
        this.emitFile({ type: "asset", fileName: "files.json", source });
      },
    },
  };
}

const published = [...defaultClientConditions];

// `--mode source` takes the packages' sources, so that a clone needs no build; otherwise they are used as published.
export default defineConfig(({ mode }) => ({
  base: "./",
  resolve: { conditions: mode === "source" ? ["@villa/source", ...published] : published },
  // What the worker imports is bundled before the page starts: found later, it would reload the page.
  optimizeDeps: { entries: ["index.html", "src/laboratory/worker.ts"] },
  plugins: [pageFiles()],
  server: { headers: isolationHeaders },
  preview: { headers: isolationHeaders },
  worker: { format: "es" },
  build: {
    target: "es2022",
    modulePreload: { polyfill: false },
    rolldownOptions: {
      input: { index: "index.html", sw: "src/sw.ts" },
      // The service worker's address must not change between versions.
      output: { entryFileNames: ({ name }) => (name === "sw" ? "sw.js" : "assets/[name]-[hash].js") },
    },
  },
}));
