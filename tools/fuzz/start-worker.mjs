// The process is started by vitest as well, which does not hand down its way of running TypeScript.
import { register } from "tsx/esm/api";

register();
await import("./worker.ts");
