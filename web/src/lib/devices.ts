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

/** What is typed into a device, in the words of devices' own pages. */
export function card_lines(device: { name: string; secret: string; connectors: string[] }, public_url: string): CardLine[] {
  const url = new URL(public_url);
  const tls = url.protocol === "https:";
  return [
    { what: "Host", value: url.hostname },
    { what: "Port", value: url.port || (tls ? "443" : "80") },
    { what: "Security", value: tls ? "TLS (https)" : "none (http)" },
    { what: "User name", value: device.name, typed: true },
    { what: "Password", value: grouped(device.secret), typed: true },
    ...device.connectors.map((id) => ({ what: "Address", value: `${public_url.replace(/\/$/, "")}/v1/deliver/${id}` })),
  ];
}

/** The card as one text, for a phone's camera. */
export function card_text(all: CardLine[], secret: string): string {
  return all.map((line) => `${line.what}: ${line.what === "Password" ? secret : line.value}`).join("\n");
}
