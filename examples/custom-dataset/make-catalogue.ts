// Usage: node --import tsx --conditions=@villa/source make-catalogue.ts FOLDER [PAGES]
import { makeCatalogue } from "./src/catalogue.ts";
import { writeTables } from "./src/tables.ts";

const [folder = "catalogue", pages = "300"] = process.argv.slice(2);
await writeTables(folder, await makeCatalogue(folder, Number(pages)));
console.log(`${pages} pages in ${folder}`);
