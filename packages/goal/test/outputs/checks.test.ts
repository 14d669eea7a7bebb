import type { StorePath } from "@drvkit/drv-parser";
import { describe, expect, test } from "vitest";
import { failureOf, World } from "../support/world.js";

type Checks = Readonly<Record<string, readonly string[] | number>>;

interface Tried {
  readonly style: "plain" | "structured";
  /** `near` refers to `far`, `bystander` to nothing; `out` is the output's name. */
  readonly checks: (paths: Readonly<Record<"near" | "far" | "bystander", StorePath>>) => Checks;
  /** What the output contains. */
  readonly content: (paths: Readonly<Record<"near" | "far" | "bystander" | "out", string>>) => string;
}

async function attempt({ style, checks, content }: Tried) {
  const world = new World();
  const { store } = world.ports;
  const far = store.addText("far", "far");
  const near = store.addText("near", `see ${far}`, [far]);
  const bystander = store.addText("bystander", "bystander");
  const limits = checks({ near, far, bystander });
  const env =
    style === "structured"
      ? { __json: JSON.stringify({ outputChecks: { out: limits } }) }
      : Object.fromEntries(Object.entries(limits).map(([name, value]) => [name, [value].flat().join(" ")]));
  const drvPath = world.add({ name: "checked", sources: [near, bystander], env });
  const out = world.out(drvPath);
  const running = world.run([drvPath]);
  const builder = await world.building(drvPath);
  builder.put(out, content({ near, far, bystander, out }));
  builder.exit(0);
  const { results, exitStatus } = await running;
  return {
    result: results[0],
    exitStatus,
    out,
    near,
    far,
    bystander,
    drvPath,
    valid: await world.isValid(out),
  };
}

const notAllowed = (out: string, ...paths: string[]) =>
  `output '${out}' is not allowed to refer to the following paths:${paths.map((path) => `\n  ${path}`).join("")}`;

const styles = [{ style: "plain" }, { style: "structured" }] as const;

describe.each(styles)("checks in $style attributes", ({ style }) => {
  const self = (out: string) => (style === "structured" ? [out] : []);

  test("B24: allowedReferences", async () => {
    const accepted = await attempt({
      style,
      checks: ({ near }) => ({ allowedReferences: [near, "out"] }),
      content: ({ near, out }) => `${near} ${out}`,
    });
    expect(accepted.result?.status).toBe("built");
    const refused = await attempt({
      style,
      checks: ({ near }) => ({ allowedReferences: [near] }),
      content: ({ near, bystander, out }) => `${near} ${bystander} ${out}`,
    });
    expect(failureOf(refused.result)).toMatchObject({
      status: "outputRejected",
      errorMessage: notAllowed(refused.out, ...[refused.bystander, refused.out].sort()),
    });
    expect([refused.exitStatus, refused.valid]).toEqual([1, false]);
  });

  test("B24: an empty list allows nothing, an absent one everything", async () => {
    const refused = await attempt({
      style,
      checks: () => ({ allowedReferences: [] }),
      content: ({ near }) => near,
    });
    expect(failureOf(refused.result).errorMessage).toBe(notAllowed(refused.out, refused.near));
    const accepted = await attempt({ style, checks: () => ({}), content: ({ near }) => near });
    expect(accepted.result?.status).toBe("built");
  });

  test("B24: allowedRequisites look at the closure", async () => {
    const refused = await attempt({
      style,
      checks: ({ near }) => ({ allowedRequisites: [near] }),
      content: ({ near }) => near,
    });
    expect(failureOf(refused.result).errorMessage).toBe(
      notAllowed(refused.out, ...[refused.far, ...self(refused.out)].sort()),
    );
    const accepted = await attempt({
      style,
      checks: ({ near, far }) => ({ allowedRequisites: [near, far, "out"] }),
      content: ({ near }) => near,
    });
    expect(accepted.result?.status).toBe("built");
  });

  test("B24: disallowedReferences", async () => {
    const refused = await attempt({
      style,
      checks: ({ near, far }) => ({ disallowedReferences: [near, far] }),
      content: ({ near }) => near,
    });
    expect(failureOf(refused.result).errorMessage).toBe(notAllowed(refused.out, refused.near));
    const self = await attempt({
      style,
      checks: () => ({ disallowedReferences: ["out"] }),
      content: ({ out }) => out,
    });
    expect(failureOf(self.result).errorMessage).toBe(notAllowed(self.out, self.out));
  });

  test("B24: disallowedRequisites look at the closure", async () => {
    const refused = await attempt({
      style,
      checks: ({ far }) => ({ disallowedRequisites: [far] }),
      content: ({ near }) => near,
    });
    expect(failureOf(refused.result).errorMessage).toBe(notAllowed(refused.out, refused.far));
    const accepted = await attempt({
      style,
      checks: ({ bystander }) => ({ disallowedRequisites: [bystander] }),
      content: ({ near }) => near,
    });
    expect(accepted.result?.status).toBe("built");
  });

  test("B24: the path itself counts as a requisite with structured attributes only", async () => {
    const { result, out } = await attempt({
      style,
      checks: () => ({ disallowedRequisites: ["out"] }),
      content: () => "nothing",
    });
    if (style === "plain") expect(result?.status).toBe("built");
    else expect(failureOf(result).errorMessage).toBe(notAllowed(out, out));
  });

  test("B24: a specifier that is neither a path nor an output is refused", async () => {
    const { result, drvPath } = await attempt({
      style,
      checks: () => ({ allowedReferences: ["lib"] }),
      content: () => "",
    });
    expect(failureOf(result).errorMessage).toBe(
      `derivation '${drvPath}' output check for 'out' contains output name 'lib', but this is not a valid output of this derivation. (Valid outputs are [out].)`,
    );
  });
});

