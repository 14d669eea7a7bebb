import type { TreeDifference } from "../ports/trees.js";
import type { Compared, DifferenceReason, FileDifference } from "../result/differences.js";
import { excerpt, latin1, printable } from "./excerpt.js";

/** What a difference between the registered tree (one) and the built one (other) is to a person, and where it shows, why it is. */
export function explainDifference(difference: TreeDifference): FileDifference {
  const file = plainPath(difference.path);
  switch (difference.kind) {
    case "only":
    case "executable":
      return { file, kind: difference.kind, onlyIn: sides[difference.onlyIn] };
    case "type":
      return { file, kind: "type", registered: difference.one, built: difference.other };
    case "target": {
      const [registered, built] = [latin1(difference.one), latin1(difference.other)];
      const reason = reasonInText(registered, built, firstDifference(registered, built));
      return {
        file,
        kind: "target",
        registered: printable(registered),
        built: printable(built),
        ...(reason === undefined ? {} : { reason }),
      };
    }
    case "contents": {
      const reason = reasonOfContents(difference);
      const at = difference.offset - difference.aroundOffset;
      return {
        file,
        kind: "contents",
        registeredSizeBytes: difference.oneSizeBytes,
        builtSizeBytes: difference.otherSizeBytes,
        offset: difference.offset,
        registered: excerpt(latin1(difference.one), at),
        built: excerpt(latin1(difference.other), at),
        ...(reason === undefined ? {} : { reason }),
      };
    }
  }
}

const sides: Readonly<Record<"one" | "other", Compared>> = { one: "registered", other: "built" };

/** Names are bytes; most are text. */
function plainPath(path: Uint8Array): string {
  try {
    const text = new TextDecoder("utf-8", { fatal: true }).decode(path);
    if (!/\p{Cc}/u.test(text)) return text;
  } catch {
    // told as bytes
  }
  return printable(latin1(path));
}

function firstDifference(one: string, other: string): number {
  let at = 0;
  while (at < one.length && one[at] === other[at]) at += 1;
  return at;
}

type Contents = Extract<TreeDifference, { readonly kind: "contents" }>;

function reasonOfContents(contents: Contents): DifferenceReason | undefined {
  if (contents.sameLines) return "order";
  const [one, other] = [latin1(contents.one), latin1(contents.other)];
  const at = contents.offset - contents.aroundOffset;
  if (isTimeField(one, contents.offset, at)) return "time";
  return reasonInText(one, other, at);
}

/**
 * Whether byte `at` of `text`, byte `offset` of its file, belongs to the time field of a format: a header of gzip, zip, ar or tar, or
 * that of compiled Python.
 */
function isTimeField(text: string, offset: number, at: number): boolean {
  const isWithin = (start: number, first: number, last: number) =>
    start >= 0 && at >= start + first && at <= start + last;
  const head = at === offset ? text : "";
  return (
    (head.startsWith("\x1f\x8b") && isWithin(0, 4, 7)) ||
    (head.startsWith("\r\n", 2) && isWithin(0, 8, 11)) ||
    isWithin(text.lastIndexOf("PK\x03\x04", at), 10, 13) ||
    isWithin(text.lastIndexOf("PK\x01\x02", at), 12, 15) ||
    // The magic at the end of an archive member's header, whose fields are text.
    isWithin(text.indexOf("`\n", at) - 58, 16, 27) ||
    // Time and, behind it, checksum of a tar header, which is a block of 512 bytes.
    (text.startsWith("ustar", at - (offset % 512) + 257) && isWithin(at - (offset % 512), 136, 155))
  );
}

const month = "(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)[a-z]*";
const times = [
  /\d{4}[-/.]\d\d[-/.]\d\d(?:[T ]\d\d:\d\d(?::\d\d(?:\.\d+)?)?)?/gu,
  /\d{1,2}:\d\d(?::\d\d(?:\.\d+)?)?/gu,
  /\d\d\/\d\d\/\d{4}/gu,
  /(?<!\d)20\d{6}(?:[T-]?\d{4,6}Z?)?(?!\d)/gu,
  /(?:Mon|Tues?|Wed(?:nes)?|Thu(?:rs)?|Fri|Sat(?:ur)?|Sun)(?:day)?/gu,
  new RegExp(`${month} +\\d{1,2}(?:,? +\\d{4})?|\\d{1,2} +${month}(?: +\\d{4})?`, "gu"),
  // Seconds since the epoch, or thousandths to billionths of them.
  /(?<!\d)1\d{9}(?:\d{3}|\d{6}|\d{9})?(?!\d)/gu,
];
const paths = [/(?:\/[\w.+@%=,:~-]+){2,}/gu, /[0-9a-df-np-sv-z]{32}-[\w.+?=-]+/gu];

/** A path may have a time in it, but no time has a path in it. */
function reasonInText(one: string, other: string, at: number): DifferenceReason | undefined {
  const isAmong = (forms: readonly RegExp[]) =>
    [one, other].every((text) => forms.some((form) => hasMatchAt(form, text, at)));
  if (isAmong(paths)) return "path";
  return isAmong(times) ? "time" : undefined;
}

/** Whether what differs from byte `at` on is within such a text, or ends one. */
function hasMatchAt(form: RegExp, text: string, at: number): boolean {
  return [...text.matchAll(form)].some(({ index, 0: match }) => index <= at && at <= index + match.length);
}
