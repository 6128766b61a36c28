/** An id made of a name: "Scans of the front office" gives scans-of-the-front-office. */
export function suggested_id(name: string): string {
  const plain = name.normalize("NFKD").toLowerCase().replace(/[^a-z0-9]+/g, "-");
  return plain.replace(/^-+|-+$/g, "").slice(0, 63).replace(/-+$/, "");
}

/** What a document named invoice.pdf would be called; the server's own rule is src/delivery/document_name.h. */
export function preview_name(folder: string, naming: string, connector: string, now = new Date()): string {
  const values: Record<string, string> = { date: now.toISOString().slice(0, 10), time: now.toISOString().slice(11, 19).replaceAll(":", "-"), user: "anna", device: "Copier 2", name: "invoice", connector, counter: "17", id: "3f9a01c7" };
  const fill = (text: string) => text
    .replace(/\{counter:([1-9]|1[0-2])\}/g, (_, digits: string) => "17".padStart(Number(digits), "0"))
    .replace(/\{(\w+)\}/g, (whole, word: string) => values[word] ?? whole);
  const place = fill(folder.trim().replace(/^\/+|\/+$/g, ""));
  return `${place ? `${place}/` : ""}${fill(naming.trim() || "{name}")}.pdf`;
}
