import { findProgram } from "../hooks/find-program.js";
import type { Settings } from "../settings/table.js";

/**
 * Programs that connect a network namespace without root. None lets the builder reach the services of this machine that listen on
 * loopback, nor anybody the builder.
 */
const programs = {
  pasta: [
    ...["--foreground", "--quiet", "--config-net", "--no-map-gw"],
    ...["--tcp-ports", "none", "--udp-ports", "none", "--tcp-ns", "none", "--udp-ns", "none", "{pid}"],
  ],
  slirp4netns: ["--configure", "--mtu=65520", "--disable-host-loopback", "{pid}", "tap0"],
} as const;

/**
 * All of argv of the program that connects builds with a fixed output; `undefined` where they have the network of the machine.
 *
 * @throws EngineSetupError `ERR_HOOK_PROGRAM` when it is not installed.
 */
export async function networkProgram(
  settings: Settings,
  env: NodeJS.ProcessEnv,
): Promise<readonly string[] | undefined> {
  const name = settings["fixed-output-network"];
  if (name === "host") return undefined;
  const isRoot = process.geteuid?.() === 0;
  // It would become somebody else, who may not enter the namespaces.
  const asRoot = name === "pasta" && isRoot ? ["--runas", "0"] : [];
  return [await findProgram(name, env), ...asRoot, ...programs[name]];
}
