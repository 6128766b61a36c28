import type { Schemas } from "../api/client.ts";
import { count } from "./time.ts";
import { event_tone, type Tone } from "./words.ts";

type Item = Schemas["TimelineItem"];
type Event = Item["event"];

/** The lanes of a grant's picture, from top to bottom. */
export const kLanes = ["Issued", "Refreshed", "Handed out", "Failed", "Changed"] as const;

function lane_of(event: Event): (typeof kLanes)[number] {
  switch (event) {
    case "authorized":
    case "reauthorized":
      return "Issued";
    case "refreshed":
      return "Refreshed";
    case "handed_out":
      return "Handed out";
    case "refresh_failed":
    case "refresh_ambiguous":
    case "refresh_refused":
    case "needs_authorization":
    case "paused":
      return "Failed";
    default:
      return "Changed";
  }
}

export interface Mark {
  lane: number;
  from: number;
  until: number;
  tone: Tone;
  words: string;
}

/** What happened, as spans of time in lanes; lanes in which nothing happened are left out. */
export function life_of(items: Item[], words: (item: Item) => string): { lanes: string[]; marks: Mark[]; summary: string } {
  const lanes = kLanes.filter((lane) => items.some((item) => lane_of(item.event) === lane));
  const marks = items.map((item) => ({
    lane: lanes.indexOf(lane_of(item.event)),
    from: Date.parse(item.since),
    until: Date.parse(item.at),
    tone: event_tone(item.event),
    words: words(item),
  }));
  const totals = lanes.map((lane) => {
    const sum = items.filter((item) => lane_of(item.event) === lane).reduce((n, item) => n + item.count, 0);
    return `${lane.toLowerCase()} ${count(sum)}`;
  });
  return { lanes, marks, summary: totals.join(", ") };
}
