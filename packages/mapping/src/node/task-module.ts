/** URL of the module with this package's task functions, for `tasks` of `Parallel`. */
export const mappingTasks: string = new URL(
  import.meta.url.endsWith(".ts") ? "./tasks.ts" : "./tasks.js",
  import.meta.url,
).href;
