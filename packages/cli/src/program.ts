import { readFileSync } from "node:fs";
import { Command } from "commander";
import { type CommandOptions, type CommandSpec, commands, type LeafSpec } from "./command-table.js";
import { makeContext } from "./context.js";
import { addSettingOptions, type SettingOverrides } from "./setting-options.js";

/**
 * The command line for these arguments; `ended` receives the exit status of the command that ran. Commands that are not
 * asked for have no options: there are many, and making them takes time.
 */
export function makeProgram(args: readonly string[], ended: (status: number) => void): Command {
  const program = new Command("drv")
    .description("Build Nix store derivations in a sandbox, without Nix.")
    .version(`drv ${version()}`, "--version", "print the version")
    .helpCommand(false)
    .exitOverride()
    .configureHelp({ showGlobalOptions: false })
    .showSuggestionAfterError(true)
    .showHelpAfterError("(`drv --help` lists the commands)")
    .addHelpText("after", "\n`drv COMMAND --help` shows a command's options and an example.");
  for (const spec of commands) program.addCommand(makeCommand(spec, args, ended));
  return program;
}

function makeCommand(spec: CommandSpec, args: readonly string[], ended: (status: number) => void): Command {
  const [name, ...rest] = args;
  if (name !== spec.name) return new Command(spec.name).description(spec.about);
  if (!("commands" in spec)) return makeLeaf(spec, ended);
  const group = new Command(spec.name)
    .description(spec.about)
    .helpCommand(false)
    .exitOverride()
    .configureHelp({ showGlobalOptions: false })
    .showSuggestionAfterError(true)
    .showHelpAfterError(`(\`drv ${spec.name} --help\` lists its commands)`);
  for (const leaf of spec.commands) group.addCommand(makeCommand(leaf, rest, ended));
  return group;
}

function makeLeaf(spec: LeafSpec, ended: (status: number) => void): Command {
  const overrides: SettingOverrides = [];
  const command = new Command(spec.name)
    .description(spec.about)
    .exitOverride()
    .addHelpText("after", `\nExample:\n  ${spec.example}`);
  if (spec.settings === undefined)
    command
      .option("--store <path>", "folder of the store to use")
      .option("--store-dir <path>", "directory that store paths begin with (default: /nix/store)");
  if (spec.args !== "") command.arguments(spec.args);
  if (spec.stdin) command.option("--stdin", "take more arguments from standard input, one per line");
  for (const [flags, about, how] of spec.options)
    if (how === "repeatable") command.option(flags, about, collect);
    else command.option(flags, about);
  addSettingOptions(command, overrides, spec.settings);
  return command.action(async () => {
    const options: CommandOptions = command.opts();
    const args =
      options["stdin"] === true ? [...command.args, ...linesOf(readFileSync(0, "utf8"))] : command.args;
    if (args.length === 0 && spec.args !== "")
      command.error(`error: missing argument: ${spec.args.replace(/[[\]<>.]/gu, "")}`);
    const { run } = await spec.load();
    ended(await run(args, options, makeContext(options, overrides)));
  });
}

function collect(value: string, before: readonly string[] = []): readonly string[] {
  return [...before, value];
}

function linesOf(text: string): readonly string[] {
  return text.split("\n").filter((line) => line !== "");
}

function version(): string {
  const manifest: unknown = JSON.parse(readFileSync(new URL("../package.json", import.meta.url), "utf8"));
  return (manifest as { readonly version: string }).version;
}
