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
  /** To be typed character by character. */
  typed?: boolean;
}

export interface CardSection {
  title: string;
  lines: CardLine[];
}

/** Where this server listens, as GET /api/v1/devices says it. */
export interface Doors {
  public_url: string;
  mail: Schemas["MailDoor"] | null;
}

/** A connector of the device: does it send mail to people, or take documents? */
export interface CardConnector {
  id: string;
  sends_mail: boolean;
}

/** What is typed into a device, in the words of devices' own pages: who it is, then for each way of delivering where. */
export function card_sections(device: { name: string; secret: string }, connectors: CardConnector[], doors: Doors): CardSection[] {
  const who = { title: "Sign-in", lines: [{ what: "User name", value: device.name, typed: true }, { what: "Password", value: grouped(device.secret), typed: true }] };
  return [who, ...(doors.mail ? [mail_section(connectors, doors.mail)] : []), web_section(connectors, doors.public_url)];
}

function mail_section(connectors: CardConnector[], mail: Schemas["MailDoor"]): CardSection {
  const ports = [
    ...(mail.submission === null ? [] : [{ what: "Port and security", value: `${mail.submission}, ${mail.starttls ? "STARTTLS" : "none"}` }]),
    ...(mail.submissions === null ? [] : [{ what: mail.submission === null ? "Port and security" : "or", value: `${mail.submissions}, SSL/TLS` }]),
    ...(mail.plain === null ? [] : [{ what: "Without TLS", value: `${mail.plain}, from its own address` }]),
    ...(mail.legacy === null ? [] : [{ what: "With TLS 1.0", value: `${mail.legacy}, STARTTLS, from its own address` }]),
  ];
  const documents = connectors.filter((one) => !one.sends_mail).map((one) => ({ what: "Send to", value: `${one.id}@${mail.drop_domain}` }));
  const people = connectors.some((one) => one.sends_mail) ? [{ what: "Send to", value: "people's own addresses" }] : [];
  return { title: "Scan to e-mail", lines: [{ what: "SMTP server", value: mail.host }, ...ports, { what: "Authentication", value: "on (LOGIN or PLAIN)" }, ...documents, ...people] };
}

function web_section(connectors: CardConnector[], public_url: string): CardSection {
  const url = new URL(public_url);
  const tls = url.protocol === "https:";
  const folders = connectors.filter((one) => !one.sends_mail);
  return {
    title: "Scan to WebDAV or HTTPS",
    lines: [
      { what: "Host", value: url.hostname },
      { what: "Port", value: url.port || (tls ? "443" : "80") },
      { what: "Security", value: tls ? "TLS (https)" : "none (http)" },
      ...folders.map((one) => ({ what: "WebDAV folder", value: `${url.pathname.replace(/\/$/, "")}/dav/${one.id}/` })),
      ...folders.map((one) => ({ what: "or POST to", value: `${public_url.replace(/\/$/, "")}/v1/deliver/${one.id}` })),
    ],
  };
}

/** The card as one text, for a phone's camera. */
export function card_text(sections: CardSection[], secret: string): string {
  const line_text = (line: CardLine) => `${line.what}: ${line.what === "Password" ? secret : line.value}`;
  return sections.map((section) => [section.title, ...section.lines.map(line_text)].join("\n")).join("\n\n");
}

/** The uses of a device once its mail domains are these: it may send when there is somebody it may write to. */
export function uses_with_mail<Use extends string>(uses: Use[], domains: string[]): (Use | "send")[] {
  const others = uses.filter((use) => use !== "send");
  return domains.length > 0 ? [...others, "send"] : others;
}

/** A conversation as one text, to be copied: "C" is the device, "S" the server. */
export function conversation_text(lines: Schemas["DeviceConversation"]["lines"]): string {
  const mark = { device: "C: ", server: "S: ", note: "   -- " };
  return lines.map((line) => mark[line.from] + line.text).join("\n");
}
