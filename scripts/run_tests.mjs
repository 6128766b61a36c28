// Runs every test program of a build, every node test file and the console's own tests, two at a time, and counts each
// case. Exit status 0 only when nothing failed. The last line is the plain summary; before it stands what was skipped, and why.
// Run by root, a test that is skipped for want of what scripts/setup --tests installs has failed.
//
//   --preset NAME   the build to test: build/NAME (default release)
//   --only REGEX    only suites whose name matches
//   --list          names of the suites
//
// Environment: LATCHKEY_TEST_SLOTS (suites at a time, default 2), LATCHKEY_TEST_TIMEOUT (seconds that one case may say nothing, 120).
// Files named *.alone.test.mjs measure time: they run at the end, one by one.

import { spawn } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statfsSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { findPostgres, Postgres, withoutPostgres } from '../tests/support/postgres.mjs';
import { maySkip, skippedLines, skipReason } from './skipped_tests.mjs';

const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '..');
const { values: options } = parseArgs({
  options: { preset: { type: 'string', default: 'release' }, only: { type: 'string' }, list: { type: 'boolean' } },
});
const build = path.join(root, 'build', options.preset);
const artefacts = path.join(root, 'build', 'artefacts', 'tests', options.preset);
const sanitized = ['asan', 'tsan'].includes(options.preset);
const caseTimeout = Number(process.env.LATCHKEY_TEST_TIMEOUT ?? 120) * (sanitized ? 4 : 1);
const slots = Number(process.env.LATCHKEY_TEST_SLOTS ?? 2);

/** Runs a program to its end; stdout goes to onLine line by line. A silent period longer than `quiet` seconds kills it. */
function execute(command, args, { quiet, onLine = () => {}, env = {}, cwd = root }) {
  return new Promise((resolve) => {
    const child = spawn(command, args, { cwd, env: { ...process.env, ...env }, stdio: ['ignore', 'pipe', 'pipe'], detached: true });
    let output = '';
    let rest = '';
    let hung = false;
    let timer;
    const arm = () => {
      clearTimeout(timer);
      timer = setTimeout(() => {
        hung = true;
        try {
          process.kill(-child.pid, 'SIGKILL');
        } catch {
          child.kill('SIGKILL');
        }
      }, quiet * 1000);
    };
    const take = (chunk) => {
      output = (output + chunk).slice(-400_000);
      rest += chunk;
      const lines = rest.split('\n');
      rest = lines.pop();
      for (const line of lines) onLine(line, arm);
    };
    arm();
    child.stdout.setEncoding('utf8').on('data', take);
    child.stderr.setEncoding('utf8').on('data', (chunk) => { output = (output + chunk).slice(-400_000); });
    child.on('error', (error) => { output += `${error.message}\n`; });
    child.on('close', (status, signal) => {
      clearTimeout(timer);
      if (rest) onLine(rest, () => {});
      resolve({ status, signal, hung, output });
    });
  });
}

/** One PostgreSQL for the programs that exercise stores; each of their tests makes a database of its own. */
const programsOnPostgres = new Set(['store_tests', 'grants_tests']);
let cluster;
async function postgresFor(program) {
  if (!programsOnPostgres.has(path.basename(program))) return {};
  if (!findPostgres()) {
    console.log(`notice: ${path.basename(program)} skips its tests of PostgreSQL: ${withoutPostgres}`);
    return {};
  }
  cluster ??= Postgres.start();
  return { LATCHKEY_TEST_POSTGRES: (await cluster).address };
}

/** Where the programs' many small files lie in memory, for which nobody waits; what a disk may do to them is a matter of the tests of processes. */
const inMemory = '/dev/shm';
const filesInMemory = () => {
  if (!existsSync(inMemory)) return {};
  const { bavail, bsize } = statfsSync(inMemory);
  return bavail * bsize > 2 ** 31 ? { TMPDIR: inMemory } : {};
};

const nothingYet = () => ({ passed: 0, failed: [], skipped: [], output: '' });

/** Counts a case that was skipped; as a failure where it should have run. */
function skip(result, name, reason) {
  if (maySkip(reason, { isRoot: process.getuid() === 0 })) result.skipped.push(reason);
  else result.failed.push(`${name} was skipped: ${reason}`);
}

