// What becomes of a test that was skipped, and what the summary says of those that were.

/**
 * Whether it may be: not for want of what `scripts/setup --tests` installs, where root runs the tests. Nobody would miss it there, since `make test` has
 * just installed everything. Others are told.
 */
export function maySkip(reason, { isRoot }) {
  return !isRoot || !/scripts\/setup --tests installs/.test(reason ?? '');
}

/** Lines for the summary, from [{ suite, reason }]: how many of each suite, and why. */
export function skippedLines(skips) {
  const counted = new Map();
  for (const { suite, reason } of skips) {
    const why = `${suite}: ${reason ?? 'no reason given'}`;
    counted.set(why, (counted.get(why) ?? 0) + 1);
  }
  return [...counted].map(([why, count]) => `  ${why}${count > 1 ? ` (${count} tests)` : ''}`);
}

/** What a GoogleTest program says of a test that it has skipped; undefined: nothing. */
export function skipReason(output, name) {
  const said = output.split(`[ RUN      ] ${name}\n`).at(-1).split('[  SKIPPED ]')[0];
  return /: Skipped\n(.+)/.exec(said)?.[1];
}
