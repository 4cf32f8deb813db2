// What the site is made of: pages of the repository in the order in which a reader wants them.

/** Where files of the repository that are no pages are shown. */
export const repository = "https://github.com/villa-ts/villa/blob/main";

/** Where the newest version of the site is, for the copies of older ones. */
export const home = "https://villa-ts.github.io/villa/";

/**
 * The menu of versions: the newest, and the copies of released ones that are kept beside it as v0.1.0/ and so on.
 *
 * @param base where this build lies; that of a copy ends in its version
 * @param copies folder names of the copies
 */
export function versionMenu(version: string, base: string, copies: readonly string[]): VersionLink[] {
  const releases = { text: "Changes", link: "https://github.com/villa-ts/villa/releases" };
  if (base.endsWith(`/v${version}/`)) return [{ text: "Newest version", link: home }, releases];
  const newestFirst = [...copies].sort((a, b) => b.localeCompare(a, "en", { numeric: true }));
  // A copy is a site of its own: the browser has to load it.
  return [...newestFirst.map((name) => ({ text: name, link: `/${name}/`, target: "_self" })), releases];
}

/** An entry of {@link versionMenu}, as VitePress takes it. */
export type VersionLink =
  | { readonly text: string; readonly link: string }
  | { readonly text: string; readonly link: string; readonly target: string };

/** Sections of the side bar: [title of the section, [title, file of the repository, page]…]. */
export const sections: readonly (readonly [
  title: string,
  pages: readonly (readonly [title: string, file: string, page: string])[],
])[] = [
  [
    "Begin",
    [
      ["Guide", "docs/guide.md", "guide"],
      ["Your own data", "docs/own-data.md", "own-data"],
      ["A few hundred pictures", "docs/small-data.md", "small-data"],
      ["Encoders", "docs/encoders.md", "encoders"],
      ["Evaluation", "docs/evaluation.md", "evaluation"],
      ["Radiology reports", "docs/radiology.md", "radiology"],
      ["Recipes", "docs/recipes.md", "recipes"],
      ["In the browser", "docs/browser.md", "browser"],
      ["Several machines", "docs/cluster.md", "cluster"],
      ["GPUs", "docs/gpu.md", "gpu"],
      ["Coming from Python", "docs/from-python.md", "from-python"],
    ],
  ],
  [
    "Look up",
    [
      ["Settings", "docs/configuration.md", "configuration"],
      ["Features", "docs/features.md", "features"],
      ["What is public", "docs/public-api.md", "public-api"],
      ["Library examples", "examples/library/README.md", "examples"],
      ["A catalogue, step by step", "examples/custom-dataset/README.md", "catalogue"],
      ["Notebooks", "examples/notebooks/README.md", "notebooks"],
      ["Contributing", "CONTRIBUTING.md", "contributing"],
    ],
  ],
  [
    "Results",
    [
      ["Reproducing the paper", "docs/reproducing.md", "reproducing"],
      ["Retrieval against complexity", "docs/complexity.md", "complexity"],
      ["Accuracy", "docs/accuracy.md", "accuracy"],
      ["Speed", "docs/speed.md", "speed"],
      ["Reliability", "docs/reliability.md", "reliability"],
    ],
  ],
];
