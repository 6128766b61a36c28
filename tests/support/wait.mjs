// Waiting for a condition with a deadline: tests never sleep for luck.

/**
 * Asks `condition` until it gives something truthy, and returns that. A condition that throws counts as not yet.
 * After `timeout` milliseconds it fails with `what` and the last error.
 */
export async function until(what, condition, { timeout = 10_000, every = 20 } = {}) {
  const deadline = performance.now() + timeout;
  let last;
  for (;;) {
    try {
      const value = await condition();
      if (value) return value;
      last = undefined;
    } catch (error) {
      last = error;
    }
    if (performance.now() >= deadline) {
      throw new Error(`waited ${timeout} ms for ${what}${last ? `: ${last.message}` : ''}`, { cause: last });
    }
    await new Promise((resolve) => setTimeout(resolve, every));
  }
}

/** A gate that something waits at until the test opens it. */
export function gate() {
  let open;
  const passed = new Promise((resolve) => { open = resolve; });
  return { passed, open };
}

/** until(), for a program just started ({ running, ended, logs }): fails at once, with what it said, when it has ended. */
export async function untilReady(program, what, check, options) {
  await until(what, () => !program.running || check(), options).catch((error) => {
    throw new Error(`${error.message}\n${program.logs}`);
  });
  if (program.running) return;
  await program.ended; // with all that it has said
  throw new Error(`it ended:\n${program.logs}`);
}
