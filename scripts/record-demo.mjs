// Writes docs/demo.svg: what `npm run demo` leaves on a terminal of 80 columns, by tmux, whose colours it keeps.
import { execFileSync, spawnSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { root } from "./run.mjs";

const server = `drvkit-record-${process.pid}`;
const tmux = (...args) => execFileSync("tmux", ["-L", server, ...args], { cwd: root, encoding: "utf8" });
const colours = { 31: "#f47067", 32: "#57ab5a", 33: "#c69026", 36: "#39c5cf" };
const [columnWidth, lineHeight, margin] = [8.43, 18, 16];

tmux("new-session", "-d", "-x", "80", "-y", "300", `${process.execPath} scripts/demo.mjs; sleep 600`);
try {
  for (let tries = 0; !tmux("capture-pane", "-p").includes("\nNext:"); tries += 1) {
    if (tries > 600) throw new Error("the demo did not end");
    spawnSync("sleep", ["0.5"]);
  }
  const lines = tmux("capture-pane", "-pe").trimEnd().split("\n").slice(1);
  writeFileSync(join(root, "docs/demo.svg"), svg(lines.slice(lines[0] === "" ? 1 : 0)));
} finally {
  tmux("kill-server");
}

function svg(lines) {
  const [width, height] = [80 * columnWidth + 2 * margin, lines.length * lineHeight + 2 * margin];
  let style = {};
  const rows = lines.map((line, index) => {
    const spans = [];
    for (const [, codes, text] of line.matchAll(/(?:\u001b\[([\d;]*)m)?([^\u001b]*)/gu)) {
      if (codes !== undefined) style = restyle(style, codes);
      if (text !== "") spans.push(`<tspan${attributes(style)}>${escapeXml(text)}</tspan>`);
    }
    return `<text x="${margin}" y="${margin + (index + 0.75) * lineHeight}">${spans.join("")}</text>`;
  });
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" font-family="ui-monospace, Menlo, Consolas, 'DejaVu Sans Mono', monospace" font-size="14" fill="#cdd9e5" xml:space="preserve">
<title>npm run demo on a terminal of 80 columns</title>
<rect width="100%" height="100%" rx="8" fill="#1c2128"/>
${rows.join("\n")}
</svg>
`;
}

function restyle(style, codes) {
  let { bold, dim, fill } = style;
  for (const code of codes.split(";")) {
    if (code === "1") bold = true;
    else if (code === "2") dim = true;
    else if (code === "39") fill = undefined;
    else if (colours[code] !== undefined) fill = colours[code];
    else if (code === "" || code === "0") [bold, dim, fill] = [];
  }
  return { bold, dim, fill };
}

function attributes({ bold, dim, fill }) {
  return `${bold ? ' font-weight="bold"' : ""}${dim ? ' opacity="0.6"' : ""}${fill ? ` fill="${fill}"` : ""}`;
}

function escapeXml(text) {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
}
