import { existsSync, readdirSync, readFileSync } from "node:fs";
import { defineConfig } from "vitepress";
import { sections, versionMenu } from "../pages.ts";
import { allPages } from "../prepare.ts";

interface Link {
  text: string;
  link: string;
}

const pages = [...allPages()];
const links = (folder: string): Link[] =>
  pages.filter(([file]) => file.startsWith(folder)).map(([, [page, title]]) => ({ text: title, link: `/${page}` }));
const present = new Set(pages.map(([file]) => file));
const { version } = JSON.parse(readFileSync(new URL("../../packages/cli/package.json", import.meta.url), "utf8")) as {
  version: string;
};

const base = process.env.SITE_BASE ?? "/";
const copies = new URL("../versions", import.meta.url);

export default defineConfig({
  title: "ViLLA",
  description: "Fine-grained vision-language learning in TypeScript",
  lang: "en",
  srcDir: "content",
  outDir: "dist",
  // Where the site lies below its host's root: SITE_BASE=/villa/ for project pages.
  base,
  head: [["link", { rel: "icon", href: `${base}icon.svg` }]],
  cleanUrls: true,
  // The laboratory and the gallery's results are pages of their own, made beside these; build.ts checks their links.
  ignoreDeadLinks: [/^\.\/lab\/index/, /^\.\/gallery\//],
  markdown: {
    // Comments in code are too faint in the default themes.
    theme: { light: "github-light-high-contrast", dark: "github-dark-high-contrast" },
    config: (markdown) => {
      // A table's empty corner is no header: a screen reader would announce a header without a name.
      markdown.core.ruler.push("empty-headers", ({ tokens }) => {
        for (const [i, token] of tokens.entries()) {
          if (token.type !== "th_open" || tokens[i + 1]?.content !== "") continue;
          for (const each of [token, tokens[i + 2]]) if (each) each.tag = "td";
        }
      });
    },
  },
  themeConfig: {
    search: { provider: "local" },
    nav: [
      { text: "Guide", link: "/guide" },
      { text: "Packages", link: "/packages/" },
      { text: "API", link: "/api/" },
      { text: "Gallery", link: "/gallery" },
      { text: "Laboratory", link: "/laboratory" },
      {
        text: `Version ${version}`,
        items: versionMenu(version, base, existsSync(copies) ? readdirSync(copies) : []),
      },
    ],
    sidebar: {
      "/api/": [{ text: "API reference", link: "/api/" }],
      "/": [
        ...sections.map(([text, entries]) => ({
          text,
          items: entries
            .filter(([, file]) => present.has(file))
            .map(([title, , page]): Link => ({ text: title, link: `/${page}` })),
        })),
        { text: "Gallery", link: "/gallery" },
        { text: "Benchmarks over time", link: "/benchmarks" },
        { text: "Packages", link: "/packages/", collapsed: true, items: links("packages/") },
        { text: "Decisions", link: "/decisions/", collapsed: true, items: links("docs/decisions/") },
      ],
    },
    outline: [2, 3],
    socialLinks: [{ icon: "github", link: "https://github.com/villa-ts/villa" }],
    footer: { message: "MIT licence", copyright: "ViLLA TypeScript contributors" },
  },
});
