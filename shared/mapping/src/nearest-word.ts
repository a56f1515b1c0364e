/** `did you mean "include"` for a word that is close to one of the right ones; the right ones themselves otherwise. */
export function suggest(word: string, right: readonly string[]): string {
  const nearest = nearestWord(word, right);
  if (nearest !== undefined) return `did you mean "${nearest}"`;
  return `it takes ${right.map((one) => `"${one}"`).join(', ')}`;
}

/** The closest of the right words, where at most a third of its letters (and at least two) differ. */
export function nearestWord(word: string, right: readonly string[]): string | undefined {
  let best: string | undefined;
  let bestDistance = Number.POSITIVE_INFINITY;
  for (const candidate of right) {
    const distance = editDistance(word.toLowerCase(), candidate.toLowerCase());
    if (distance < bestDistance && distance <= Math.max(2, Math.floor(candidate.length / 3))) {
      best = candidate;
      bestDistance = distance;
    }
  }
  return best;
}

function editDistance(a: string, b: string): number {
  // Nobody misspells a keyword by hundreds of letters; the bound keeps hostile input cheap.
  if (Math.abs(a.length - b.length) > 8 || a.length > 64) return Number.POSITIVE_INFINITY;
  let previous = Array.from({ length: b.length + 1 }, (_, index) => index);
  for (let i = 1; i <= a.length; i++) {
    const current = [i];
    for (let j = 1; j <= b.length; j++) {
      const substitution = (previous[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1);
      current.push(Math.min(substitution, (previous[j] ?? 0) + 1, (current[j - 1] ?? 0) + 1));
    }
    previous = current;
  }
  return previous[b.length] ?? 0;
}
