// A bare reader of a database: holds a snapshot until its standard input ends. Small, so that there can be many.
import { open } from "lmdb";

const [dir] = process.argv.slice(2);
const root = open({ path: dir, noSubdir: false, readOnly: true, encoding: "binary", keyEncoding: "binary" });
const paths = root.openDB({ name: "paths", encoding: "binary", keyEncoding: "binary" });
const transaction = root.useReadTransaction();
const before = paths.getKeysCount({ transaction });
process.stdout.write("reading\n");
process.stdin.on("end", () => {
  const after = paths.getKeysCount({ transaction });
  transaction.done();
  process.stdout.write(`${before} ${after}\n`);
  process.exit(0);
});
process.stdin.resume();
