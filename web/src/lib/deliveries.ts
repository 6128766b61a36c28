import CircleCheck from "@lucide/svelte/icons/circle-check";
import CircleHelp from "@lucide/svelte/icons/circle-question-mark";
import CirclePause from "@lucide/svelte/icons/circle-pause";
import CircleX from "@lucide/svelte/icons/circle-x";
import Clock from "@lucide/svelte/icons/clock";
import Upload from "@lucide/svelte/icons/upload";
import type { Schemas } from "../api/client.ts";
import type { StateFace } from "./states.ts";

export type DeliveryState = Schemas["DeliveryState"];
type Icon = StateFace["icon"];

/** How each state of a delivery looks and what it means. */
export const kDeliveryStates: Record<DeliveryState, StateFace> = {
  queued: { word: "Waiting", tone: "info", icon: Clock as Icon, meaning: "Waits for its turn, or for its next try." },
  sending: { word: "Being sent", tone: "info", icon: Upload as Icon, meaning: "On its way to the destination." },
  parked: { word: "Needs a person", tone: "warn", icon: CirclePause as Icon, meaning: "Goes by itself once what stands in its way is mended." },
  maybe_sent: { word: "May have arrived", tone: "warn", icon: CircleHelp as Icon, meaning: "Sent, and the destination did not answer. Look there before trying again." },
  failed: { word: "Failed", tone: "bad", icon: CircleX as Icon, meaning: "Refused by the destination, or given up. The document is still here." },
  delivered: { word: "Delivered", tone: "ok", icon: CircleCheck as Icon, meaning: "The destination has it." },
};
export const kDeliveryOrder = Object.keys(kDeliveryStates) as DeliveryState[];

/** 1,234,567 octets as people say it: 1.2 MB. */
export function size_words(octets: number): string {
  if (octets < 1000) return `${octets} ${octets === 1 ? "byte" : "bytes"}`;
  const units = ["kB", "MB", "GB", "TB"];
  let value = octets / 1000;
  let unit = 0;
  // 999.5 would be rounded to a thousand.
  while (value >= 999.5 && unit < units.length - 1) {
    value /= 1000;
    unit += 1;
  }
  return `${value < 10 ? value.toFixed(1) : Math.round(value)} ${units[unit]}`;
}

/** "invoice.pdf" of "Accounts/2026/invoice.pdf", and the folder it goes to; empty: the top one. */
export function place_of(path: string): { file: string; folder: string } {
  const cut = path.lastIndexOf("/");
  return { file: path.slice(cut + 1), folder: path.slice(0, Math.max(cut, 0)) };
}

/** How much of a document its destination has, from 0 to 100. */
export function percent_sent(sent: number, size: number, state: DeliveryState): number {
  if (state === "delivered") return 100;
  return size > 0 ? Math.min(100, Math.floor((sent * 100) / size)) : 0;
}

/** What a step of the road is called. */
export function step_words(what: string): string {
  const words: Record<string, string> = { accepted: "Accepted", waits: "Waits for an older one of its name", sending: "Sending", retry: "Will be tried again", parked: "Waits for a person", maybe_sent: "May have arrived", failed: "Failed", delivered: "Delivered", retried: "Tried again by hand", rerouted: "Sent elsewhere by hand", renamed: "Renamed", released: "Sent under its temporary name", restored: "Restored from a backup" };
  return words[what] ?? what;
}

const kDoors: Record<string, string> = { http: "HTTP", smtp: "Mail (SMTP)", webdav: "WebDAV", dav: "WebDAV", folder: "Folder" };
/** Door and address, as a delivery's source says them: "http 192.0.2.7" is HTTP from 192.0.2.7. */
export function source_words(source: string): string {
  const [door = "", address = ""] = source.split(" ");
  return `${kDoors[door] ?? door}${address ? ` from ${address}` : ""}`;
}

type Station = { what: "sender" | "door" | "disk" | "destination"; name: string; words: string; reached: boolean; here: boolean };

/** The stations of a document's way, and which of them it has reached. `source` is door and address: "http 192.0.2.7". */
export function road_stations(delivery: Pick<Schemas["DeliveryDetail"], "state" | "source" | "connector"> & { submitter?: string | null }): Station[] {
  const [door = "", address = ""] = delivery.source.split(" ");
  const delivered = delivery.state === "delivered";
  const under_way = delivery.state === "sending" || delivery.state === "maybe_sent";
  return [
    { what: "sender", name: delivery.submitter ?? "Sender", words: address, reached: true, here: false },
    { what: "door", name: kDoors[door] ?? door, words: "door", reached: true, here: false },
    { what: "disk", name: "This server", words: delivered ? "document gone, record kept" : "encrypted on disk", reached: true, here: !delivered && !under_way },
    { what: "destination", name: delivery.connector, words: delivered ? "has it" : under_way ? "being sent" : "not yet", reached: delivered || under_way, here: delivered || under_way },
  ];
}

/** What a person may do with a delivery now. */
export function deeds(delivery: Pick<Schemas["Delivery"], "state" | "tries">): { retry: boolean; reroute: boolean; download: boolean; remove: boolean } {
  const waits = delivery.state === "failed" || delivery.state === "parked" || delivery.state === "maybe_sent";
  const here = delivery.state !== "delivered";
  return { retry: waits || (delivery.state === "queued" && delivery.tries > 0), reroute: here && delivery.state !== "sending", download: here, remove: delivery.state !== "sending" };
}
