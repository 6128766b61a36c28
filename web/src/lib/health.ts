import type { Schemas } from "../api/client.ts";
import { counted } from "./time.ts";

export type Health = Schemas["Health"];
export type Tone = "ok" | "warn" | "bad" | "info" | "off";

const kDay = 86_400_000;

function span(seconds: number): string {
  if (seconds >= 86_400 && seconds % 86_400 === 0) return `${seconds / 86_400} d`;
  if (seconds >= 3600 && seconds % 3600 === 0) return `${seconds / 3600} h`;
  return seconds % 60 === 0 ? `${seconds / 60} min` : `${seconds} s`;
}

/** "5–15 min" of a span of the API; `past` for what has gone by. */
export function span_label(s: Schemas["SpanCount"], past: string): string {
  if (s.from_s === null) return past;
  if (s.until_s === null) return `> ${span(s.from_s)}`;
  if (s.from_s === 0) return `< ${span(s.until_s)}`;
  const from = span(s.from_s);
  const until = span(s.until_s);
  const [number, unit] = from.split(" ");
  return until.endsWith(` ${unit}`) ? `${number}–${until}` : `${from} – ${until}`;
}

export interface Column {
  label: string;
  /** One value a series, in the order of the series. */
  values: number[];
}

/** The hours of the API as three series: it worked, it will be tried again, somebody must act. */
export function outcome_columns(hours: Schemas["OutcomeHour"][], time_zone?: string): Column[] {
  const format = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit", ...(time_zone ? { timeZone: time_zone } : {}) });
  return hours.map((h) => ({ label: format.format(new Date(h.at)), values: [h.refreshed, h.transient + h.not_sent + h.ambiguous, h.refused + h.misconfigured_app] }));
}

/** "22 refreshes in the last 24 hours, 3 tries failed." */
export function last_day_words(hours: Schemas["OutcomeHour"][]): string {
  const refreshed = hours.reduce((sum, h) => sum + h.refreshed, 0);
  const failed = hours.reduce((sum, h) => sum + h.transient + h.not_sent + h.ambiguous + h.refused + h.misconfigured_app, 0);
  const words = `${counted(refreshed, "refresh", "refreshes")} in the last 24 hours`;
  return failed === 0 ? `${words}.` : `${words}, ${counted(failed, "try", "tries")} failed.`;
}

/** A label in two lines, broken where both come out short. */
export function two_lines(label: string): string[] {
  const words = label.split(" ");
  let best = [label];
  for (let n = 1; n < words.length; n++) {
    const lines = [words.slice(0, n).join(" "), words.slice(n).join(" ")];
    if (Math.max(...lines.map((l) => l.length)) < Math.max(...best.map((l) => l.length))) best = lines;
  }
  return best;
}

/** How labels stand under columns `step` pixels apart, so that every column with a value can have its own. */
export function label_layout(labels: string[], step: number): "flat" | "two lines" | "slanted" | "upright" {
  const wide = (lines: string[]) => Math.max(0, ...lines.map((line) => line.length)) * 6.4 + 4;
  if (labels.every((label) => wide([label]) <= step)) return "flat";
  if (labels.every((label) => wide(two_lines(label)) <= step)) return "two lines";
  return step >= 18 ? "slanted" : "upright";
}

/** Which columns have a label: all where there is room, else those with a value, and of the others some that stand in nobody's way. */
export function labelled(totals: number[], step: number): boolean[] {
  return totals.map((total, n) => step >= 13 || total > 0 || ((totals.length - 1 - n) % 3 === 0 && !totals[n - 1] && !totals[n + 1]));
}

/** The 14 days from now on: grants that end, and client secrets that run out. What has ended already is in the first. */
export function days_ahead(by_day: number[], secret_ends: string[], now: number, time_zone?: string): Column[] {
  const format = new Intl.DateTimeFormat("en-GB", { weekday: "short", day: "numeric", ...(time_zone ? { timeZone: time_zone } : {}) });
  return by_day.map((grants, n) => {
    const from = now + n * kDay;
    const secrets = secret_ends.filter((end) => Date.parse(end) < from + kDay && (n === 0 || Date.parse(end) >= from)).length;
    return { label: format.format(new Date(from)), values: [grants, secrets] };
  });
}

/** Grants whose token is good, or that keep themselves alive: what needs nobody. */
export function fresh(states: Schemas["StateCounts"]): number {
  return states.active;
}

/** Those that should be fresh: switched off on purpose does not count. */
export function kept(states: Schemas["StateCounts"]): number {
  return states.active + states.unreachable + states.uncertain + states.paused + states.needs_authorization;
}

/** A share that never rounds up to all: "99.9 %" of 999,999 in a million. */
export function share(part: number, whole: number): string {
  if (whole === 0) return "–";
  const percent = Math.floor((part / whole) * 1000) / 10;
  return `${Number.isInteger(percent) ? percent : percent.toFixed(1)} %`;
}

/** When an app is left without a secret; null: not by the calendar, or it has none. */
export function secrets_end(app: Health["apps"][number]): string | null {
  if (app.secrets.length === 0 || app.secrets.some((s) => s.expires_at === null)) return null;
  return app.secrets.map((s) => s.expires_at as string).sort((a, b) => Date.parse(a) - Date.parse(b)).at(-1) ?? null;
}
