import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

/** The repository's folder. */
export const root = fileURLToPath(new URL("..", import.meta.url));

/** Material that lies beside the repository on the makers' machines; tests that need it skip where it is absent. */
export const shared = join(root, "..", "shared");
export const sharedIsHere = existsSync(join(shared, "real"));

export interface Manifest {
  readonly name: string;
  readonly bin?: Readonly<Record<string, string>>;
  readonly exports?: unknown;
  readonly files?: readonly string[];
  readonly engines?: Readonly<Record<string, string>>;
  readonly dependencies?: Readonly<Record<string, string>>;
  readonly optionalDependencies?: Readonly<Record<string, string>>;
  readonly private?: boolean;
}

export interface Package {
  readonly folder: string;
  readonly path: string;
  readonly manifest: Manifest;
}

/** The packages people install, without the ones that only carry a binary. */
export const packages: readonly Package[] = readdirSync(join(root, "packages"))
  .filter((folder) => existsSync(join(root, "packages", folder, "package.json")))
  .map((folder) => readPackage(folder));

export function readPackage(folder: string): Package {
  const path = join(root, "packages", folder);
  return { folder, path, manifest: JSON.parse(readFileSync(join(path, "package.json"), "utf8")) as Manifest };
}

/** All files below `folder` whose name ends in one of `endings`. */
export function filesBelow(folder: string, endings: readonly string[]): readonly string[] {
  if (!existsSync(folder)) return [];
  return readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
    const path = join(folder, entry.name);
    if (entry.isDirectory())
      return ["node_modules", "dist", "target"].includes(entry.name) ? [] : filesBelow(path, endings);
    return endings.some((ending) => entry.name.endsWith(ending)) ? [path] : [];
  });
}
