export { type ExitCode, runVilla } from "./main.ts";
export type { Terminal } from "./terminal.ts";
