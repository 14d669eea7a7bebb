import type { SettingName } from "@drvkit/engine/settings";
import type { CommandContext } from "./context.js";

/** A command: its arguments and help here, what it does in a module loaded when it runs. */
export interface LeafSpec {
  readonly name: string;
  readonly args: string;
  readonly about: string;
  readonly example: string;
  readonly options: readonly (readonly [flags: string, about: string, how?: "repeatable"])[];
  /** Whether paths may come on standard input, one per line. */
  readonly stdin: boolean;
  /** Settings that are flags of it; without it all of them, and the store. */
  readonly settings?: readonly SettingName[];
  readonly load: () => Promise<{
    run(args: readonly string[], options: CommandOptions, context: CommandContext): Promise<number>;
  }>;
}

/** Commands that belong together. */
interface GroupSpec {
  readonly name: string;
  readonly about: string;
  readonly commands: readonly LeafSpec[];
}

/** What may stand behind `drv`. */
export type CommandSpec = LeafSpec | GroupSpec;

/** Values of a command's own options, by camelCase name. */
export type CommandOptions = Readonly<Record<string, string | boolean | readonly string[] | undefined>>;

const hashOptions = [
  ["--json", "print JSON on standard output"],
  ["--type <algorithm>", "md5, sha1, sha256, sha512 or blake3 (default: sha256, or what a hash says)"],
  ["--form <form>", "sri (default), base16, nix32, base64, prefixed-base16 or prefixed-nix32"],
] as const;

const json = ["--json", "print JSON on standard output"] as const;

const evalStore = [
  "--eval-store <path>",
  "folder of the store that derivations and their sources are in (default: that of --store)",
] as const;

const logFormat = [
  "--log-format <format>",
  "on standard error: bar (what runs, on a terminal), raw (lines), internal-json (for programs, as Nix)",
] as const;

