import { textOf } from "@drvkit/drv-parser";
import { describe, expect, test } from "vitest";
import { failureOf, World } from "../support/world.js";

describe("exportReferencesGraph", () => {
  function world() {
    const w = new World();
    const { store } = w.ports;
    const far = store.addText("far", "far");
    const near = store.addText("near", `see ${far}`, [far]);
    return { w, far, near };
  }

  async function filesOf(w: World, drvPath: never) {
    const running = w.run([drvPath]);
    const build = await w.building(drvPath);
    build.succeed();
    await running;
    return new Map(build.spec.files.map(({ name, content }) => [name, textOf(content)]));
  }

  test("B4: is a file: path, no deriver, count and references of each member in byte order", async () => {
    const { w, far, near } = world();
    const drvPath = w.add({ name: "g", sources: [near], env: { exportReferencesGraph: `graph ${near}` } });
    const [first, second] = [far, near].sort();
    const text = (path: unknown) => (path === near ? `${near}\n\n1\n${far}\n` : `${far}\n\n0\n`);
    expect(await filesOf(w, drvPath as never)).toEqual(new Map([["graph", text(first) + text(second)]]));
  });

  test("B4: is an attribute with structured attributes", async () => {
    const { w, far, near } = world();
    const attrs = { exportReferencesGraph: { graph: [near] } };
    const drvPath = w.add({ name: "g", sources: [near], env: { __json: JSON.stringify(attrs) } });
    const files = await filesOf(w, drvPath as never);
    const { graph, exportReferencesGraph } = JSON.parse(files.get(".attrs.json") ?? "");
    const [farInfo, nearInfo] = [
      await w.ports.store.queryPathInfo(far),
      await w.ports.store.queryPathInfo(near),
    ];
    const sizes = { far: farInfo?.narSizeBytes ?? 0, near: nearInfo?.narSizeBytes ?? 0 };
    const member = (path: string, closureSize: number, narSize: number, references: string[]) => ({
      ca: expect.stringMatching(/^text:sha256:/u),
      closureSize,
      narHash: expect.stringMatching(/^sha256:[0-9a-z]{52}$/u),
      narSize,
      path,
      references,
    });
    const expected = [
      member(far, sizes.far, sizes.far, []),
      member(near, sizes.far + sizes.near, sizes.near, [far]),
    ];
    expect(graph).toEqual(expected.sort((a, b) => (a.path < b.path ? -1 : 1)));
    expect(Object.keys(graph[0])).toEqual(["ca", "closureSize", "narHash", "narSize", "path", "references"]);
    expect(exportReferencesGraph).toEqual(attrs.exportReferencesGraph);
  });

  test("of a derivation holds what it makes", async () => {
    const { w } = world();
    const made = w.add({ name: "made" });
    await w.realise([made]);
    const drvPath = w.add({ name: "g", sources: [made], env: { exportReferencesGraph: `graph ${made}` } });
    expect((await filesOf(w, drvPath as never)).get("graph")).toContain(`${w.out(made)}\n\n0\n`);
  });

  test("B4: of what is no input is refused before the build", async () => {
    const { w, far } = world();
    const drvPath = w.add({ name: "g", env: { exportReferencesGraph: `graph ${far}` } });
    const { results, exitStatus } = await w.run([drvPath]);
    expect(failureOf(results[0])).toMatchObject({
      status: "inputRejected",
      errorMessage: `cannot export references of path '${far}' because it is not in the input closure of the derivation`,
    });
    expect([exitStatus, w.ports.store.locked.size]).toEqual([100, 0]);
  });
});