describe("sizes", () => {
  test("B24: maxSize is that of the archive", async () => {
    const refused = await attempt({
      style: "structured",
      checks: () => ({ maxSize: 119 }),
      content: () => "x",
    });
    expect(failureOf(refused.result)).toMatchObject({
      status: "outputRejected",
      errorMessage: `path '${refused.out}' is too large at 120 bytes; limit is 119 bytes`,
    });
    const accepted = await attempt({
      style: "structured",
      checks: () => ({ maxSize: 120 }),
      content: () => "x",
    });
    expect(accepted.result?.status).toBe("built");
  });

  test("B24: maxClosureSize counts everything reachable", async () => {
    const { result, out } = await attempt({
      style: "structured",
      checks: () => ({ maxClosureSize: 300 }),
      content: ({ near }) => near,
    });
    expect(failureOf(result).errorMessage).toMatch(
      new RegExp(`^closure of path '${out}' is too large at \\d+ bytes; limit is 300 bytes$`, "u"),
    );
  });
});

test("B24: names of outputs that were valid before count", async () => {
  const world = new World();
  const drvPath = world.add({
    name: "multi",
    outputs: ["out", "dev"],
    env: { allowedReferences: "dev" },
  });
  const { dev, out } = world.outputs(drvPath) as Record<string, StorePath>;
  const finish = async (tree: string) => {
    const running = world.run([drvPath]);
    const builder = await world.building(drvPath);
    builder.put(dev as StorePath, "headers");
    builder.put(out as StorePath, tree);
    builder.exit(0);
    return running;
  };
  await finish("alone");
  world.ports.store.forget(out as StorePath);
  expect((await finish(`see ${dev}`)).exitStatus).toBe(0);
});

test("B24: top-level limits beside structured attributes have no effect, and a warning says so", async () => {
  const world = new World();
  const env = { __json: JSON.stringify({ allowedReferences: [], maxSize: 1 }) };
  const drvPath = world.add({ name: "misled", env });
  expect((await world.realise([drvPath])).exitStatus).toBe(0);
  expect(world.events.of("message").map(({ text }) => text)).toEqual(
    ["allowedReferences", "maxSize"].map(
      (name) =>
        `'structuredAttrs' disables the effect of the top-level attribute '${name}'; use 'outputChecks' instead`,
    ),
  );
});
