import type { RegisterCommand } from "./context.ts";
import { registerDocmnist } from "./docmnist.ts";

/** In the order in which `villa --help` lists them. */
export const commands: readonly RegisterCommand[] = [registerDocmnist];
