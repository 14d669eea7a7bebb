import { readFileSync } from "node:fs";
import { Command } from "commander";
import { type CommandContext, makeContext } from "./context.js";
import { addSettingOptions, type SettingOverrides } from "./setting-options.js";

/** A command: its arguments and help here, what it does in a module loaded when it runs. */
interface CommandSpec {
  readonly name: string;
  readonly args: string;
  readonly about: string;
  readonly example: string;
  readonly options: readonly (readonly [flags: string, about: string, how?: "repeatable"])[];
  /** Whether paths may come on standard input, one per line. */
  readonly stdin: boolean;
  readonly load: () => Promise<{
    run(args: readonly string[], options: CommandOptions, context: CommandContext): Promise<number>;
  }>;
}

/** Values of a command's own options, by camelCase name. */
export type CommandOptions = Readonly<Record<string, string | boolean | readonly string[] | undefined>>;

const json = ["--json", "print JSON on standard output"] as const;

const commands: readonly CommandSpec[] = [
  {
    name: "build",
    args: "[targets...]",
    about: "build derivations and print their output paths",
    example: "drv build ./store/…-hello.drv --sandbox-paths '/bin /usr /lib /lib64'",
    options: [
      json,
      ["-L, --print-build-logs", "print the log lines of builds as they come"],
      ["--check", "build valid outputs again and compare"],
      ["-o, --out-link <name>", "name of the symlink to the result (default: result)"],
      ["--no-link", "make no symlink"],
      ["-q, --quiet", "print nothing but errors and output paths"],
    ],
    stdin: true,
    load: () => import("./commands/build.js"),
  },
  {
    name: "instantiate",
    args: "[modules...]",
    about: "write what modules describe into the store and print the derivation paths",
    example: "drv instantiate ./build.ts#hello",
    options: [json],
    stdin: true,
    load: () => import("./commands/instantiate.js"),
  },
  {
    name: "show",
    args: "[derivations...]",
    about: "print derivations as JSON",
    example: "drv show ./store/…-hello.drv",
    options: [["--json", "accepted for symmetry: the output always is JSON"]],
    stdin: true,
    load: () => import("./commands/show.js"),
  },
  {
    name: "log",
    args: "<path>",
    about: "print the build log of a derivation or of what it made",
    example: "drv log /nix/store/…-hello.drv",
    options: [],
    stdin: false,
    load: () => import("./commands/log.js"),
  },
  {
    name: "add",
    args: "<files...>",
    about: "copy files or folders into the store and print their store paths",
    example: "drv add ./src --name my-source",
    options: [
      json,
      ["--name <name>", "name part of the store path (one file only)"],
      ["--flat", "address a single file by its bytes, not by its archive"],
      ["--include <pattern>", "take only what a gitignore pattern matches", "repeatable"],
      ["--exclude <pattern>", "leave out what a gitignore pattern matches", "repeatable"],
      ["--ignore-file <name>", "leave out what files of this name, such as .gitignore, say"],
    ],
    stdin: false,
    load: () => import("./commands/add.js"),
  },
  {
    name: "path-info",
    args: "[paths...]",
    about: "print what is known about store paths",
    example: "drv path-info --json /nix/store/…-hello",
    options: [json],
    stdin: true,
    load: () => import("./commands/path-info.js"),
  },
  {
    name: "closure",
    args: "[paths...]",
    about: "print everything that store paths refer to, and themselves",
    example: "drv closure /nix/store/…-hello",
    options: [json],
    stdin: true,
    load: () => import("./commands/closure.js"),
  },
  {
    name: "doctor",
    args: "",
    about: "say which layers of the sandbox work on this machine",
    example: "drv doctor",
    options: [json],
    stdin: false,
    load: () => import("./commands/doctor.js"),
  },
];

/** The whole command line; `ended` receives the exit status of the command that ran. */
export function makeProgram(ended: (status: number) => void): Command {
  const program = new Command("drv")
    .description("Build Nix store derivations in a sandbox, without Nix.")
    .version(`drv ${version()}`, "--version", "print the version")
    .helpCommand(false)
    .exitOverride()
    .configureHelp({ showGlobalOptions: false })
    .showSuggestionAfterError(true)
    .showHelpAfterError("(`drv --help` lists the commands)")
    .addHelpText("after", "\n`drv COMMAND --help` shows a command's options and an example.");
  for (const spec of commands) program.addCommand(makeCommand(spec, ended));
  return program;
}

function makeCommand(spec: CommandSpec, ended: (status: number) => void): Command {
  const overrides: SettingOverrides = [];
  const command = new Command(`${spec.name}`)
    .description(spec.about)
    .exitOverride()
    .option("--store <path>", "folder of the store to use")
    .addHelpText("after", `\nExample:\n  ${spec.example}`);
  if (spec.args !== "") command.arguments(spec.args);
  if (spec.stdin) command.option("--stdin", "take more arguments from standard input, one per line");
  for (const [flags, about, how] of spec.options)
    if (how === "repeatable") command.option(flags, about, collect);
    else command.option(flags, about);
  addSettingOptions(command, overrides);
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
