/** The time that relative times are told from; moves every 15 s. */
class Clock {
  now = $state(Date.now());
  constructor() {
    setInterval(() => (this.now = Date.now()), 15_000);
  }
}
export const clock = new Clock();
