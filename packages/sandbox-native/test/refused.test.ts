import { chmodSync, mkdirSync, rmdirSync } from "node:fs";
import { join } from "node:path";
import { afterAll, describe, expect } from "vitest";
import { ownControlGroup } from "../ts/index.js";
import * as harness from "./harness.js";
import {
  EINVAL,
  ENOSYS,
  EPERM,
  expectRefusal,
  layer,
  nested,
  noCompiler,
  ordinary,
  ownId,
  type Refusal,
  refuse,
  refuses,
  root,
  rule,
  skipped,
  works,
} from "./refusing.js";

const { isRoot, newDirectory } = harness;

afterAll(harness.removeDirectories);

const refusedHere = await harness.refusal();
const sandboxed = describe.skipIf(refusedHere !== undefined);
const because = refusedHere === undefined ? "" : ` (skipped: ${refusedHere})`;
const [notPermitted, noSpace] = ["operation not permitted", "no space left on device"];

sandboxed(`numbers of namespaces stop the build${because}`, () => {
  for (const caller of nested)
    for (const [kind, name] of [
      ["user", "user namespace"],
      ["mnt", "mount namespace"],
      ["pid", "pid namespace"],
      ["net", "network namespace"],
      ["ipc", "ipc namespace"],
      ["uts", "uts namespace"],
    ] as const)
      refuses(`no ${name} may be made: ${caller.who}`, caller.problem, () => {
        const none = ["sh", "-c", `echo 0 > /proc/sys/user/max_${kind}_namespaces && exec "$@"`, "sh"];
        const hint = `the sysctl user.max_${kind}_namespaces is 0 here: set it to 15000 or more`;
        const { probes } = expectRefusal(caller, none, layer("clone", name, noSpace, hint));
        const probe = probes?.find((one) => one.layer === "user-namespace");
        expect(probe).toMatchObject({ works: false, required: true, hint });
      });

  refuses("too few of them are told by their number", nested[0]?.problem, () => {
    const few = ["sh", "-c", 'echo 1 > /proc/sys/user/max_uts_namespaces && exec unshare -u "$@"', "sh"];
    const hint = "the sysctl user.max_uts_namespaces is 1 here";
    if (nested[0] !== undefined)
      expectRefusal(nested[0], few, layer("clone", "uts namespace", noSpace, hint));
  });

  refuses("all but a network that is shared, without network namespaces", nested[0]?.problem, () => {
    const [caller] = nested;
    const none = ["sh", "-c", 'echo 0 > /proc/sys/user/max_net_namespaces && exec "$@"', "sh"];
    const changes = { network: "host" } as const;
    const command = harness.driverCommand(harness.makeDriver(), ["-c", "echo ran"], undefined, { changes });
    expect(harness.runDriver([...(caller?.before ?? []), ...none, ...command]).output).toBe("ran\n");
  });
});

sandboxed(`places without a layer stop the build${because}`, () => {
  const noMounts = isRoot && works("unshare", "-m", "true") ? undefined : "this may not mount";

  refuses("a chroot, which has no user namespaces", noMounts, () => {
    const place = newDirectory();
    const enter = `for path in /*; do
      if [ -L "$path" ]; then cp -P "$path" "$0"
      elif [ -d "$path" ]; then mkdir "$0$path" && mount --rbind "$path" "$0$path"
      fi
    done; exec chroot "$0" "$@"`;
    const expected = layer(
      "clone",
      "user namespace",
      notPermitted,
      "in a chroot there are no user namespaces",
    );
    expectRefusal(root, ["unshare", "-m", "sh", "-c", enter, place], expected);
  });

  refuses("parts of /proc that are hidden", nested[0]?.problem, () => {
    const hide = ["unshare", "-m", "sh", "-c", 'mount -t tmpfs none /proc/tty && exec "$@"', "sh"];
    const expected = layer("mount", "new /proc", notPermitted, "systempaths=unconfined");
    if (nested[0] !== undefined) expectRefusal(nested[0], hide, expected);
  });
});

const mounts = "apparmor=unconfined";
const kernel = "Linux 5.12 or later";
const unconfined = "seccomp=unconfined";

