// Makes a picture of a terminal's text: `node picture.js < captured.txt > docs/demo.svg`.
import { text } from 'node:stream/consumers';

const LINE_HEIGHT = 19;
const CHARACTER_WIDTH = 8.4;
const PADDING = 18;

/** Colours by what a line begins with; everything else is plain. */
const COLOURS: readonly (readonly [RegExp, string])[] = [
  [/^\s*✔|equal$/, '#7ee787'],
  [/^\s*⚡/, '#ffa657'],
  [/^\s*▸/, '#79c0ff'],
  [/^\$/, '#d2a8ff'],
];

/** An SVG that shows the lines as a dark terminal does; texts stay texts, so they can be searched and read aloud. */
function terminalPicture(lines: readonly string[]): string {
  const columns = Math.max(60, ...lines.map((line) => line.length));
  const width = Math.ceil(columns * CHARACTER_WIDTH) + 2 * PADDING;
  const height = lines.length * LINE_HEIGHT + 2 * PADDING;
  const rows = lines.map((line, index) => {
    const y = PADDING + (index + 1) * LINE_HEIGHT - 5;
    const colour = COLOURS.find(([pattern]) => pattern.test(line))?.[1] ?? '#c9d1d9';
    return `  <text x="${PADDING}" y="${y}" fill="${colour}" xml:space="preserve">${escapeXml(line)}</text>`;
  });
  return `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}" role="img" aria-label="Terminal output of make demo" font-family="ui-monospace, SFMono-Regular, Menlo, Consolas, monospace" font-size="14">
  <rect width="${width}" height="${height}" rx="8" fill="#0d1117"/>
${rows.join('\n')}
</svg>
`;
}

function escapeXml(line: string): string {
  return line.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
}

const lines = (await text(process.stdin)).trimEnd().split('\n');
process.stdout.write(terminalPicture(lines));
