import { api, type Schemas } from "../api/client.ts";

/** The catalogue, loaded once per visit and again after apps have changed. */
class Catalogue {
  types = $state.raw<Schemas["Type"][]>([]);
  pin = $state.raw<Schemas["TypeList"]["pin"]>({ min_length: 6, max_bytes: 256, generate_length: 10 });
  loaded = $state(false);
  #loading: Promise<void> | null = null;

  load(again = false): Promise<void> {
    if (again || !this.#loading) this.#loading = this.#load();
    return this.#loading;
  }
  async #load() {
    try {
      const reply = await api.get("/api/v1/types");
      this.types = reply.items;
      this.pin = reply.pin;
      this.loaded = true;
    } catch (error) {
      this.#loading = null;
      throw error;
    }
  }
  find(id: string): Schemas["Type"] | undefined {
    return this.types.find((t) => t.id === id);
  }
}
export const catalogue = new Catalogue();

/** Type choices grouped by what they are for. */
export const kKindWords: Record<Schemas["Type"]["kind"], string> = {
  storage: "Files",
  mail: "Mail",
  mail_smtp: "Mail through SMTP",
  crm: "Customers",
  erp: "Accounting",
  legal_dms: "Legal documents",
  property: "Property",
  advice: "Financial advice",
  generic: "Anything else",
  practice: "Practice",
  practice_mail: "Practice",
};
const kKindOrder = Object.keys(kKindWords) as Schemas["Type"]["kind"][];

export function type_choices(types: Schemas["Type"][]) {
  return [...types]
    .sort((a, b) => kKindOrder.indexOf(a.kind) - kKindOrder.indexOf(b.kind) || a.name.localeCompare(b.name))
    .map((t) => ({ value: t.id, label: t.name, heading: kKindWords[t.kind] }));
}
