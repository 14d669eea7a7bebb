/** `0.4s`, `12s`, `3m05s`, `1h02m`. */
export function printDuration(ms: number): string {
  const seconds = ms / 1000;
  if (seconds < 10) return `${seconds.toFixed(1)}s`;
  if (seconds < 60) return `${Math.floor(seconds)}s`;
  const minutes = Math.floor(seconds / 60);
  const two = (value: number) => String(value).padStart(2, "0");
  if (minutes < 60) return `${minutes}m${two(Math.floor(seconds % 60))}s`;
  return `${Math.floor(minutes / 60)}h${two(minutes % 60)}m`;
}

/** `120 B`, `1.3 KiB`, `4.0 MiB`. */
export function printBytes(bytes: number): string {
  if (bytes < 1024) return `${bytes} B`;
  const units = ["KiB", "MiB", "GiB", "TiB"];
  const power = Math.min(Math.floor(Math.log2(bytes) / 10), units.length);
  return `${(bytes / 1024 ** power).toFixed(1)} ${units[power - 1]}`;
}

/** The name of a derivation as people say it: without store directory, hash and `.drv`. */
export function shortName(drvPath: string): string {
  const base = drvPath.slice(drvPath.lastIndexOf("/") + 1);
  return base.slice(33).replace(/\.drv$/u, "");
}

/** What a terminal must never interpret when a builder prints it: escape codes and other control characters. */
export function stripControls(text: string): string {
  return text
    .replace(/\u001b\[[0-?]*[ -/]*[@-~]/gu, "")
    .replace(/\u001b\][^\u0007\u001b]*(?:\u0007|\u001b\\)/gu, "")
    .replace(/\t/gu, " ")
    .replace(/[\u0000-\u001f\u007f-\u009f]/gu, "");
}

/** Columns that a text takes; rather one too many than one too few. */
export function widthOf(text: string): number {
  return [...text].reduce((sum, character) => sum + columnsOf(character), 0);
}

/** The beginning of a text, as far as it fits. */
export function fit(text: string, columns: number): string {
  if (text.length * 2 <= columns) return text;
  let left = columns;
  let kept = "";
  for (const character of text) {
    left -= columnsOf(character);
    if (left < 0) break;
    kept += character;
  }
  return kept;
}

const wide =
  /[\u1100-\u115f\u2e80-\ua4cf\ua960-\ua97f\uac00-\ud7a3\uf900-\ufaff\ufe10-\ufe6f\uff00-\uff60\uffe0-\uffe6\u{1f000}-\u{3fffd}]|\p{Emoji_Presentation}/u;

function columnsOf(character: string): number {
  return character < "\u1100" || !wide.test(character) ? 1 : 2;
}
