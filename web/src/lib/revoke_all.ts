import { counted } from "./time.ts";

/** The words that are typed before every grant is revoked; the command line asks for the same. */
export const kConfirmWords = "revoke all";

export interface RevokeScope {
  /** Empty: of all apps. */
  app: string;
  /** Empty: of all types. */
  type: string;
}

/** What one page, or all pages together, came to. */
export interface RevokeFigures {
  grants: number;
  by_type: Record<string, number>;
  /** Whatever else the server counts, under its own name: by_hand, and what later servers add. */
  others: Record<string, Record<string, number>>;
}

export const no_figures = (): RevokeFigures => ({ grants: 0, by_type: {}, others: {} });

const kOwnMembers = ["grants", "by_type", "next_cursor"];

function counts_of(value: unknown): Record<string, number> {
  if (typeof value === "number") return { "": value };
  if (typeof value !== "object" || value === null) return {};
  return Object.fromEntries(Object.entries(value).filter((each): each is [string, number] => typeof each[1] === "number"));
}
function plus(a: Record<string, number>, b: Record<string, number>): Record<string, number> {
  const out = { ...a };
  for (const [name, n] of Object.entries(b)) out[name] = (out[name] ?? 0) + n;
  return out;
}

/** The figures so far and those of one more page. */
export function with_page(sum: RevokeFigures, page: object): RevokeFigures {
  const members = page as Record<string, unknown>;
  const others = { ...sum.others };
  for (const [name, value] of Object.entries(members)) {
    if (!kOwnMembers.includes(name)) others[name] = plus(others[name] ?? {}, counts_of(value));
  }
  return { grants: sum.grants + Number(members["grants"] ?? 0), by_type: plus(sum.by_type, counts_of(members["by_type"])), others };
}

const total_of = (counts: Record<string, number>) => Object.values(counts).reduce((sum, n) => sum + n, 0);

/** What becomes of some of the grants at their providers. */
export interface Fate {
  name: string;
  title: string;
  advice: string;
  total: number;
  /** By provider, most first; none where the server told only a number. */
  providers: { name: string; count: number }[];
}

const kFates: Record<string, { title: string; advice: string }> = {
  perhaps: {
    title: "May turn out not to be asked",
    advice: "The provider's description of itself may name no way to revoke, or it never told whose account it is while others of the app stay in use. An alert says which it was; end those by hand.",
  },
  by_hand: {
    title: "To be ended by hand",
    advice: "These providers offer no revocation. An administrator there removes the app's consent, or each owner does in the account's own settings. Deleting the app registration there ends all its grants at once.",
  },
};

/** The grants that are not simply asked for, in the server's own groups; one this console does not know is shown by its name. */
export function fates_of(figures: RevokeFigures): Fate[] {
  return Object.entries(figures.others)
    .map(([name, counts]) => {
      const words = name.replaceAll("_", " ");
      const known = kFates[name] ?? { title: words.charAt(0).toUpperCase() + words.slice(1), advice: "Look at these at their providers when nothing waits any more, and end by hand what still stands there." };
      const providers = Object.entries(counts).filter(([provider]) => provider !== "").map(([provider, n]) => ({ name: provider, count: n })).sort((a, b) => b.count - a.count || a.name.localeCompare(b.name));
      return { name, ...known, total: total_of(counts), providers };
    })
    .filter((fate) => fate.total > 0);
}

/** How many their providers are asked to end. */
export function asked_of(figures: RevokeFigures): number {
  return Math.max(0, figures.grants - Object.values(figures.others).reduce((sum, counts) => sum + total_of(counts), 0));
}

/** "3 grants of Gmail, of the app box" */
export function scope_words(grants: number, scope: RevokeScope, type_name: string): string {
  return `${counted(grants, "grant")}${scope.type ? ` of ${type_name}` : ""}${scope.app ? `${scope.type ? "," : ""} of the app ${scope.app}` : ""}`;
}

/** Whether what was typed is the words asked for, however spaced or capitalized. */
export function confirms(typed: string): boolean {
  return typed.trim().toLowerCase().replaceAll(/\s+/g, " ") === kConfirmWords;
}
