// A node:test reporter for scripts/run_tests.mjs: one "#case {json}" line per test case (of one that was skipped with its reason), and
// readable failures.
// Suites (describe blocks) and the wrapper around a file are not cases, unless they failed or were skipped as a whole.

export default async function* report(source) {
  for await (const { type, data } of source) {
    if (type === 'test:stdout' || type === 'test:stderr') yield data.message;
    if (type === 'test:diagnostic' && data.level === 'error') yield `${data.message}\n`;
    if (type !== 'test:pass' && type !== 'test:fail') continue;
    const isWrapper = data.nesting === 0 && data.name.endsWith('.test.mjs');
    const failed = type === 'test:fail' && !data.todo;
    if ((data.details?.type === 'suite' || isWrapper) && !failed && data.skip === undefined) continue;
    if (failed && data.details?.error?.failureType === 'subtestsFailed') continue;
    const state = failed ? 'failed' : data.skip || data.todo ? 'skipped' : 'passed';
    yield `${failed ? 'not ok' : state === 'skipped' ? 'skip' : 'ok'} ${data.name} (${Math.round(data.details?.duration_ms ?? 0)} ms)\n`;
    if (failed) {
      const cause = data.details?.error?.cause ?? data.details?.error;
      yield `${cause?.stack ?? cause}\n`;
    }
    const reason = state === 'skipped' ? [data.skip, data.todo].find((each) => typeof each === 'string') : undefined;
    yield `#case ${JSON.stringify({ name: data.name, state, reason })}\n`;
  }
}
