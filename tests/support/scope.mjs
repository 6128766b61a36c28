// What a node:test does for its test, for runs that are programs: calls, at the end, whatever was to be called. Also when the
// run is interrupted: a server left over would go on refreshing.

const open = new Set();

for (const signal of ['SIGINT', 'SIGTERM']) {
  process.once(signal, async () => {
    await Promise.allSettled([...open].map((scope) => scope.end()));
    process.exit(130);
  });
}

export class Scope {
  #ends = [];

  constructor() {
    open.add(this);
  }

  after(end) {
    this.#ends.push(end);
  }

  async end() {
    open.delete(this);
    for (const end of this.#ends.splice(0).reverse()) await end();
  }
}
