// A command is a function that adds itself to a program, and a program a list of such functions:
//
//   const hello: RegisterCommand = (program, context) => {
//     withCommonFlags(program.command("hello").argument("<name>")).action((name: string, flags: CommonFlags) =>
//       present(context, flags, async () => ({ name }), (result) => `Hello ${result.name}`),
//     );
//   };
//   process.exitCode = await runProgram(new Command("greet"), process.argv.slice(2), { commands: [hello] });
export { exampleCalls, impliedCommand, normalizeArguments } from "./arguments.ts";
export { type CommandContext, type CommonFlags, present, type RegisterCommand, withCommonFlags } from "./command.ts";
export { asProse, html, Markup, selfContainedPage, trusted } from "./pages/markup.ts";
export {
  assignmentChips,
  assignmentLegend,
  type FigureRegion,
  type JudgedRegion,
  pngUrl,
  type RegionFigure,
  regionFigure,
} from "./pages/region-figure.ts";
export { shrunk } from "./pages/shrink.ts";
export { anyNumber, overrideWords, seedNumber, wholeNumber, wholeNumbers, wordList } from "./parse.ts";
export { duration, type Progress, terminalProgress } from "./progress.ts";
export { checkCall, type ExitCode, type RunOptions, runProgram } from "./run.ts";
export { chosenShard, type ShardFlags, withShardFlags } from "./shard.ts";
export { openTerminal, processTerminal, type Terminal } from "./terminal.ts";
export { byteSize, counted, listed, percent, printable, table } from "./text.ts";