/** One GoogleTest program. A crash or a hang fails the case it struck, and the remaining cases run in a new process. */
async function runGoogleTest(program) {
  const result = nothingYet();
  const env = { ...filesInMemory(), ...await postgresFor(program) };
  const listed = await execute(program, ['--gtest_list_tests'], { quiet: 60 });
  const remaining = new Set();
  let suite = '';
  for (const line of listed.output.split('\n')) {
    if (/^\S+\.(\s|$)/.test(line)) suite = line.split(/\s/)[0];
    else if (/^ {2}\S/.test(line)) remaining.add(suite + line.trim().split(/\s/)[0]);
  }
  if (remaining.size === 0) result.failed.push(`${path.basename(program)} lists no tests`);
  const report = path.join(artefacts, `${path.basename(program)}.json`);
  const flags = path.join(artefacts, `${path.basename(program)}.flags`);
  while (remaining.size > 0) {
    writeFileSync(flags, `--gtest_filter=${[...remaining].join(':')}\n`);
    rmSync(report, { force: true });
    let running = '';
    const done = new Map();
    const run = await execute(program, [`--gtest_flagfile=${flags}`, `--gtest_output=json:${report}`], {
      quiet: caseTimeout,
      env,
      onLine: (line, arm) => {
        arm();
        const event = /\[ +(RUN|OK|FAILED|SKIPPED) +\] ([^\s,]+)/.exec(line);
        if (!event) return;
        if (event[1] === 'RUN') {
          running = event[2];
        } else if (event[2] === running) {
          done.set(running, event[1]);
          running = '';
        }
      },
    });
    result.output += run.output;
    if (existsSync(report)) {
      done.clear();
      running = '';
      for (const group of JSON.parse(readFileSync(report, 'utf8')).testsuites) {
        for (const test of group.testsuite) {
          const skipped = test.result === 'SKIPPED' || test.status === 'NOTRUN';
          done.set(`${group.name}.${test.name}`, test.failures?.length ? 'FAILED' : skipped ? 'SKIPPED' : 'OK');
        }
      }
      if (run.status !== 0 && ![...done.values()].includes('FAILED')) {
        result.failed.push(`${path.basename(program)}: every case passed, but it ended with ${run.signal ?? `status ${run.status}`}`);
      }
      remaining.clear();
    }
    for (const [name, state] of done) {
      if (state === 'OK') result.passed++;
      else if (state === 'SKIPPED') skip(result, name, skipReason(run.output, name));
      else result.failed.push(name);
      remaining.delete(name);
    }
    if (running) {
      result.failed.push(`${running} (${run.hung ? `no end after ${caseTimeout} s` : `crashed: ${run.signal ?? `status ${run.status}`}`})`);
      remaining.delete(running);
    } else if (done.size === 0 && remaining.size > 0) {
      result.failed.push(`${path.basename(program)} ran nothing: ${run.signal ?? `status ${run.status}`}`);
      remaining.clear();
    }
  }
  return result;
}

