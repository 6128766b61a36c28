// What the reverse proxies of the tests have in common: a configuration that is shipped with named lines changed, and a process in the foreground.

import { spawn } from 'node:child_process';
import { until } from './wait.mjs';

/** Every line of `changes` must be there: a configuration that has moved on is not tested by accident. */
export function changed(file, text, changes) {
  return changes.reduce((out, [from, to]) => {
    if (!out.includes(from)) throw new Error(`${file} has no line ${from}`);
    return out.replaceAll(from, to);
  }, text);
}

/** Runs it until the test ends; returns once `url` answers: { stop, said (what it has written to stderr) }. */
export async function runProxy(t, name, binary, args, { url, headers = {}, env = process.env }) {
  const child = spawn(binary, args, { stdio: ['ignore', 'ignore', 'pipe'], env });
  let said = '';
  child.stderr.setEncoding('utf8').on('data', (chunk) => { said += chunk; });
  const ended = new Promise((resolve) => child.on('close', resolve));
  const stop = async () => {
    child.kill('SIGTERM');
    await ended;
  };
  t.after(stop);
  await until(`${name} to listen`, async () => {
    if (child.exitCode !== null) throw new Error(`${name} ended: ${said}`);
    return fetch(url, { redirect: 'manual', headers }).then(() => true, () => undefined);
  });
  return { stop, said: () => said };
}
