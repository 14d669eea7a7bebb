// Two builds need the same library. One is cancelled half-way; the other goes on with what was begun for both.
// Run: npx jiti examples/05-share-builds.ts [STORE]
import { derivation, nix, openEngine } from "@drvkit/engine";

const lib = derivation({
  name: "lib",
  builder: "/bin/sh",
  args: ["-c", "i=0; while [ $i -lt 300000 ]; do i=$((i+1)); done; echo 42 > $out"],
});
const [impatient, patient] = ["impatient", "patient"].map((name) =>
  derivation({
    name,
    builder: "/bin/sh",
    args: ["-c", nix`read answer < ${lib}; echo ${name}: $answer > $out`],
  }),
);
if (impatient === undefined || patient === undefined) throw new Error("two builds are needed");

await using engine = await openEngine({ store: process.argv[2] ?? "./.drvkit" });
const cancel = new AbortController();
const first = engine.build([impatient], { signal: cancel.signal });
const second = engine.build([patient]);

for await (const event of second) {
  if (event.type !== "build-started") continue;
  console.log(`building ${event.drvPath}`);
  cancel.abort(); // while the library is built, for both
}

const endOf = async ({ result }: typeof first) => {
  const [outcome] = (await result).results;
  return outcome !== undefined && "errorMessage" in outcome ? outcome.errorMessage : outcome?.status;
};
console.log(`first: ${await endOf(first)}`);
console.log(`second: ${await endOf(second)}`);