sandboxed(`calls that are refused stop the build${because}`, () => {
  for (const caller of [root, ordinary])
    for (const { what, rules, expected } of [
      {
        what: "clone",
        rules: [rule("clone", EPERM, `.0&${0x1000_0000}`)],
        expected: layer("clone", "namespaces", notPermitted, unconfined),
      },
      {
        what: "clone with a network of its own",
        rules: [rule("clone", EPERM, `.0&${0x4000_0000}`)],
        expected: layer("clone", "namespaces", notPermitted, unconfined),
      },
      {
        what: "clone, by a kernel that has no namespaces",
        rules: [rule("clone", EINVAL, `.0&${0x1000_0000}`)],
        expected: layer("clone", "namespaces", "invalid argument", kernel),
      },
      {
        what: "private mounts",
        rules: [rule("mount", EPERM)],
        expected: layer("private-mounts", "mount namespace", notPermitted, mounts),
      },
      ...(["fsopen", "fsmount", "move_mount"] as const).flatMap((call) => [
        {
          what: call,
          rules: [rule(call, EPERM)],
          expected: layer("new-root", "mount namespace", notPermitted, mounts),
        },
        {
          what: `${call}, by a kernel that does not know it`,
          rules: [rule(call, ENOSYS)],
          expected: layer("new-root", "mount namespace", "function not implemented", kernel),
        },
      ]),
      ...(["open_tree", "mount_setattr"] as const).map((call) => ({
        what: call,
        rules: [rule(call, EPERM)],
        expected: layer("bind", "mount namespace", notPermitted, mounts),
      })),
      {
        what: "a new /proc",
        rules: [rule("fsmount", EPERM, ".2&8")], // MOUNT_ATTR_NOEXEC, which it is the first to have
        expected: layer("mount", "new /proc", notPermitted, "systempaths=unconfined"),
      },
      {
        what: "pivot_root",
        rules: [rule("pivot_root", EPERM)],
        expected: layer("pivot-root", "own root", notPermitted, mounts),
      },
      {
        what: "pivot_root, from the initial ramfs",
        rules: [rule("pivot_root", EINVAL)],
        expected: layer("pivot-root", "own root", "invalid argument", "switch_root"),
      },
      {
        what: "a host name",
        rules: [rule("sethostname", EPERM)],
        expected: layer("host-name", "uts namespace", notPermitted, unconfined),
      },
      {
        what: "no new privileges",
        rules: [rule("prctl", EPERM, ".0&2")], // PR_SET_NO_NEW_PRIVS is 38
        expected: layer("no-new-privs", "bar on new privileges", notPermitted, unconfined),
      },
      {
        what: "a filter",
        rules: [rule("seccomp", EPERM)],
        expected: layer("seccomp", "system call filter", notPermitted, unconfined),
      },
      {
        what: "a filter, by a kernel that has none",
        rules: [rule("seccomp", EINVAL)],
        expected: layer("seccomp", "system call filter", "invalid argument", "CONFIG_SECCOMP_FILTER"),
      },
      {
        what: "a session, which the process that helpers are copies of makes first",
        rules: [rule("setsid", EPERM)],
        expected: {
          code: "ERR_SANDBOX_SETUP" as const,
          step: "spawn-helper",
          message: 'the step "spawn-helper" of the sandbox failed',
          hint: undefined,
        },
      },
    ])
      refuses(`${what}: ${caller.who}`, skipped(caller.problem, noCompiler), () => {
        expectRefusal(caller, [refuse, ...rules, "--"], expected);
      });
});

sandboxed(`what is refused without a sandbox stops the build${because}`, () => {
  for (const caller of [root, ordinary])
    for (const { what, rules, expected } of [
      {
        what: "a filter of builds without a sandbox",
        rules: [rule("seccomp", EPERM)],
        expected: layer("seccomp", "system call filter", notPermitted, unconfined),
      },
      {
        what: "no new privileges of builds without a sandbox",
        rules: [rule("prctl", EPERM, ".0&2")],
        expected: layer("no-new-privs", "bar on new privileges", notPermitted, unconfined),
      },
    ])
      refuses(`${what}: ${caller.who}`, skipped(caller.problem, noCompiler), () => {
        expectRefusal(caller, [refuse, ...rules, "--"], expected, { unconfined: true });
      });
});

sandboxed(`layers that builds do without${because}`, () => {
  for (const caller of [root, ordinary])
    for (const { name, call, hint } of [
      { name: "session-keyring", call: "keyctl", hint: "CONFIG_KEYS" },
      { name: "landlock", call: "landlock_restrict_self", hint: "`lsm=`" },
    ] as const)
      refuses(`${name} is not told as applied: ${caller.who}`, skipped(caller.problem, noCompiler), () => {
        const command = harness.driverCommand(harness.makeDriver(), ["-c", "echo ran"], caller.ids());
        const result = harness.runDriver([...caller.before, refuse, rule(call, EPERM), "--", ...command]);
        expect(result.output).toBe("ran\n");
        expect(result.layers).toContain("seccomp");
        expect(result.layers).not.toContain(name);
        const probe = result.probes?.find((one) => one.layer === name);
        // A kernel whose Landlock has no scopes does not get as far as the call.
        const hints =
          name === "landlock" ? expect.stringMatching(/`lsm=`|Linux 6\.12/u) : expect.stringContaining(hint);
        expect(probe).toMatchObject({ works: false, required: false, hint: hints });
      });
});

