export type { ExitCode, Terminal } from "@villa/command-kit";
export { runVilla } from "./main.ts";
