// For `npm run docs`: names the modules as they are imported, and drops a warning that says nothing.

/** Valibot's inferred object types list each property's one declaration twice, which TypeDoc takes for two comments. */
const falseAlarm = /has multiple declarations with a comment|^The comments for \S+ are declared at/;

export function load(app) {
  for (const level of ["warn", "info"]) {
    const log = app.logger[level].bind(app.logger);
    app.logger[level] = (message, ...rest) => {
      if (!falseAlarm.test(String(message))) log(message, ...rest);
    };
  }
  app.converter.on("resolveBegin", ({ project }) => {
    for (const module of project.children ?? []) {
      // data/src -> @villa/data, data/src/node -> @villa/data/node
      module.name = `@villa/${module.name.replace("/src", "")}`;
    }
  });
}
