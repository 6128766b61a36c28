/** Words for times. The console speaks English with unambiguous dates and a 24 hour clock. */
const kUnits: [Intl.RelativeTimeFormatUnit, number][] = [
  ["year", 365 * 86400],
  ["month", 30 * 86400],
  ["week", 7 * 86400],
  ["day", 86400],
];
const relative_format = new Intl.RelativeTimeFormat("en", { numeric: "auto", style: "long" });

/** "in 41 min", "2 h ago", "yesterday". Rounds towards now, so nothing is promised for longer than it lasts. */
export function relative(iso: string, now: number): string {
  const seconds = (Date.parse(iso) - now) / 1000;
  const size = Math.abs(seconds);
  for (const [unit, length] of kUnits) {
    if (size >= length) return relative_format.format(Math.trunc(seconds / length), unit);
  }
  if (size < 10) return "just now";
  const words = size >= 3600 ? `${Math.trunc(size / 3600)} h` : size >= 60 ? `${Math.trunc(size / 60)} min` : "under 1 min";
  return seconds > 0 ? `in ${words}` : `${words} ago`;
}

/** "23 Nov, 19:05" in the viewer's time zone; with the year when it is another one. */
export function absolute(iso: string, now = Date.now(), time_zone?: string): string {
  const then = new Date(iso);
  const year = then.getUTCFullYear() === new Date(now).getUTCFullYear() ? {} : ({ year: "numeric" } as const);
  return new Intl.DateTimeFormat("en-GB", { day: "numeric", month: "short", ...year, hour: "2-digit", minute: "2-digit", ...(time_zone ? { timeZone: time_zone } : {}) }).format(then);
}

/** "19:05:07" on the day itself, else with the date. */
export function precise(iso: string): string {
  return new Intl.DateTimeFormat("en-GB", { dateStyle: "medium", timeStyle: "medium" }).format(new Date(iso));
}

export function day(iso: string): string {
  return new Intl.DateTimeFormat("en-GB", { dateStyle: "long" }).format(new Date(iso));
}

const number_format = new Intl.NumberFormat("en");
export function count(n: number): string {
  return number_format.format(n);
}

/** "1 user", "12,345 users". */
export function counted(n: number, one: string, many = `${one}s`): string {
  return `${count(n)} ${n === 1 ? one : many}`;
}
