import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { defineConfig } from "tsup";
import { villaBuild } from "../../tsup.base.ts";

// apache-arrow and the image decoders are bundled: with its dependencies apache-arrow alone takes 13 MB on disk,
// of which a few hundred kB are used here; they are chunks of their own, loaded on first use. Arrow's entry for browsers
// serves Node as well: the other one only adds Node streams.
const arrow = join(dirname(createRequire(import.meta.url).resolve("apache-arrow")), "Arrow.dom.mjs");

export default defineConfig(
  villaBuild(
    { index: "src/index.ts", node: "src/node.ts" },
    {
      noExternal: ["apache-arrow", "fast-png", "wink-porter2-stemmer"],
      esbuildOptions(options) {
        options.alias = { ...options.alias, "apache-arrow": arrow };
      },
    },
  ),
);
