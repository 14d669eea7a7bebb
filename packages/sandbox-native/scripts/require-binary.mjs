// Runs before a platform package is packed: one without its binary would install and then not load.
import { readFileSync, statSync } from "node:fs";

const { name, main } = JSON.parse(readFileSync("package.json", "utf8"));
if (!statSync(main, { throwIfNoEntry: false })?.isFile()) {
  process.stderr.write(
    `${name} cannot be packed: the binary "${main}" is missing; build it on that platform first\n`,
  );
  process.exit(1);
}
