// Streams of Nix's logger made comparable: `packages/cli/scripts/compare-internal-json.mjs` holds ours against Nix's, a
// test against one that was recorded.

/**
 * What is known to differ, on whose side, and why. `applies` picks messages that this side alone has; `rewrite` gives what the other
 * one says. The reasons are also in docs/compatibility.md.
 */
export const explained = [
  {
    side: "nix",
    reason:
      "Nix asks what is missing before it begins, and tells each question to a substituter as an activity",
    applies: ({ action, type, text }) =>
      action === "start" && (type === 109 || (type === 0 && text === "querying info about missing paths")),
  },
  {
    side: "nix",
    reason: "`nix-store` lists what it is going to do; `drv build --dry-run` does when it is asked",
    applies: ({ action, msg }) =>
      action === "msg" &&
      /^(?:this|these) .*will be (?:built|fetched).*:$|^ {2}\/nix\/store\/\S+$/u.test(msg),
  },
  {
    side: "nix",
    reason: "`nix-store --realise` warns without `--add-root`; `drv build` makes a link by itself",
    applies: ({ action, msg }) => action === "msg" && /did not specify '--add-root'/u.test(msg),
  },
  {
    side: "nix",
    reason: "Nix leaves colours in texts",
    rewrite: (message) => JSON.parse(JSON.stringify(message).replace(/\\u001b\[[0-9;]*m/gu, "")),
  },
  {
    side: "ours",
    reason:
      "a failure carries the last lines of the log for every reader; Nix leaves them out for readers of all lines",
    rewrite: (message) =>
      message.raw_msg === undefined
        ? message
        : { ...message, msg: withoutTail(message.msg), raw_msg: withoutTail(message.raw_msg) },
  },
];

function withoutTail(text) {
  return text.replace(/;\nlast \d+ log lines:\n.*For full logs, run '(?:drv|nix) log [^']*'\.$/su, "");
}

/** Messages of a stream; other lines, such as those of a program that writes to standard error, are left out. */
export function readStream(text) {
  return text
    .split("\n")
    .filter((line) => line.startsWith("@nix "))
    .map((line) => JSON.parse(line.slice(5).replace(/"id":(\d+)/gu, '"id":"$1"')));
}

/** The process that gave the ids: there is one, and each activity has an id of its own. */
export function processOf(messages) {
  const ids = messages.filter(({ action }) => action === "start").map(({ id }) => BigInt(id));
  if (new Set(ids).size !== ids.length) throw new Error("two activities have one id");
  const processes = new Set(ids.map((id) => id >> 32n));
  if (processes.size !== 1) throw new Error(`ids of ${processes.size} processes`);
  return Number([...processes][0]);
}

/** Ids of activities that have begun and not ended, and of those that were told of without having begun. */
export function unbalanced(messages) {
  const open = new Set();
  const unknown = [];
  for (const { action, id } of messages) {
    if (action === "start") open.add(id);
    else if (action === "stop" && !open.delete(id)) unknown.push(id);
    else if (action === "result" && !open.has(id)) unknown.push(id);
  }
  return [...open, ...unknown];
}

/**
 * The messages of one side without what is explained, with ids numbered in the order of their beginning; `texts`: what stands for
 * others, such as the names of folders. With how often each explanation applied.
 */
export function comparable(messages, side, texts = []) {
  const rules = explained.filter((rule) => rule.side === side);
  const told = new Map();
  const dropped = new Set();
  const numbers = new Map();
  const kept = [];
  for (const raw of messages) {
    if (dropped.has(raw.id)) continue;
    let message = raw;
    for (const { applies = () => false, rewrite = (same) => same, reason } of rules) {
      const rewritten = applies(message) ? undefined : rewrite(message);
      if (JSON.stringify(rewritten) !== JSON.stringify(message))
        told.set(reason, (told.get(reason) ?? 0) + 1);
      message = rewritten;
      if (message === undefined) break;
    }
    if (message === undefined) {
      if (raw.id !== undefined) dropped.add(raw.id);
      continue;
    }
    if (raw.id !== undefined && !numbers.has(raw.id)) numbers.set(raw.id, `#${numbers.size + 1}`);
    const numbered = raw.id === undefined ? message : { ...message, id: numbers.get(raw.id) };
    kept.push(texts.reduce((text, [from, to]) => text.replaceAll(from, to), JSON.stringify(numbered)));
  }
  return { messages: kept, explained: told };
}

/** Lines of `b` that are not in `a` (`+`) and the other way round (`-`), in order: the fewest there can be. */
export function differences(a, b) {
  const common = a.map(() => new Array(b.length + 1).fill(0));
  common.push(new Array(b.length + 1).fill(0));
  for (let i = a.length - 1; i >= 0; i -= 1)
    for (let j = b.length - 1; j >= 0; j -= 1)
      common[i][j] = a[i] === b[j] ? common[i + 1][j + 1] + 1 : Math.max(common[i + 1][j], common[i][j + 1]);
  const found = [];
  let [i, j] = [0, 0];
  while (i < a.length || j < b.length) {
    if (i < a.length && j < b.length && a[i] === b[j]) [i, j] = [i + 1, j + 1];
    else if (j === b.length || (i < a.length && common[i + 1][j] >= common[i][j + 1]))
      found.push(`- ${a[i++]}`);
    else found.push(`+ ${b[j++]}`);
  }
  return found;
}
