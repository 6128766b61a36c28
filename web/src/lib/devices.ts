import type { Schemas } from "../api/client.ts";

/** In groups of four, as a person reads it from a card: spaces do not count. */
export function grouped(secret: string): string {
  return secret.match(/.{1,4}/g)?.join(" ") ?? "";
}

/** The lines of a text area, without the empty ones. */
export function lines(text: string): string[] {
  return text.split(/[\s,;]+/).filter((one) => one !== "");
}

export interface CardLine {
  what: string;
  value: string;
}
export interface DoorSection {
  title: string;
  lines: CardLine[];
}
export type Doors = Pick<Schemas["DeviceList"], "public_url" | "mail_listeners" | "drop_domain">;

const kSecurity: Record<Schemas["DeviceList"]["mail_listeners"][number]["security"], string> = { starttls: "STARTTLS", tls: "TLS (SSL)", none: "none" };

/** What is typed into a device, door by door, in the words of devices' own pages; without the secret. */
export function door_sections(device: { connectors: string[]; sources: string[] }, doors: Doors): DoorSection[] {
  const url = new URL(doors.public_url);
  const tls = url.protocol === "https:";
  const base = doors.public_url.replace(/\/$/, "");
  const place = [{ what: "Host", value: url.hostname }, { what: "Port", value: url.port || (tls ? "443" : "80") }, { what: "Security", value: tls ? "TLS (https)" : "none (http)" }];
  // Listeners for named addresses are told to the devices at these alone.
  const mail = doors.mail_listeners.filter((one) => one.sources.length === 0 || one.sources.some((source) => device.sources.includes(source)));
  const for_each = (what: string, value: (id: string) => string) => device.connectors.map((id) => ({ what, value: value(id) }));
  return [
    ...mail.map((one) => ({ title: "By mail (SMTP)", lines: [{ what: "Host", value: url.hostname }, { what: "Port", value: String(one.port) }, { what: "Security", value: kSecurity[one.security] }, ...for_each("Send to", (id) => `${id}@${doors.drop_domain}`)] })),
    { title: "By WebDAV", lines: [...place, ...for_each("Folder", (id) => `/dav/${id}/`)] },
    { title: "By HTTP", lines: for_each("Post to", (id) => `${base}/v1/deliver/${id}`) },
  ].filter((door) => door.lines.length > 0);
}

/** What a phone's camera is given: what is tedious to type. */
export function card_text(device: { name: string; secret: string }, public_url: string): string {
  return [`Server: ${new URL(public_url).host}`, `User name: ${device.name}`, `Password: ${device.secret}`].join("\n");
}

/** The uses of a device once its mail domains are these: it may send when there is somebody it may write to. */
export function uses_with_mail<Use extends string>(uses: Use[], domains: string[]): (Use | "send")[] {
  const others = uses.filter((use) => use !== "send");
  return domains.length > 0 ? [...others, "send"] : others;
}

const kDoors: Record<Schemas["DeviceConversation"]["door"], string> = { smtp: "mail (SMTP)", webdav: "WebDAV", http: "HTTP" };

/** "from 192.0.2.7 by WebDAV" */
export function conversation_way({ source, door }: Pick<Schemas["DeviceConversation"], "source" | "door">): string {
  return `from ${source} by ${kDoors[door]}`;
}

/** A conversation as one text, to be copied: "C" is the device, "S" the server. */
export function conversation_text(lines: Schemas["DeviceConversation"]["lines"]): string {
  const mark = { device: "C: ", server: "S: ", note: "   -- " };
  return lines.map((line) => mark[line.from] + line.text).join("\n");
}