async function runNodeTest(file) {
  const result = nothingYet();
  const reporter = path.join(root, 'scripts', 'node_test_reporter.mjs');
  const run = await execute('node', ['--test', `--test-timeout=${caseTimeout * 7500}`, `--test-reporter=${reporter}`, file], {
    quiet: caseTimeout * 5,
    cwd: path.join(root, 'tests'),
    env: { LATCHKEY_BIN: process.env.LATCHKEY_BIN ?? path.join(build, 'latchkey'), LATCHKEY_SANITIZED: sanitized ? '1' : '' },
    onLine: (line, arm) => {
      if (!line.startsWith('#case ')) return;
      arm();
      const test = JSON.parse(line.slice(6));
      if (test.state === 'passed') result.passed++;
      else if (test.state === 'skipped') skip(result, test.name, test.reason);
      else result.failed.push(test.name);
    },
  });
  result.output = run.output.replace(/^#case .*\n/gm, '');
  if (run.hung) result.failed.push(`${path.basename(file)} was silent for too long and was killed`);
  else if (result.passed + result.skipped.length + result.failed.length === 0) result.failed.push(`${path.basename(file)} ran no tests`);
  else if (run.status !== 0 && result.failed.length === 0) result.failed.push(`${path.basename(file)} ended with ${run.signal ?? run.status}`);
  return result;
}

async function runVitest() {
  const result = nothingYet();
  const report = path.join(artefacts, 'vitest.json');
  rmSync(report, { force: true });
  const run = await execute('npx', ['--no-install', 'vitest', 'run', '--reporter=default', '--reporter=json', `--outputFile.json=${report}`], {
    quiet: 300,
    cwd: path.join(root, 'web'),
  });
  result.output = run.output;
  if (!existsSync(report)) {
    result.failed.push(`vitest wrote no report (${run.signal ?? `status ${run.status}`})`);
    return result;
  }
  for (const file of JSON.parse(readFileSync(report, 'utf8')).testResults) {
    if (file.assertionResults.length === 0) result.failed.push(`${file.name}: ${file.message}`);
    for (const test of file.assertionResults) {
      if (test.status === 'passed') result.passed++;
      else if (test.status === 'failed') result.failed.push(test.fullName);
      else result.skipped.push(test.status);
    }
  }
  if (run.status !== 0 && result.failed.length === 0) result.failed.push(`vitest ended with status ${run.status}`);
  return result;
}

/** One case: the console's sources pass their type check. */
async function runWebCheck() {
  const run = await execute('npm', ['run', '--silent', 'check'], { quiet: 300, cwd: path.join(root, 'web') });
  return { passed: run.status === 0 ? 1 : 0, failed: run.status === 0 ? [] : ['type check of web/'], skipped: [], output: run.output };
}

function collectSuites() {
  const suites = [];
  for (const folder of ['browser', 'conformance', 'process', 'support']) {
    const where = path.join(root, 'tests', folder);
    if (!existsSync(where)) continue;
    for (const name of readdirSync(where).sort()) {
      if (!name.endsWith('.test.mjs')) continue;
      const file = path.join(where, name);
      suites.push({ name: `${folder}/${name.replace(/\.test\.mjs$/, '')}`, alone: name.endsWith('.alone.test.mjs'), run: () => runNodeTest(file) });
    }
  }
  const programs = path.join(build, 'test-programs.txt');
  if (existsSync(programs)) {
    for (const program of readFileSync(programs, 'utf8').split('\n').filter(Boolean)) {
      suites.push({ name: path.basename(program), run: () => runGoogleTest(program) });
    }
  }
  const webPackage = path.join(root, 'web', 'package.json');
  if (existsSync(webPackage) && !sanitized) {
    const web = JSON.parse(readFileSync(webPackage, 'utf8'));
    if (web.devDependencies?.vitest ?? web.dependencies?.vitest) suites.push({ name: 'web/unit', run: runVitest });
    if (web.scripts?.check) suites.push({ name: 'web/check', run: runWebCheck });
    const pages = path.join(root, 'web', 'test-ui');
    for (const name of readdirSync(pages).filter((each) => each.endsWith('.test.ts'))) {
      suites.push({ name: `web/ui_${name.replace(/\.test\.ts$/, '')}`, run: () => runNodeTest(path.join(pages, name)) });
    }
  }
  return suites.filter((suite) => !options.only || new RegExp(options.only).test(suite.name));
}

const total = { passed: 0, failed: 0 };
const failures = [];
const skips = [];

async function runSuite(suite) {
  const started = performance.now();
  let result;
  try {
    result = await suite.run();
  } catch (error) {
    result = { ...nothingYet(), failed: [`${suite.name} could not run: ${error.message}`], output: String(error.stack) };
  }
  const seconds = ((performance.now() - started) / 1000).toFixed(1);
  writeFileSync(path.join(artefacts, `${suite.name.replaceAll('/', '-')}.log`), result.output);
  total.passed += result.passed;
  total.failed += result.failed.length;
  skips.push(...result.skipped.map((reason) => ({ suite: suite.name, reason })));
  const skipped = result.skipped.length ? `, ${result.skipped.length} skipped` : '';
  console.log(`${result.failed.length ? 'FAIL' : 'ok  '} ${suite.name}: ${result.passed} passed, ${result.failed.length} failed${skipped} (${seconds} s)`);
  if (result.failed.length) {
    failures.push(...result.failed.map((name) => `${suite.name}: ${name}`));
    console.log(result.output.split('\n').slice(-120).map((line) => `    ${line}`).join('\n'));
  }
}

const suites = collectSuites();
if (options.list) {
  for (const suite of suites) console.log(suite.name);
  process.exit(0);
}
mkdirSync(artefacts, { recursive: true });
// Those that take minutes begin first, so that at the end no slot stands idle beside the last of them.
const takesMinutes = new Set(['simulation_tests', 'grants_tests', 'store_tests', 'web/ui_console', 'process/deliver', 'process/folder', 'process/fail_over', 'process/devices']);
const queue = suites.filter((suite) => !suite.alone).sort((a, b) => takesMinutes.has(b.name) - takesMinutes.has(a.name));
await Promise.all(Array.from({ length: slots }, async () => {
  for (let suite = queue.shift(); suite; suite = queue.shift()) await runSuite(suite);
}));
for (const suite of suites.filter((each) => each.alone)) await runSuite(suite);
await (await cluster)?.remove();

if (failures.length) console.log(`\nFailed:\n${failures.map((name) => `  ${name}`).join('\n')}\n`);
if (total.passed + total.failed === 0) {
  console.log('No test ran.');
  total.failed = 1;
}
if (skips.length) console.log(`Skipped (${skips.length}):\n${skippedLines(skips).join('\n')}`);
console.log(`${total.passed} passed, ${total.failed} failed`);
process.exitCode = total.failed ? 1 : 0;