/** Every command. */
export const commands: readonly CommandSpec[] = [
  {
    name: "build",
    args: "[targets...]",
    about: "build derivations and print their output paths",
    example: "drv build ./store/…-hello.drv --sandbox-paths '/bin /usr /lib /lib64'",
    options: [
      json,
      evalStore,
      ["-L, --print-build-logs", "print the log lines of builds as they come"],
      ["--check", "build valid outputs again and compare"],
      ["--repair", "build or copy anew what is not any more what was registered"],
      ["--dry-run", "say what would be built and copied, and build nothing"],
      ["-o, --out-link <name>", "name of the symlink to the result (default: result)"],
      ["--no-link", "make no symlink"],
      [
        "--events <file>",
        "write what happens as lines of JSON (-: on standard output, instead of output paths)",
      ],
      logFormat,
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
    options: [json, evalStore],
    stdin: true,
    load: () => import("./commands/instantiate.js"),
  },
  {
    name: "show",
    args: "[derivations...]",
    about: "print derivations as JSON, those in files of JSON too",
    example: "drv show ./store/…-hello.drv",
    options: [
      evalStore,
      ["--json", "accepted for symmetry: the output is JSON unless --format says otherwise"],
      ["--format <form>", "2.8, as nix show-derivation prints; 4, as newer Nix; aterm, as files hold it"],
    ],
    stdin: true,
    load: () => import("./commands/show.js"),
  },
  {
    name: "diff",
    args: "<a> <b>",
    about: "say what makes two derivations differ, causes first",
    example: "drv diff ./before/…-app.drv ./after/…-app.drv",
    options: [json, evalStore],
    stdin: false,
    load: () => import("./commands/diff.js"),
  },
  {
    name: "log",
    args: "<path>",
    about: "print the build log of a derivation or of what it made",
    example: "drv log --follow /nix/store/…-hello.drv",
    options: [
      ["-f, --follow", "print a log as it grows, whoever builds, to the end of the build; wait for one"],
    ],
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
    name: "repair",
    args: "[paths...]",
    about: "obtain or build again what is not any more what was registered",
    example: "drv repair /nix/store/…-hello",
    options: [json, evalStore, logFormat],
    stdin: true,
    load: () => import("./commands/repair.js"),
  },
  {
    name: "doctor",
    args: "",
    about: "say which layers of the sandbox, and what else builds use, work on this machine",
    example: "drv doctor",
    options: [json],
    stdin: false,
    load: () => import("./commands/doctor.js"),
  },
  {
    name: "hash",
    about: "compute hashes and write them in other forms",
    commands: [
      {
        name: "file",
        args: "[files...]",
        about: "print the hash of the bytes of files (-: standard input)",
        example: "drv hash file ./hello-2.10.tar.gz",
        options: hashOptions,
        stdin: true,
        settings: [],
        load: () => import("./commands/hash.js").then(({ hashFiles }) => ({ run: hashFiles })),
      },
      {
        name: "path",
        args: "[paths...]",
        about: "print the hash of the archives of files and folders",
        example: "drv hash path ./src",
        options: hashOptions,
        stdin: true,
        settings: [],
        load: () => import("./commands/hash.js").then(({ hashPaths }) => ({ run: hashPaths })),
      },
      {
        name: "text",
        args: "<texts...>",
        about: "print the hash of texts",
        example: "drv hash text hello --type sha1 --form base16",
        options: hashOptions,
        stdin: false,
        settings: [],
        load: () => import("./commands/hash.js").then(({ hashTexts }) => ({ run: hashTexts })),
      },
      {
        name: "convert",
        args: "[hashes...]",
        about: "print hashes in another form",
        example: "drv hash convert sha256:0mdqa9w1p6cmli6976v4wi0sw9r4p5prkj7lzfd1877wk11c9c73",
        options: hashOptions,
        stdin: true,
        settings: [],
        load: () => import("./commands/hash.js").then(({ convertHashes }) => ({ run: convertHashes })),
      },
    ],
  },
  {
    name: "nar",
    about: "look into archives, make them, unpack them",
    commands: [
      {
        name: "ls",
        args: "<archive> [path]",
        about: "list what an archive holds (-: standard input)",
        example: "drv nar ls -lR ./hello.nar share",
        options: [
          json,
          ["-l, --long", "print type and size"],
          ["-R, --recursive", "list what is in folders too"],
        ],
        stdin: false,
        settings: [],
        load: () => import("./commands/nar.js").then(({ list }) => ({ run: list })),
      },
      {
        name: "cat",
        args: "<archive> <path>",
        about: "print one file of an archive (-: standard input)",
        example: "drv nar cat ./hello.nar share/doc/README",
        options: [],
        stdin: false,
        settings: [],
        load: () => import("./commands/nar.js").then(({ cat }) => ({ run: cat })),
      },
      {
        name: "pack",
        args: "<path>",
        about: "write the archive of a file or folder to standard output",
        example: "drv nar pack ./src > src.nar",
        options: [],
        stdin: false,
        settings: [],
        load: () => import("./commands/nar.js").then(({ pack }) => ({ run: pack })),
      },
      {
        name: "unpack",
        args: "<archive> <target>",
        about: "make the file or folder that an archive holds (-: standard input)",
        example: "drv nar unpack ./src.nar ./src-again",
        options: [],
        stdin: false,
        settings: [],
        load: () => import("./commands/nar.js").then(({ unpack }) => ({ run: unpack })),
      },
    ],
  },
  {
    name: "key",
    about: "make keys that sign",
    commands: [
      {
        name: "generate",
        args: "<name>",
        about: "make a secret key and print it, or write it to a file that only you can read",
        example: "drv key generate cache.example.org-1 --out ./secret-key",
        options: [["--out <file>", "a file that does not exist yet"]],
        stdin: false,
        settings: [],
        load: () => import("./commands/key.js").then(({ generate }) => ({ run: generate })),
      },
      {
        name: "public",
        args: "<file>",
        about: "print the public key of the secret key in a file (-: standard input)",
        example: "drv key public ./secret-key",
        options: [],
        stdin: false,
        settings: [],
        load: () => import("./commands/key.js").then(({ printPublic }) => ({ run: printPublic })),
      },
    ],
  },
  {
    name: "sign",
    args: "[narinfos...]",
    about: "add signatures to narinfo files (-: from standard input to standard output)",
    example: "drv sign ./cache/*.narinfo --secret-key-files ./secret-key",
    options: [],
    stdin: true,
    settings: ["secret-key-files"],
    load: () => import("./commands/sign.js"),
  },
  {
    name: "verify",
    args: "[narinfos...]",
    about: "say which narinfo files carry a signature by a key that is trusted",
    example: "drv verify --signature ./cache/*.narinfo --trusted-public-keys 'cache.example.org-1:…'",
    options: [["--signature", "verify signatures, the one thing there is so far"], json],
    stdin: true,
    settings: ["trusted-public-keys"],
    load: () => import("./commands/verify.js"),
  },
];