sandboxed(`groups and ids that cannot be had stop the build${because}`, () => {
  const groups = layer("drop-groups", "drop of supplementary groups", notPermitted, "");

  refuses(
    "groups that must go, of an ordinary user without newgidmap",
    skipped(ordinary.problem, noCompiler),
    () => {
      // Under a filter without a rule set-user-id programs have no rights: newgidmap is there and can do nothing.
      const changes = { groupsMustGo: true };
      const result = expectRefusal(ordinary, [refuse, "--"], groups, { changes });
      expect(result.error?.hint).toContain("newgidmap");
      expect(result.error?.hint).toContain("'require-drop-supplementary-groups'");
      const probe = result.probes?.find((one) => one.layer === "dropped-groups");
      expect(probe).toMatchObject({ works: false, hint: expect.stringContaining("newgidmap") });
    },
  );

  refuses("groups that root may not drop", skipped(root.problem, noCompiler), () => {
    const expected = { ...groups, hint: "CAP_SETGID" };
    expectRefusal(root, [refuse, rule("setgroups", EPERM), "--"], expected);
  });

  const inside = nested[0];
  const ids = "the ids of the builder are not ids of this container";
  if (inside !== undefined) {
    refuses("an id that files cannot be given to", inside.problem, () => {
      const expected = layer("make-build-directory", "user ids", "invalid argument", ids);
      expectRefusal(inside, [], expected, { ids: ownId() });
    });

    refuses("a group that cannot be mapped", inside.problem, () => {
      const expected = layer("map-ids", "user ids", notPermitted, ids);
      expectRefusal(inside, [], expected, { ids: [0, 900_000_001] });
    });
  }
});

sandboxed(`control groups and networks that cannot be had stop the build${because}`, () => {
  for (const caller of [root, ordinary]) {
    refuses(`a directory that is no control group: ${caller.who}`, caller.problem, () => {
      const cgroup = newDirectory();
      chmodSync(cgroup, 0o755);
      const message = `the step "join-cgroup" of the sandbox failed on "${cgroup}/cgroup.procs": no such file or directory`;
      const hint = "'use-cgroups'";
      const expected: Refusal = { code: "ERR_SANDBOX_SETUP", step: "join-cgroup", message, hint };
      expectRefusal(caller, [], expected, { changes: { cgroup } });
    });

    refuses(`a network program that ends: ${caller.who}`, caller.problem, () => {
      const changes = { network: "program", networkProgram: ["/bin/false"] } as const;
      const message = 'the network program "/bin/false" ended with exit code 1';
      const hint = "'fixed-output-network'";
      const expected: Refusal = { code: "ERR_SANDBOX_UNAVAILABLE", step: "network", message, hint };
      expectRefusal(caller, [], expected, { changes });
    });

    refuses(
      `a network program ends with a refused builder: ${caller.who}`,
      skipped(caller.problem, noCompiler),
      async () => {
        const seconds = `${1_000_000 + process.pid}.5`;
        const changes = { network: "program", networkProgram: ["/bin/sleep", seconds] } as const;
        const expected = layer("pivot-root", "own root", notPermitted, mounts);
        expectRefusal(caller, [refuse, rule("pivot_root", EPERM), "--"], expected, { changes });
        expect(await harness.eventually(() => harness.processesWith(seconds).length === 0)).toBe(true);
      },
    );
  }

  const ownGroup = ownControlGroup();
  const groupless = ownGroup === undefined ? "no control groups (v2) here" : undefined;
  refuses(
    "a control group of somebody else",
    skipped(isRoot ? undefined : "this is not root", ordinary.problem, groupless),
    () => {
      const cgroup = join(ownGroup ?? "", `drvkit-refused-${process.pid}`);
      mkdirSync(cgroup);
      try {
        const message = `failed on "${cgroup}/cgroup.procs": permission denied`;
        const hint = "Delegate=yes";
        const expected: Refusal = { code: "ERR_SANDBOX_SETUP", step: "join-cgroup", message, hint };
        expectRefusal(ordinary, [], expected, { changes: { cgroup } });
      } finally {
        rmdirSync(cgroup);
      }
    },
  );

  refuses(
    "no control group namespace may be made",
    skipped(isRoot ? nested[0]?.problem : "this is not root", groupless),
    () => {
      const cgroup = join(ownGroup ?? "", `drvkit-refused-${process.pid}`);
      mkdirSync(cgroup);
      try {
        const none = ["sh", "-c", 'echo 0 > /proc/sys/user/max_cgroup_namespaces && exec "$@"', "sh"];
        const hint = "user.max_cgroup_namespaces is 0";
        const expected = layer("cgroup-namespace", "cgroup namespace", noSpace, hint);
        const [caller] = nested;
        if (caller !== undefined) expectRefusal(caller, none, expected, { changes: { cgroup } });
      } finally {
        rmdirSync(cgroup);
      }
    },
  );
});
