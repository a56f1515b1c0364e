import type { Violation } from './dependency-rules.js';

const RULES = {
  host: 'package-lock.json names no registry host: npm takes the one that the machine is set up for (`npm config set omit-lockfile-registry-resolved true`).',
  path: "No file holds an absolute path of somebody's machine.",
} as const;

/** Home folders of people, as Linux and macOS name them. */
const HOME = /(?<![\w.~-])\/(?:home|Users)\/[a-z][\w.-]*\//;

/** Texts that would tie the repository to one machine. `machinePaths`: this checkout's own folder and home, with a trailing `/`. */
export function checkText(path: string, text: string, machinePaths: readonly string[]): readonly Violation[] {
  const violations: Violation[] = [];
  const lines = text.split('\n');
  for (const [index, line] of lines.entries()) {
    const report = (rule: keyof typeof RULES, found: string): void => {
      violations.push({ path, line: index + 1, found, rule: RULES[rule] });
    };
    if (path.endsWith('package-lock.json') && /"resolved": "https?:/.test(line)) report('host', line.trim());
    const machinePath = HOME.exec(line)?.[0] ?? machinePaths.find((prefix) => line.includes(prefix));
    if (machinePath !== undefined) report('path', machinePath);
  }
  return violations;
}
